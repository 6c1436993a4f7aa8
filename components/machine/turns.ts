import type { Disturbance } from "../../config/past";

/** One of a group's machines, and those that have to be at work before it may be disturbed. */
export interface Turn<T> {
  name: string;
  node: T;
  /** Undefined for one that goes on. */
  disturbed?: Disturbance;
  after: string[];
}

/**
 * The order in which the machines of a group may be disturbed. A machine that exists and is to be restarted or replaced waits for those
 * that are not, and for its turn; all others, so all at the first creation, wait for nobody.
 * @param nodes in the order of their names
 * @param disturbance what happens to a machine now
 * @param atOnce how many of them may be away at the same time
 */
export function turns<T>(
  nodes: [string, T][],
  disturbance: (name: string, node: T) => Disturbance | undefined,
  atOnce: number,
): Turn<T>[] {
  const all = nodes.map(([name, node]) => ({ name, node, disturbed: disturbance(name, node) }));
  const due = all.filter(({ disturbed }) => disturbed);
  const calm = all.filter(({ disturbed }) => !disturbed);
  const calmNames = calm.map(({ name }) => name);
  return [
    ...calm.map((turn) => ({ ...turn, after: [] })),
    ...due.map((turn, index) => {
      const before = due[index - atOnce];
      return { ...turn, after: [...calmNames, ...(before ? [before.name] : [])] };
    }),
  ];
}
