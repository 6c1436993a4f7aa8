import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nothingYet } from "../../config/past";
import { parseConfig } from "../../config/parse";
import { chooser } from "../long/cases";
import { machinesOf, story, type Standing } from "../long/changes";
import { stackFile } from "../support/configs";

/** The lab's configuration with what stands. */
function configuration({ frontend, controlPlane, workers }: Standing) {
  const { raw, encrypted } = stackFile("sim");
  const over = (key: string, values: object) => ({ ...(raw[key] as object), ...values });
  const { general } = raw.workers as { general: object };
  const pools = Object.entries(workers).map(([pool, values]) => [pool, { ...general, ...values }]);
  const varied = {
    ...raw,
    frontend: over("frontend", frontend),
    controlPlane: over("controlPlane", controlPlane),
    workers: Object.fromEntries(pools) as object,
  };
  return () => parseConfig(varied, "sim", encrypted, nothingYet);
}

describe("the long suite of members", () => {
  const stories = [1, 2, 3, 4, 5].map((seed) => story(20, (index) => chooser(seed, index)(fc.gen())));

  it("makes every kind of change within 20 cases", () => {
    const kinds = stories.map((changes) => [...new Set(changes.map(({ kind }) => kind))].sort());
    expect(kinds[0]).toHaveLength(13);
    for (const others of kinds) {
      expect(others).toEqual(kinds[0]);
    }
  });

  it("has a configuration that the program takes at the end of each case", () => {
    for (const { to, kind } of stories.flat()) {
      expect(configuration(to), kind).not.toThrow();
    }
  });

  it("chooses the same whenever a case runs, and begins with what the one before has left", () => {
    const again = story(7, (index) => chooser(1, index)(fc.gen()));
    expect(again).toEqual(stories[0]?.slice(0, 7));
    for (const changes of stories) {
      changes.slice(1).forEach(({ from }, index) => {
        expect(from).toEqual(changes[index]?.to);
      });
    }
  });

  it("loses machines that are there, and gives no machine the address of another that was there before", () => {
    for (const { from, to, lost } of stories.flat()) {
      const owners = new Map(machinesOf(from).map(({ name, address }) => [address, name]));
      expect(lost === undefined || [...owners.values()].includes(lost)).toBe(true);
      for (const { name, address } of machinesOf(to)) {
        expect(owners.get(address) ?? name).toBe(name);
      }
    }
  });
});
