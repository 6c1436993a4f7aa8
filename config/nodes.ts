import { foundedVersion, type Past, type PastMachine } from "./past";
import type { MachineSize, NodeConfig, StackConfig, Taint } from "./schema";

/** A group of machines as the configuration writes it. */
interface Group {
  nodes: Record<string, NodeConfig>;
}
type SizedGroup = Group & MachineSize & { generation: number };

/** A machine's configuration with the path at which it stands. */
export interface PlacedNode extends NodeConfig {
  name: string;
  path: string;
  group: SizedGroup;
  groupPath: string;
}

/** Every machine of the stack. */
export function placedNodes({
  frontend,
  controlPlane,
  workers,
}: Pick<StackConfig, "frontend" | "controlPlane" | "workers">): PlacedNode[] {
  const place = (groupPath: string, group: SizedGroup) =>
    Object.entries(group.nodes).map(([name, node]) => ({
      ...node,
      name,
      path: `${groupPath}.nodes.${name}`,
      group,
      groupPath,
    }));
  return [
    ...place("frontend", frontend),
    ...place("controlPlane", controlPlane),
    ...Object.entries(workers).flatMap(([name, pool]) => place(`workers.${name}`, pool)),
  ];
}

/** Where a host of the configuration is. */
export const placeOf = (host: StackConfig["hosts"][string] | undefined) =>
  host === undefined ? "" : `${host.name}, ${host.datastore}`;

/**
 * The Kubernetes that nodes are made anew for, because they have it from their template. None as long as it is the one that the cluster was
 * founded with, and none where packages bring another one to machines that stay.
 */
export function templateKubernetes({ kubernetes }: Pick<StackConfig, "kubernetes">, past: Past): string | undefined {
  const founded = foundedVersion(past);
  return kubernetes.install === "preinstalled" && founded !== undefined && founded !== kubernetes.version
    ? kubernetes.version
    : undefined;
}

/** What a machine has of CPUs and memory, as steps show it: another size is a reason to run them. */
export const sizeOf = ({ cpus, memoryMiB }: Pick<MachineSize, "cpus" | "memoryMiB">) =>
  `${String(cpus)}x${String(memoryMiB)}`;

/** That of the group and of the machine, such as `2.1`. */
export const generationOf = (node: NodeConfig, group: { generation: number }) =>
  `${String(group.generation)}.${String(node.generation)}`;

/** What a machine is to be. */
export function wantedMachine(
  hosts: StackConfig["hosts"],
  node: NodeConfig,
  group: MachineSize & { generation: number; kubernetes?: string },
): PastMachine {
  const { cpus, memoryMiB, diskGiB, kubernetes } = group;
  const made = [generationOf(node, group), ...(kubernetes ? [`Kubernetes ${kubernetes}`] : [])].join(", ");
  return { place: placeOf(hosts[node.host]), address: node.address, cpus, memoryMiB, diskGiB, generation: made };
}

/** Machines in the order of their names (master-2 before master-10), so that a YAML file's order decides nothing. */
export function byName({ nodes }: Group): [string, NodeConfig][] {
  return Object.entries(nodes).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
}

/** Names and addresses of the machines of some groups. */
export function backends(...groups: Group[]): { name: string; address: string }[] {
  return groups.flatMap((group) => byName(group).map(([name, { address }]) => ({ name, address })));
}

/** The worker pools whose nodes take pods that tolerate no taint. */
export function schedulable(workers: StackConfig["workers"]): Group[] {
  const repels = ({ effect }: Taint) => effect !== "PreferNoSchedule";
  return Object.values(workers).filter(({ taints }) => !taints.some(repels));
}
