import { isDeepStrictEqual } from "node:util";
import { parseAllDocuments } from "yaml";
import { foundingConfig } from "../render/founding";
import { placedNodes, wantedMachine } from "./nodes";
import { disturbance, type Past } from "./past";
import type { Problem } from "./problem";
import type { StackConfig } from "./schema";

/** What a stack that exists cannot become, or not in one step. */
export function livingProblems(config: StackConfig, stack: string, past: Past): Problem[] {
  return [
    ...lostProblems(past),
    ...addressProblems(config, past),
    ...diskProblems(config, past),
    ...quorumProblems(config, past),
    ...foundingProblems(config, stack, past),
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

/** Whoever is to be a master has to be admitted by one. */
function lostProblems({ founded, members }: Past): Problem[] {
  return founded === undefined || members.size > 0
    ? []
    : [
        {
          path: "controlPlane.nodes",
          got: "a cluster of which every master is gone that had founded or joined it",
          expected:
            "one that others can join: what this one held is lost with its machines, so begin anew, as docs/runbooks/machines.md says under 'When no master is left'",
        },
      ];
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
