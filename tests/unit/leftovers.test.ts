import { beforeAll, describe, expect, test } from "vitest";

const load = () => import("../../vcenter/leftovers.mjs");
let judge: Awaited<ReturnType<typeof load>>["judge"];
type NamedMachine = Parameters<typeof judge>[0][number];

beforeAll(async () => {
  ({ judge } = await load());
});

const now = new Date("2026-11-26T12:00:00Z");
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
    expect(judge([leftover], ["uuid-2"], now)).toEqual({ removable: [leftover], reasons: [] });
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
    const { removable, reasons } = judge([{ ...leftover, ...change }], ["uuid-2"], now);
    expect(removable).toEqual([]);
    expect(reasons).toEqual([`worker-1 cannot be cloned: ${reason}`]);
  });

  test("is removed although it never came to an identity of its own", () => {
    expect(judge([{ ...leftover, uuid: undefined }], ["uuid-2"], now).reasons).toEqual([]);
  });
});
