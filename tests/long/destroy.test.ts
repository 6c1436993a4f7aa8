import fc from "fast-check";
import { afterAll, beforeAll, expect } from "vitest";
import { afflict, containers, folders, inventory, killUpAfter, machines, make, power, run } from "../e2e/support/lab";
import { cases } from "./cases";

/**
 * A stack is destroyed after its creation was killed at some point, from the first clone to Consul, and after something happened to each of
 * its machines. That takes at most a minute more than for machines that are well, and leaves nothing.
 */
beforeAll(async () => {
  await run("sim/down", []);
});

afterAll(async () => {
  await run("sim/down", []);
});

const fates = {
  well: () => Promise.resolve(),
  off: (name: string) => power(name, "off"),
  hangs: afflict.hang,
  "cut off": afflict.isolate,
  gone: (name: string) => run("sim/vcenter", ["delete", name]),
} satisfies Record<string, (name: string) => Promise<unknown>>;
const names = Object.keys(machines);

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = Date.now();
  await work();
  return (Date.now() - started) / 1000;
}

/** Seconds for machines that are well, on these cores. */
let clean: number | undefined;

cases("destroy", async ({ choose, tell }) => {
  if (clean === undefined) {
    await killUpAfter(/master-1-reached creating/, 30);
    clean = await secondsOf(() => make("down"));
  }
  const fate = fc.constantFrom(...(Object.keys(fates) as (keyof typeof fates)[]));
  const [killedAfter, fateOf] = choose(
    fc.tuple(fc.integer({ min: 0, max: 90 }), fc.record(Object.fromEntries(names.map((name) => [name, fate])))),
  );
  tell({ killedAfter, ...fateOf, clean });
  await killUpAfter(/VirtualMachine \S+ creating/, killedAfter);
  const there = Object.keys(await inventory());
  for (const name of there) {
    const befalls = fates[fateOf[name] ?? "well"];
    // What is half made may not be there to be harmed.
    await befalls(name).catch((error: unknown) => {
      tell({ [`${name}Spared`]: error instanceof Error ? error.message.split("\n")[1] : error });
    });
  }
  const took = await secondsOf(() => make("down"));
  tell({ there, took });
  expect(await inventory()).toEqual({});
  expect(await containers()).toEqual([]);
  expect(await folders()).toBe("");
  expect(took).toBeLessThan(clean + 60);
});
