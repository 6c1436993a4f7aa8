import fc from "fast-check";

/** What stands of a stack, as far as these changes concern it: below the keys of its configuration. */
export interface Standing {
  frontend: { virtualAddress?: string; nodes: Nodes };
  controlPlane: { nodes: Nodes };
  workers: Record<string, { generation: number; memoryMiB: number; nodes: Nodes }>;
}
export type Nodes = Record<string, { host: string; address: string; generation?: number }>;

/** Draws from an arbitrary, another value each time. */
type Draw = fc.GeneratorValue;

/** One change of the configuration, or of the world. */
export interface Change {
  kind: string;
  from: Standing;
  to: Standing;
  /** A machine that is deleted behind Pulumi's back. */
  lost?: string;
  /** Where in the change its run is killed, from 0 to 1. */
  killedAt: number;
}

/** Consul's three servers want a worker each, so that no machine's loss takes two of them. */
const leastWorkers = 3;
/** Where clients go; it never changes, whoever has it. */
const endpoint = "10.20.0.10";
const first = { "haproxy-1": { host: "esxi-1", address: endpoint } };

/** Where the addresses of a kind of machine begin. */
const blocks = { haproxy: 10, master: 20, worker: 30, extra: 40 };

/** What the suite begins with. */
export const base: Standing = {
  frontend: { nodes: first },
  controlPlane: { nodes: numbered("master", 1, 2, 3) },
  workers: { general: { generation: 0, memoryMiB: 4096, nodes: numbered("worker", 1, 2, 3) } },
};

/** Machines of a kind by their numbers, with an address of their own, on one host and the other. */
function numbered(kind: keyof typeof blocks, ...numbers: number[]): Nodes {
  return Object.fromEntries(
    numbers.map((number) => [
      `${kind}-${String(number)}`,
      { host: number % 2 === 1 ? "esxi-1" : "esxi-2", address: `10.20.0.${String(blocks[kind] + number)}` },
    ]),
  );
}

/** The next machine of a kind: the lowest number that none of some machines has, so that names come back. */
function next(kind: keyof typeof blocks, among: Nodes, lowest = 1): Nodes {
  const number = Array.from({ length: 9 }, (_, index) => index + lowest).find(
    (candidate) => !(`${kind}-${String(candidate)}` in among),
  );
  return numbered(kind, number ?? 0);
}

/** Some machines and further ones of a kind, so that they are so many. */
function upTo(count: number, kind: keyof typeof blocks, nodes: Nodes, lowest?: number): Nodes {
  return Object.keys(nodes).length >= count
    ? nodes
    : upTo(count, kind, { ...nodes, ...next(kind, nodes, lowest) }, lowest);
}

const without = (nodes: Nodes, ...names: string[]): Nodes =>
  Object.fromEntries(Object.entries(nodes).filter(([name]) => !names.includes(name)));
const oneOf = (draw: Draw, nodes: Nodes): string => draw(() => fc.constantFrom(...Object.keys(nodes)));
/** A whole number below a limit, each as likely as the others. */
const below = (draw: Draw, limit: number): number => draw(() => fc.noBias(fc.nat({ max: limit - 1 })));

const general = ({ workers }: Standing) => workers.general ?? { generation: 0, memoryMiB: 0, nodes: {} };
const withMasters = (standing: Standing, nodes: Nodes): Standing => ({ ...standing, controlPlane: { nodes } });
const withGeneral = (standing: Standing, changed: Partial<Standing["workers"][string]>): Standing => ({
  ...standing,
  workers: { ...standing.workers, general: { ...general(standing), ...changed } },
});

/** All machines of what stands, with the group that they belong to. */
export function machinesOf({ frontend, controlPlane, workers }: Standing) {
  const groups = { frontend, controlPlane, ...workers };
  return Object.entries(groups).flatMap(([group, { nodes }]) =>
    Object.entries(nodes).map(([name, node]) => ({ name, group, ...node })),
  );
}

