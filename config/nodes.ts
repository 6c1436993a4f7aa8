import type { NodeConfig, StackConfig, Taint } from "./schema";

/** A group of machines as the configuration writes it. */
interface Group {
  nodes: Record<string, NodeConfig>;
}

/** A machine's configuration with the path at which it stands. */
export interface PlacedNode extends NodeConfig {
  name: string;
  path: string;
}

/** Every machine of the stack. */
export function placedNodes({
  frontend,
  controlPlane,
  workers,
}: Pick<StackConfig, "frontend" | "controlPlane" | "workers">): PlacedNode[] {
  const place = (group: string, { nodes }: Group) =>
    Object.entries(nodes).map(([name, node]) => ({ ...node, name, path: `${group}.nodes.${name}` }));
  return [
    ...place("frontend", frontend),
    ...place("controlPlane", controlPlane),
    ...Object.entries(workers).flatMap(([name, pool]) => place(`workers.${name}`, pool)),
  ];
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
