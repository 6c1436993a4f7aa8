import { isDeepStrictEqual } from "node:util";
import { parseAllDocuments } from "yaml";
import { foundingConfig } from "../render/founding";
import { placedNodes, wantedMachine } from "./nodes";
import { disturbance, type Past } from "./past";
import type { Problem } from "./problem";
import type { StackConfig } from "./schema";
import { hasType } from "./storage";

/** What a stack that exists cannot become, or not in one step. */
export function livingProblems(config: StackConfig, stack: string, past: Past): Problem[] {
  return [
    ...addressProblems(config, past),
    ...diskProblems(config, past),
    ...cloudProblems(config, past),
    ...volumeProblems(config, past),
    ...quorumProblems(config, past),
    ...foundingProblems(config, stack, past),
    ...versionProblems(config, past),
  ];
}

/** What is in the certificates and objects of a cluster since its first minute, by the keys that decide it. */
const decided: [path: string, kind: string, field: string[]][] = [
  ["frontend.virtualAddress", "ClusterConfiguration", ["controlPlaneEndpoint"]],
  ["network.podCidr", "ClusterConfiguration", ["networking", "podSubnet"]],
  ["network.serviceCidr", "ClusterConfiguration", ["networking", "serviceSubnet"]],
  ["kubernetes.apiServerCertSANs", "ClusterConfiguration", ["apiServer", "certSANs"]],
  ["kubernetes.kubelet", "KubeletConfiguration", []],
  ["kubernetes.kubeProxy", "KubeProxyConfiguration", []],
];

function foundingProblems(config: StackConfig, stack: string, { founded }: Past): Problem[] {
  if (founded === undefined) {
    return [];
  }
  const [then, now] = [founded.config, foundingConfig(config, stack)].map(documents);
  return decided.flatMap(([path, kind, field]) => {
    const [was, is] = [then, now].map((all) => field.reduce<unknown>(child, all?.get(kind)));
    return isDeepStrictEqual(was, is)
      ? []
      : [{ path, got: JSON.stringify(is), expected: `what the cluster was founded with: ${JSON.stringify(was)}` }];
  });
}

function documents(text: string): Map<string, unknown> {
  return new Map(
    parseAllDocuments(text).map((document) => {
      const content = document.toJS() as { kind: string };
      return [content.kind, content];
    }),
  );
}

function child(value: unknown, key: string): unknown {
  return (value as Record<string, unknown> | undefined)?.[key];
}

/** Kubernetes does not go back, and takes one minor release at a time: no node is left more than one behind. */
function versionProblems(config: StackConfig, { versions, masters }: Past): Problem[] {
  const { kubernetes } = config;
  const staying = placedNodes(config).flatMap(({ name }): [string, string][] => {
    const version = versions.get(name);
    return version === undefined ? [] : [[name, version]];
  });
  const [oldest] = [...staying].sort(([, a], [, b]) => compareVersions(a, b));
  const [newest] = [...staying].sort(([, a], [, b]) => compareVersions(b, a));
  if (oldest === undefined || newest === undefined) {
    return [];
  }
  const path = "kubernetes.version";
  const has = ([name, version]: [string, string]) => `${kubernetes.version}, and ${name} has ${version}`;
  if (compareVersions(kubernetes.version, newest[1]) < 0) {
    return [
      {
        path,
        got: has(newest),
        expected: `${newest[1]} or newer, since Kubernetes does not go back to an older release`,
      },
    ];
  }
  const next = minorOf(oldest[1]) + 1;
  if (minorOf(kubernetes.version) > next) {
    const release = `${String(kubernetes.version.split(".")[0])}.${String(next)}`;
    return [
      {
        path,
        got: has(oldest),
        expected: `a release of ${release} first, since Kubernetes takes one minor release at a time`,
      },
    ];
  }
  const [only, ...others] = masters;
  const version = versions.get(only ?? "");
  return kubernetes.install === "preinstalled" &&
    others.length === 0 &&
    version !== undefined &&
    version !== kubernetes.version
    ? [
        {
          path,
          got: `${kubernetes.version}, and ${String(only)}, the only master, has ${version}`,
          expected:
            "more masters first, or kubernetes.install: packages: a template brings another release to new machines alone, and the only master cannot be made anew",
        },
      ]
    : [];
}

const minorOf = (version: string) => Number(version.split(".")[1]);
const compareVersions = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });

