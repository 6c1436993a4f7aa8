import { beforeAll, describe, expect, test } from "vitest";

const load = () => import("../../vcenter/leftovers.mjs");
let judge: Awaited<ReturnType<typeof load>>["judge"];
type NamedMachine = Parameters<typeof judge>[0][number];

beforeAll(async () => {
  ({ judge } = await load());
});

const now = new Date("2026-11-26T12:00:00Z");
const held = { "worker-2": "uuid-2" };
const leftover: NamedMachine = {
  name: "worker-1",
  path: "esxi-k8s/lab/worker-1",
  inFolder: true,
  uuid: "uuid-1",
  template: false,
  createDate: "2026-11-26T11:58:00.5Z",
};

describe("a machine that has the name of one that is to be cloned", () => {
  test("is removed when it lies in the stack's folder and is new", () => {
    expect(judge([leftover], held, now)).toEqual({ removable: [leftover], reasons: [] });
  });

  test.each<[string, Partial<NamedMachine>, string]>([
    [
      "elsewhere",
      { inFolder: false, path: "Databases/worker-1" },
      "a machine of this name is at Databases/worker-1, outside of the stack's folder; rename one of them",
    ],
    ["a template", { template: true }, "esxi-k8s/lab/worker-1 is a template; move it out of the stack's folder"],
    [
      "held by the stack under another name",
      { uuid: "uuid-2" },
      "esxi-k8s/lab/worker-1 is another machine of this stack, renamed; give it back its name",
    ],
    [
      "older than a day",
      { createDate: "2026-11-25T11:59:59Z" },
      "esxi-k8s/lab/worker-1 was made on 2026-11-25, so it may be in use; if it is not, delete it in vCenter",
    ],
    [
      "of unknown age",
      { createDate: undefined },
      "esxi-k8s/lab/worker-1 is of unknown age, so it may be in use; if it is not, delete it in vCenter",
    ],
    [
      "of an age that makes no sense",
      { createDate: "yesterday" },
      "esxi-k8s/lab/worker-1 was made on yesterday, so it may be in use; if it is not, delete it in vCenter",
    ],
  ])("is left alone, and said, when it is %s", (_what, change, reason) => {
    const { removable, reasons } = judge([{ ...leftover, ...change }], held, now);
    expect(removable).toEqual([]);
    expect(reasons).toEqual([`worker-1 cannot be cloned: ${reason}`]);
  });

  test("is that one itself when the stack holds it under this name: it is made anew in its turn", () => {
    expect(judge([leftover], { "worker-1": "uuid-1" }, now)).toEqual({ removable: [], reasons: [] });
  });

  test("is removed when the stack holds the one before, which an interrupted run has deleted", () => {
    expect(judge([leftover], { "worker-1": "uuid-0" }, now)).toEqual({ removable: [leftover], reasons: [] });
  });

  test("stays when there are more of them than a run has under way: then the state is older than they are", () => {
    const before = { "worker-1": "uuid-0", "worker-2": "uuid-0" };
    const second = { ...leftover, name: "worker-2", path: "esxi-k8s/lab/worker-2" };
    const turns = (atOnce: number) => [{ names: ["worker-1", "worker-2"], atOnce }];
    expect(judge([leftover, second], before, now, turns(2)).reasons).toEqual([]);
    expect(judge([leftover, second], before, now, turns(1)).reasons).toEqual([
      "esxi-k8s/lab/worker-1, esxi-k8s/lab/worker-2 are other machines than the stack's, and an interrupted run leaves 1 at most: " +
        "if the state is an older one, bring back the newest; if not, delete in vCenter those that are not in use",
    ]);
  });

  test("is removed although it never came to an identity of its own", () => {
    expect(judge([{ ...leftover, uuid: undefined }], held, now).reasons).toEqual([]);
  });
});
