import type { Problem } from "./problem";
import type { StackConfig } from "./schema";
import { howToSet } from "./secrets";
import { classesOf, hasType, hostsOf } from "./storage";

/** What is wrong with the StorageClasses, and with what asks for volumes of them. */
export function storageProblems(config: StackConfig): Problem[] {
  return [
    ...defaultProblems(config),
    ...consulProblems(config),
    ...shareProblems(config),
    ...vsphereProblems(config),
    ...accountProblems(config),
  ];
}

const defaults = ({ storage }: StackConfig) =>
  Object.entries(storage.classes).flatMap(([name, each]) => (each.default ? [name] : []));

function defaultProblems(config: StackConfig): Problem[] {
  const names = defaults(config);
  return names.length < 2
    ? []
    : [
        {
          path: "storage.classes",
          got: `default: true in ${names.join(" and ")}`,
          expected: "one default class, because a volume that names no class would get either",
        },
      ];
}

/** Where this stack declares no class at all, somebody else's is waited for. */
function consulProblems(config: StackConfig): Problem[] {
  const { consul, storage } = config;
  const names = Object.keys(storage.classes);
  if (!consul.enabled || names.length === 0) {
    return [];
  }
  const path = "consul.storageClass";
  const others = "or storage.classes: {} where somebody else brings all classes";
  if (consul.storageClass === undefined) {
    return defaults(config).length > 0
      ? []
      : [{ path, got: "nothing", expected: `one of ${names.join(", ")}, or default: true in one of these, ${others}` }];
  }
  return Object.hasOwn(storage.classes, consul.storageClass)
    ? []
    : [{ path, got: consul.storageClass, expected: `a class of storage.classes: ${names.join(", ")}, ${others}` }];
}

/** A password for each class of type `smb`, and no other. */
function shareProblems({ storage, smbPasswords = {} }: StackConfig): Problem[] {
  const classes = Object.keys(classesOf("smb", storage.classes));
  const missing = classes.filter((name) => !Object.hasOwn(smbPasswords, name));
  const idle = Object.keys(smbPasswords).filter((name) => !classes.includes(name));
  return [
    ...missing.map((name) => ({
      path: `smbPasswords.${name}`,
      got: "nothing",
      expected: howToSet("smbPasswords", name),
    })),
    ...idle.map((name) => ({
      path: `smbPasswords.${name}`,
      got: "a password",
      expected: `that of a class of type smb${classes.length > 0 ? `: ${classes.join(", ")}` : ", of which there is none"}`,
    })),
  ];
}

function vsphereProblems({ storage, hosts }: StackConfig): Problem[] {
  return Object.entries(classesOf("vsphere", storage.classes)).flatMap(([name, each]) => {
    const path = `storage.classes.${name}`;
    if ((each.datastore === undefined) === (each.storagePolicy === undefined)) {
      return [
        {
          path,
          got: each.datastore === undefined ? "neither datastore nor storagePolicy" : "datastore and storagePolicy",
          expected: "one of both, which decides where the disks are",
        },
      ];
    }
    const own = hostsOf(each, hosts);
    return own === undefined || storage.vcenter?.topologyCategory !== undefined
      ? []
      : [
          {
            path: `${path}.datastore`,
            got: String(each.datastore),
            expected:
              `a datastore of all hosts, because only ${own.join(" and ")} ${own.length === 1 ? "has" : "have"} this one; ` +
              "storage.vcenter.topologyCategory keeps its volumes, and their pods, on nodes there",
          },
        ];
  });
}

/** The drivers' account, if and only if something needs it. */
function accountProblems({ storage, storageVcenterPassword }: StackConfig): Problem[] {
  if (!hasType("vsphere", storage.classes)) {
    const path = "storageVcenterPassword";
    return storageVcenterPassword === undefined
      ? []
      : [{ path, got: "a secret", expected: "nothing, because no class of storage.classes is of type vsphere" }];
  }
  return [
    ...(storage.vcenter === undefined
      ? [
          {
            path: "storage.vcenter",
            got: "nothing",
            expected:
              "the account of the drivers, such as { user: k8s-storage@vsphere.local }, because a class is of type vsphere",
          },
        ]
      : []),
    ...(storageVcenterPassword === undefined
      ? [{ path: "storageVcenterPassword", got: "nothing", expected: howToSet("storageVcenterPassword") }]
      : []),
  ];
}