/** Kubernetes takes no other size or class for volumes of a StatefulSet that is there. */
function volumeProblems({ consul }: StackConfig, { consulVolumes: made }: Past): Problem[] {
  if (!consul.enabled || made === undefined) {
    return [];
  }
  const what = (value: string | undefined) => value ?? "nothing, which is the default class of that time";
  const changed: [string, string | undefined, string | undefined][] = [
    ["consul.storageSize", consul.storageSize, made.size],
    ["consul.storageClass", consul.storageClass, made.storageClass],
  ];
  return changed
    .filter(([, is, was]) => is !== was)
    .map(([path, is, was]) => ({
      path,
      got: is ?? "nothing",
      expected: `what Consul's volumes were made with: ${what(was)}; docs/storage.md says how others take their place`,
    }));
}

/** A kubelet says once, when its node joins, that somebody else knows which virtual machine it is on. */
function cloudProblems(config: StackConfig, { machines }: Past): Problem[] {
  if (!hasType("vsphere", config.storage.classes)) {
    return [];
  }
  const groups = new Map<string, { generation: number; unknown: string[] }>();
  for (const { name, group, groupPath, ...node } of placedNodes(config)) {
    const made = machines.get(name);
    if (
      groupPath !== "frontend" &&
      made !== undefined &&
      made.externalCloudProvider !== true &&
      disturbance(made, wantedMachine(config.hosts, node, group)) !== "replaced"
    ) {
      const { unknown } = groups.get(groupPath) ?? { unknown: [] };
      groups.set(groupPath, { generation: group.generation, unknown: [...unknown, name] });
    }
  }
  return [...groups].map(([path, { generation, unknown }]) => ({
    path: `${path}.generation`,
    got: String(generation),
    expected:
      `another one, such as ${String(generation + 1)}, which makes ${unknown.join(", ")} anew, one after the other: ` +
      "for a class of type vsphere, nodes have to have joined with a cloud provider",
  }));
}

/** A disk grows while it is in use, and cannot shrink. */
function diskProblems(config: StackConfig, { machines }: Past): Problem[] {
  const groups = new Map<string, { size: number; larger: string[] }>();
  for (const { name, group, groupPath, ...node } of placedNodes(config)) {
    const made = machines.get(name);
    if (
      made !== undefined &&
      made.diskGiB > group.diskGiB &&
      disturbance(made, wantedMachine(config.hosts, node, group)) !== "replaced"
    ) {
      const { larger } = groups.get(groupPath) ?? { larger: [] };
      groups.set(groupPath, { size: group.diskGiB, larger: [...larger, `${name} has ${String(made.diskGiB)}`] });
    }
  }
  return [...groups].map(([path, { size, larger }]) => ({
    path: `${path}.diskGiB`,
    got: `${String(size)}, and ${larger.join(", ")}`,
    expected:
      "as much or more, since disks grow and do not shrink: with another generation as well, the machines are made anew",
  }));
}

/** An address passes from one machine to another when the first one is gone, which is at the end of a run. */
function addressProblems(config: StackConfig, { machines }: Past): Problem[] {
  const owners = new Map([...machines].map(([name, { address }]) => [address, name]));
  return placedNodes(config).flatMap(({ name, address, path }) => {
    const owner = owners.get(address);
    return owner === undefined || owner === name
      ? []
      : [
          {
            path: `${path}.address`,
            got: `${address}, the address of ${owner}, which exists`,
            expected: `an address that is free, since a name is a machine of its own: add ${name} with another address, or remove ${owner} first`,
          },
        ];
  });
}

/** New masters join before old ones leave, one at a time; who knows the data has to outnumber who does not. */
function quorumProblems({ controlPlane }: StackConfig, { masters }: Past): Problem[] {
  const staying = [...masters].filter((name) => Object.hasOwn(controlPlane.nodes, name));
  if (masters.size === 0) {
    return [];
  }
  const majority = Math.floor(masters.size / 2) + 1;
  // Down to one or two is a decision of its own, which allowNonHa is asked for.
  const shrinks = Object.keys(controlPlane.nodes).length === staying.length && controlPlane.allowNonHa;
  if (staying.length >= majority || (shrinks && staying.length > 0)) {
    return [];
  }
  return [
    {
      path: "controlPlane.nodes",
      got: `${String(staying.length)} of the ${String(masters.size)} masters that exist (${[...masters].join(", ")})`,
      expected: `at least ${String(majority)} of them, which is etcd's majority: exchange the others after this`,
    },
  ];
}