/** Every kind of change: what it makes of what stands, or nothing where it is not possible; and seconds that it takes at least. */
const kinds: Record<string, { takes: number; make: (standing: Standing, draw: Draw) => Standing | undefined }> = {
  "a worker comes": {
    takes: 25,
    make: (standing) => {
      const { nodes } = general(standing);
      return withGeneral(standing, { nodes: { ...nodes, ...next("worker", nodes) } });
    },
  },
  "a worker goes": {
    takes: 15,
    make: (standing, draw) => {
      const { nodes } = general(standing);
      return Object.keys(nodes).length > leastWorkers
        ? withGeneral(standing, { nodes: without(nodes, oneOf(draw, nodes)) })
        : undefined;
    },
  },
  "a pool comes": {
    takes: 25,
    make: (standing) =>
      "extra" in standing.workers
        ? undefined
        : {
            ...standing,
            workers: {
              ...standing.workers,
              extra: { generation: 0, memoryMiB: 4096, nodes: next("extra", {}) },
            },
          },
  },
  "a pool goes": {
    takes: 15,
    make: (standing) =>
      "extra" in standing.workers ? { ...standing, workers: { general: general(standing) } } : undefined,
  },
  "a master is made anew": {
    takes: 50,
    make: (standing, draw) => {
      const { nodes } = standing.controlPlane;
      const name = oneOf(draw, nodes);
      const { generation = 0, ...node } = nodes[name] ?? { host: "", address: "" };
      return withMasters(standing, { ...nodes, [name]: { ...node, generation: generation + 1 } });
    },
  },
  "three masters become five": {
    takes: 50,
    make: (standing) => {
      const { nodes } = standing.controlPlane;
      return Object.keys(nodes).length > 3 ? undefined : withMasters(standing, upTo(5, "master", nodes));
    },
  },
  "five masters become three": {
    takes: 30,
    make: (standing, draw) => {
      const { nodes } = standing.controlPlane;
      const names = Object.keys(nodes);
      const pairs = names.flatMap((one, index) => names.slice(index + 1).map((other) => [one, other]));
      const rests = pairs
        .map((pair) => without(nodes, ...pair))
        .filter((rest) => new Set(Object.values(rest).map(({ host }) => host)).size > 1);
      return names.length > 3
        ? withMasters(
            standing,
            draw(() => fc.constantFrom(...rests)),
          )
        : undefined;
    },
  },
  "a master goes and another comes": {
    takes: 50,
    make: (standing, draw) => {
      const { nodes } = standing.controlPlane;
      const leaves = oneOf(draw, nodes);
      const [[name, node] = ["", { host: "", address: "" }]] = Object.entries(next("master", nodes));
      // On the same host, so that no host ever has them all.
      const comes = { [name]: { ...node, host: nodes[leaves]?.host ?? "" } };
      return withMasters(standing, { ...without(nodes, leaves), ...comes });
    },
  },
  "workers get more memory or less": {
    takes: 60,
    make: (standing) => withGeneral(standing, { memoryMiB: general(standing).memoryMiB === 4096 ? 5120 : 4096 }),
  },
  "workers are made anew": {
    takes: 90,
    make: (standing) => withGeneral(standing, { generation: general(standing).generation + 1 }),
  },
  "one HAProxy becomes two": {
    takes: 30,
    make: (standing) => {
      const { nodes } = standing.frontend;
      if (Object.keys(nodes).length > 1) {
        return undefined;
      }
      // The machine whose own address becomes the shared one goes.
      const both = upTo(2, "haproxy", without(nodes, ...Object.keys(first)), 2);
      return { ...standing, frontend: { virtualAddress: endpoint, nodes: both } };
    },
  },
  "two HAProxies become one": {
    takes: 15,
    make: (standing, draw) => {
      const { nodes } = standing.frontend;
      return Object.keys(nodes).length > 1
        ? { ...standing, frontend: { ...standing.frontend, nodes: without(nodes, oneOf(draw, nodes)) } }
        : undefined;
    },
  },
  "a machine is lost": { takes: 40, make: (standing) => standing },
};

/** Seconds that a change takes at least, from the first thing that is done. */
export const secondsOf = ({ kind }: Change): number => kinds[kind]?.takes ?? 0;

/**
 * What happens in a seed's cases: every kind of change once, in another order each time, then again. What one case leaves is what the next
 * one begins with.
 * @param drawFor by the number of a case, from 1 on
 */
export function story(cases: number, drawFor: (index: number) => Draw): Change[] {
  const changes: Change[] = [];
  let from = base;
  let left: string[] = [];
  for (let index = 1; index <= cases; index++) {
    const draw = drawFor(index);
    const all = Object.keys(kinds);
    left = left.length > 0 ? left : draw(() => fc.shuffledSubarray(all, { minLength: all.length }));
    const possible = left.flatMap((kind) => {
      const to = kinds[kind]?.make(from, draw);
      return to === undefined ? [] : [{ kind, to }];
    });
    const [chosen = { kind: "", to: from }] = possible;
    left = left.filter((kind) => kind !== chosen.kind);
    const machines = machinesOf(from).map(({ name }) => name);
    changes.push({
      ...chosen,
      from,
      ...(chosen.kind === "a machine is lost" && { lost: draw(() => fc.constantFrom(...machines)) }),
      killedAt: below(draw, 100) / 100,
    });
    from = chosen.to;
  }
  return changes;
}
