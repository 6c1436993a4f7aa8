import { describe, expect, test } from "vitest";
import type { StateRecord } from "../../../config/past";
import { validConfig, vary } from "../../support/configs";
import { recordOnce } from "../../support/recorder";

const inState = (type: string, outputs: StateRecord["outputs"]): Record<string, StateRecord> => ({
  [`urn:pulumi:test::esxi-k8s::${type}::worker-1`]: { type, outputs },
});
const vm = inState("vsphere:index/virtualMachine:VirtualMachine", { uuid: "uuid of worker-1" });
const madeOn = (place: string) => ({
  ...vm,
  ...inState("esxi-k8s:index:Machine", {
    made: { place, address: "10.20.0.31", cpus: 2, memoryMiB: 4096, generation: "0.0" },
  }),
});
const place = ["hostSystemId", "resourcePoolId", "datastoreId"];

describe("a machine that the configuration leaves where it was", () => {
  const recorded = recordOnce(validConfig(), { state: madeOn("esxi-1.lab.internal, esxi-1-local") });

  test("is left wherever somebody else has moved it", () => {
    expect(recorded().vm("worker-1").ignoreChanges).toEqual(expect.arrayContaining(place));
  });

  test("is remembered there", () => {
    expect(recorded().get("Machine", "worker-1").outputs?.made).toMatchObject({
      place: "esxi-1.lab.internal, esxi-1-local",
    });
  });
});

describe.each([
  ["another host", madeOn("esxi-2.lab.internal, esxi-1-local")],
  ["another datastore", madeOn("esxi-1.lab.internal, esxi-9-local")],
  ["a host that the last run did not come to record", vm],
])("a machine that gets %s", (_what, state) => {
  const recorded = recordOnce(validConfig(), { state });

  test("is rebuilt there unless it is there already", () => {
    expect(recorded().vm("worker-1")).toMatchObject({
      inputs: { hostSystemId: "host esxi-1.lab.internal", datastoreId: "datastore esxi-1-local" },
      replaceOnChanges: ["hostSystemId", "datastoreId"],
      deleteBeforeReplace: true,
    });
    expect(recorded().vm("worker-1").ignoreChanges).not.toEqual(expect.arrayContaining(["hostSystemId"]));
  });
});

describe("a machine whose host has another key", () => {
  const name = "esxi-1.lab.internal";
  const recorded = recordOnce(
    vary(validConfig(), {
      hosts: { rack: { name, datastore: "esxi-1-local" } },
      workers: { general: { nodes: { "worker-1": { host: "rack" } } } },
    }),
    { state: madeOn(`${name}, esxi-1-local`) },
  );

  test("stays", () => {
    expect(recorded().vm("worker-1").ignoreChanges).toEqual(expect.arrayContaining(place));
  });
});
