import { describe, expect, test } from "vitest";
import { readPast } from "../../../config/past";
import { validConfig, vary } from "../../support/configs";
import { recordOnce, runProgram } from "../../support/recorder";
import { stateOf } from "../../support/state";

const names = ["haproxy-1", "master-1", "master-2", "master-3", "worker-1", "worker-2"];

/** The virtual machines of a stack, as its state has them. */
const holding = (machines: string[]) =>
  Object.fromEntries(
    machines.map((name) => [
      `urn:pulumi:test::esxi-k8s::esxi-k8s:index:Machine$vsphere:index/virtualMachine:VirtualMachine::${name}`,
      { type: "vsphere:index/virtualMachine:VirtualMachine", outputs: { uuid: `uuid of ${name}` } },
    ]),
  );

describe("the folder of a new stack", () => {
  const recorded = recordOnce(vary(validConfig(), { controlPlane: { protect: true } }));
  const folder = () => recorded().get("command:local:Command", "esxi-folder");

  test("is made and removed by programs that the state names", () => {
    expect(folder().inputs).toMatchObject({
      create: "node vcenter/folder.mjs ready",
      delete: "node vcenter/folder.mjs remove",
      logging: "stderr",
    });
    expect(folder().inputs).not.toHaveProperty("triggers");
    expect(folder().inputs).not.toHaveProperty("update");
  });

  test("is told how to reach vCenter by standard input, in secret", () => {
    expect(JSON.parse(String(folder().inputs.stdin))).toEqual({
      server: "10.20.0.2",
      user: "administrator@vsphere.local",
      password: "correct-horse-7731",
      allowUnverifiedSsl: true,
      datacenter: "datacenter lab",
      folder: "esxi-k8s/test",
    });
    expect(folder().secrets).toEqual(["stdin"]);
    expect(folder().additionalSecretOutputs).toEqual(["stdin"]);
  });

  test("is told that all machines are to be cloned", () => {
    expect(folder().inputs.environment).toMatchObject({ MACHINES: names.join(" "), CLONES: names.join(" "), HELD: "" });
    expect(folder().ignoreChanges).toEqual([]);
  });

  test("is protected like the masters in it", () => {
    expect(folder().protect).toBe(true);
  });

  test.each(names)("%s is cloned into it, and deleted with it", (name) => {
    const vm = recorded().vm(name);
    expect(vm.inputs).toMatchObject({ folder: "esxi-k8s/test", shutdownWaitTimeout: 1 });
    expect(vm.dependencies).toContain(folder().urn);
    expect(vm.deletedWith).toBe(folder().urn);
  });
});

describe("the folder of a stack that has all its machines", () => {
  const recorded = recordOnce(vary(validConfig(), { vcenter: { folder: "Kubernetes/lab" } }), {
    state: holding(names),
  });

  test("is where the configuration says", () => {
    const { stdin } = recorded().get("command:local:Command", "esxi-folder").inputs;
    expect(JSON.parse(String(stdin))).toMatchObject({ folder: "Kubernetes/lab" });
    expect(recorded().vm("worker-1").inputs).toMatchObject({ folder: "Kubernetes/lab" });
  });

  test("looks for nothing, so that a second run is empty", () => {
    expect(recorded().get("command:local:Command", "esxi-folder").ignoreChanges).toEqual(["environment"]);
  });
});

describe("the folder of a stack that gets one more machine and loses one", () => {
  const recorded = recordOnce(
    vary(validConfig(), { workers: { general: { nodes: { "worker-3": { host: "esxi-1", address: "10.20.0.33" } } } } }),
    { state: holding([...names, "worker-9"]) },
  );

  test("looks for the one, and goes on knowing the other", () => {
    const { environment } = recorded().get("command:local:Command", "esxi-folder").inputs;
    expect(environment).toMatchObject({
      MACHINES: [...names, "worker-3", "worker-9"].join(" "),
      CLONES: "worker-3",
      HELD: [...names, "worker-9"].map((name) => `${name}=uuid of ${name}`).join(" "),
    });
    expect(recorded().get("command:local:Command", "esxi-folder").ignoreChanges).toEqual([]);
  });
});

test("a stack that makes machines anew frees their names: a run may have been cut off when the old ones were gone", async () => {
  const anew = vary(validConfig(), { workers: { general: { generation: 1 } } });
  const recording = await runProgram(anew, { state: stateOf(await runProgram(validConfig())) });
  const { inputs, ignoreChanges } = recording.get("command:local:Command", "esxi-folder");
  expect(inputs.environment).toMatchObject({
    CLONES: names.filter((name) => name.startsWith("worker-")).join(" "),
    HELD: names.map((name) => `${name}=uuid of ${name}`).join(" "),
    TURNS: "worker-1,worker-2=1",
  });
  expect(ignoreChanges).toEqual([]);
});

test("a virtual machine counts as held from the moment that the state has it", () => {
  expect(readPast(holding(["master-1"])).virtualMachines).toEqual(new Map([["master-1", "uuid of master-1"]]));
});
