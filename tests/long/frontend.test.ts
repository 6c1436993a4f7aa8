import fc from "fast-check";
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { expectBearable } from "../e2e/frontend";
import { faults, onConsole, SharedAddress } from "../e2e/support/frontend";
import { attempt, run } from "../e2e/support/lab";
import { SmallStack } from "../e2e/support/stack";
import { cases } from "./cases";

/**
 * The frontend of a small stack becomes two machines, which share the address that the one began with, and goes back to one; between
 * that, everything happens to them that they are to survive, in another order each time.
 */
beforeAll(async () => {
  await run("sim/down", []);
  await run("sim/up", []);
});

afterAll(async () => {
  await run("sim/down", []);
});

/** The address that the first machine has of its own, and that is the cluster's endpoint for ever. */
const address = "10.20.0.60";
/** All machines that the frontend ever has, in the order of their names. */
const first = { "front-1": { host: "esxi-1", address } };
const second = { "front-2": { host: "esxi-1", address: "10.20.0.62" } };
const third = { "front-3": { host: "esxi-2", address: "10.20.0.63" } };
/** Comes before the others in the order of names. */
const early = { "front-0": { host: "esxi-2", address: "10.20.0.64" } };
/** Comes after them. */
const late = { "front-4": { host: "esxi-2", address: "10.20.0.65" } };
const worker = "small-worker-1";

type Nodes = Record<string, { host: string; address: string }>;

const configuration = (nodes: Nodes) => {
  const merge = (over: object) => (values: Record<string, unknown>) => ({ ...values, ...over });
  return {
    frontend: merge({ nodes, ...(!("front-1" in nodes) && { virtualAddress: address }) }),
    controlPlane: merge({ nodes: { "small-master-1": { host: "esxi-1", address: "10.20.0.71" } }, allowNonHa: true }),
    workers: ({ general }: Record<string, unknown>) => ({
      general: { ...(general as object), nodes: { [worker]: { host: "esxi-2", address: "10.20.0.81" } } },
    }),
    consul: merge({ enabled: false }),
    demo: () => false,
  };
};

cases("frontend", async ({ name, choose, tell }) => {
  const events = Object.keys(faults) as (keyof typeof faults)[];
  const [order, keepsHolder, newcomer] = choose(
    fc.tuple(
      fc.shuffledSubarray(events, { minLength: events.length }),
      fc.boolean(),
      fc.constantFrom<Nodes>(early, late),
    ),
  );
  const stack = new SmallStack(`frontend-${name}`);
  await stack.init();
  const shared = new SharedAddress(address, worker);
  const up = async (nodes: Nodes) => {
    const { code, stdout } = await stack.up(configuration(nodes));
    expect(code, stdout).toBe(0);
  };
  const step = async (what: string, seen: ReturnType<typeof shared.watch>) => {
    const result = await seen;
    tell({ [what]: result });
    expectBearable(what, result);
  };
  const artifacts = `artifacts/frontend-${name}`;
  let machines: string[] = ["front-1"];
  try {
    await up(first);

    const both = { ...second, ...third };
    await step(
      "one becomes two",
      shared.watch(() => up(both)),
    );
    machines = Object.keys(both);

    for (const event of order) {
      await step(event, shared.survive(faults[event], machines));
    }

    const holder = await shared.holder(machines);
    const rest = ("front-2" === holder) === keepsHolder ? second : third;
    await step(
      `two become one, and the one that ${keepsHolder ? "has the address stays" : "has not stays"}`,
      shared.watch(() => up(rest)),
    );
    machines = Object.keys(rest);
    expect(await shared.holder(machines)).toBe(machines[0]);

    const again = { ...rest, ...newcomer };
    await step(
      `one becomes two again, with ${Object.keys(newcomer).join("")}`,
      shared.watch(() => up(again)),
    );
    expect(await shared.holder(Object.keys(again))).toBe(machines[0]);
    machines = Object.keys(again);

    const left = await stack.pulumi("destroy", configuration(again), "--yes", "--skip-preview");
    expect(left.code, left.stdout).toBe(0);
  } catch (error) {
    await mkdir(artifacts, { recursive: true });
    for (const machine of machines) {
      const log = await onConsole(machine, "journalctl --boot; tail -n +1 /var/log/esxi-k8s/*.log").catch(String);
      await writeFile(`${artifacts}/${machine}`, log);
    }
    await attempt("sim/down", []);
    await run("sim/up", []);
    throw error;
  }
});
