import { isDeepStrictEqual } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import type { StateRecord } from "../../../config/past";
import { stackFile, vary, type RawConfig } from "../../support/configs";
import { readLater, readStep, runProgram, type Recording } from "../../support/recorder";
import { stateOf, without } from "../../support/state";

const sim = stackFile("sim").raw;
const fiveMasters = vary(sim, {
  controlPlane: {
    nodes: {
      "master-4": { host: "esxi-2", address: "10.20.0.24" },
      "master-5": { host: "esxi-1", address: "10.20.0.25" },
    },
  },
});
const eightWorkers = vary(sim, {
  workers: {
    general: {
      maxUnavailable: 3,
      nodes: Object.fromEntries(
        Array.from({ length: 8 }, (_, index) => [
          `worker-${String(index + 1)}`,
          { host: "esxi-1", address: `10.20.0.${String(31 + index)}` },
        ]),
      ),
    },
  },
});

/** Runs the program for a stack that was brought up with another configuration before. */
async function after(before: RawConfig, change: RawConfig, lost?: string): Promise<Recording> {
  const state = stateOf(await runProgram(before, { stack: "sim" }));
  return runProgram(vary(before, change), { stack: "sim", state: lost === undefined ? state : without(state, lost) });
}

/** Names of the machines that have to be at work before one is touched. */
function waitsFor(recording: Recording, machine: string): string[] {
  return [...recording.before(recording.vm(machine))]
    .filter(({ name }) => name.endsWith("-membership"))
    .map(({ name }) => name.replace("-membership", ""))
    .sort();
}

describe("machines wait for each other", () => {
  test("not at the first creation, and not when nothing disturbs them", async () => {
    for (const recording of [await runProgram(fiveMasters, { stack: "sim" }), await after(fiveMasters, {})]) {
      for (const { name } of recording.ofType("VirtualMachine")) {
        expect(waitsFor(recording, name), name).toEqual([]);
      }
    }
  });

  test.each([
    ["memory", { controlPlane: { memoryMiB: 8192 } }],
    ["cpus", { controlPlane: { cpus: 4 } }],
    ["a generation", { controlPlane: { generation: 1 } }],
  ])("masters one after the other when their %s changes", async (_, change) => {
    const recording = await after(sim, change);
    expect(waitsFor(recording, "master-1")).toEqual([]);
    expect(waitsFor(recording, "master-2")).toEqual(["master-1"]);
    expect(waitsFor(recording, "master-3")).toEqual(["master-1", "master-2"]);
    expect(waitsFor(recording, "worker-1")).toEqual([]);
  });

  test("one master that is disturbed waits for those that are not", async () => {
    const recording = await after(sim, { controlPlane: { nodes: { "master-1": { generation: 1 } } } });
    expect(waitsFor(recording, "master-1")).toEqual(["master-2", "master-3"]);
    expect(waitsFor(recording, "master-2")).toEqual([]);
  });

  test("workers as many at once as their pool allows, and after the masters", async () => {
    const recording = await after(eightWorkers, { workers: { general: { generation: 1 } } });
    const masters = ["master-1", "master-2", "master-3"];
    expect(waitsFor(recording, "worker-3")).toEqual(masters);
    expect(waitsFor(recording, "worker-4")).toEqual([...masters, "worker-1"]);
    expect(waitsFor(recording, "worker-8")).toEqual([...masters, "worker-2", "worker-5"]);
  });

  test("not new ones, and not one that was lost", async () => {
    const added = await after(sim, {
      workers: { general: { nodes: { "worker-3": { host: "esxi-1", address: "10.20.0.33" } } } },
    });
    expect(waitsFor(added, "worker-3")).toEqual([]);
    const lost = await after(sim, { controlPlane: { memoryMiB: 8192 } }, "master-1");
    expect(waitsFor(lost, "master-1")).toEqual([]);
    expect(waitsFor(lost, "master-3")).toEqual(["master-1", "master-2"]);
  });

  test("a node is emptied before its machine restarts, and for nothing else", async () => {
    const ignored = (recording: Recording, node: string) => recording.command(`${node}-away`).ignoreChanges;
    const restarted = await after(sim, { controlPlane: { memoryMiB: 8192 } });
    expect(ignored(restarted, "master-2")).toEqual([]);
    expect(readLater(restarted.command("master-2-away"), "update")).toMatchObject({
      script: "drain-node",
      parameters: { NAME: "master-2", SIZE: "2x8192" },
    });
    expect(restarted.before(restarted.vm("master-2"))).toContain(restarted.command("master-2-away"));
    expect(ignored(restarted, "worker-1")).toEqual(["*"]);
    expect(ignored(await after(sim, { controlPlane: { generation: 1 } }), "master-2")).toEqual(["*"]);
    expect(ignored(await runProgram(sim, { stack: "sim" }), "master-2")).toEqual(["*"]);
  });

  test("disks and their file systems grow one after the other, while their nodes go on", async () => {
    const recording = await after(sim, { controlPlane: { diskGiB: 30 } });
    expect(waitsFor(recording, "master-3")).toEqual(["master-1", "master-2"]);
    expect(recording.command("master-3-away").ignoreChanges).toEqual(["*"]);
    const grown = recording.command("master-1-disk");
    expect(readStep(grown)).toMatchObject({ script: "grow-disk", parameters: { GIB: "30" } });
    expect(recording.before(grown)).toContain(recording.vm("master-1"));
    expect(recording.before(recording.vm("master-2"))).toContain(grown);
  });

  test.each([
    ["labels", { labels: { rack: "a" } }],
    ["taints", { taints: [{ key: "dedicated", effect: "PreferNoSchedule" }] }],
  ])("nodes get other %s as many at once as their pool allows, each by itself", async (_, change) => {
    const recording = await after(eightWorkers, { workers: { general: change } });
    const labelledBefore = (node: string) =>
      recording
        .stepsBefore(recording.command(`${node}-labels`))
        .filter((name) => name.endsWith("-labels"))
        .sort();
    expect(labelledBefore("worker-3")).toEqual([]);
    expect(labelledBefore("worker-4")).toEqual(["worker-1-labels"]);
    expect(labelledBefore("worker-8")).toEqual(["worker-2-labels", "worker-5-labels"]);
    expect(recording.command("worker-8-away").ignoreChanges).toEqual(["*"]);
    expect(readStep(recording.command("worker-8-labels"))).toMatchObject({
      script: "label-node",
      parameters: { NAME: "worker-8" },
    });
  });

  test("a rebuilt template changes no machine that exists", async () => {
    const state = stateOf(await runProgram(sim, { stack: "sim" }));
    const rebuilt = {
      id: "rebuilt",
      guestId: "otherLinux64Guest",
      firmware: "bios",
      scsiType: "lsilogic",
      networkInterfaceTypes: ["e1000"],
      disks: [{ size: 16 }],
    };
    const [before, now] = [
      await runProgram(sim, { stack: "sim", state }),
      await runProgram(sim, { stack: "sim", state, template: rebuilt }),
    ];
    for (const { name } of before.ofType("VirtualMachine")) {
      const [was, is] = [before.vm(name), now.vm(name)];
      const changed = Object.keys(is.inputs).filter((key) => !isDeepStrictEqual(is.inputs[key], was.inputs[key]));
      expect(changed.sort(), name).toEqual(["clone", "firmware", "guestId", "networkInterfaces", "scsiType"]);
      expect(is.inputs.networkInterfaces, name).toEqual([{ networkId: "network vlan-20", adapterType: "e1000" }]);
      expect(is.ignoreChanges, name).toEqual(
        expect.arrayContaining(["clone", "firmware", "guestId", "networkInterfaces[0].adapterType", "scsiType"]),
      );
      expect(is.replacementTrigger, name).toBe(was.replacementTrigger);
    }
  });

  test("nothing in the cluster waits for a node that is there and stays as it is", async () => {
    const labelsBefore = (recording: Recording) =>
      recording.stepsBefore(recording.release("ingress")).filter((name) => name.endsWith("-labels"));
    expect(labelsBefore(await after(sim, { ingress: { dynamic: {} } }))).toEqual([]);
    const added = { "worker-3": { host: "esxi-1", address: "10.20.0.33" } };
    expect(labelsBefore(await after(sim, { workers: { general: { nodes: added } } }))).toEqual(["worker-3-labels"]);
    expect(labelsBefore(await runProgram(sim, { stack: "sim" }))).toEqual(["worker-1-labels", "worker-2-labels"]);
  });
});

describe("HAProxy machines", () => {
  const two = vary(sim, {
    frontend: { virtualAddress: "10.20.0.5", nodes: { "haproxy-2": { host: "esxi-2", address: "10.20.0.11" } } },
  });
  const stepsBefore = (recording: Recording, name: string) =>
    recording
      .stepsBefore(recording.vm(name))
      .filter((step) => step.startsWith("haproxy"))
      .sort();

  test.each([
    ["a generation", { frontend: { generation: 1 } }],
    ["memory", { frontend: { memoryMiB: 2048 } }],
    ["cpus", { frontend: { cpus: 2 } }],
  ])("are disturbed one at a time for %s, each when another one serves", async (_, change) => {
    const recording = await after(two, change);
    expect(stepsBefore(recording, "haproxy-1")).toEqual(["haproxy-1-relief"]);
    expect(stepsBefore(recording, "haproxy-2")).toEqual(
      expect.arrayContaining(["haproxy-1-back", "haproxy-1-haproxy", "haproxy-1-keepalived", "haproxy-2-relief"]),
    );
    const relief = recording.command("haproxy-1-relief");
    expect(relief.ignoreChanges).toEqual([]);
    expect(relief.inputs.connection).toMatchObject({ host: "10.20.0.11" });
    expect(readLater(relief, "update")).toMatchObject({
      script: "await-haproxy",
      parameters: { HEALTH: "8404/health/servers" },
    });
  });

  test("one of them is disturbed when the other serves", async () => {
    const recording = await after(two, { frontend: { nodes: { "haproxy-1": { generation: 1 } } } });
    expect(stepsBefore(recording, "haproxy-1")).toEqual(
      expect.arrayContaining(["haproxy-1-relief", "haproxy-2-haproxy", "haproxy-2-keepalived"]),
    );
    expect(recording.command("haproxy-2-relief").ignoreChanges).toEqual(["*"]);
    expect(stepsBefore(recording, "haproxy-2")).toEqual(["haproxy-2-relief"]);
  });

  test("nothing runs at the creation, nor when nothing disturbs them, and a single one has no relief", async () => {
    for (const recording of [
      await runProgram(two, { stack: "sim" }),
      await after(two, { frontend: { diskGiB: 30 } }),
    ]) {
      const relief = recording.command("haproxy-2-relief");
      expect(relief.inputs).not.toHaveProperty("create");
      expect(relief.ignoreChanges).toEqual(["*"]);
    }
    const single = await after(sim, { frontend: { generation: 1 } });
    expect(stepsBefore(single, "haproxy-1")).toEqual([]);
  });

  test("a restart is over when HAProxy serves again, however long the machine boots", async () => {
    const back = (await after(sim, { frontend: { cpus: 2 } })).command("haproxy-1-back");
    expect(back.inputs).not.toHaveProperty("create");
    expect(readLater(back, "update")).toMatchObject({
      script: "await-haproxy",
      parameters: { FOR: "haproxy-1 2x1024" },
    });
    expect(back.inputs.connection).toMatchObject({ host: "10.20.0.10", dialErrorLimit: 100 });
  });
});

describe("nodes", () => {
  let recording: Recording;
  beforeAll(async () => {
    recording = await runProgram(fiveMasters, { stack: "sim" });
  });

  test.each(["master-2", "worker-1"])("%s leaves before its machine goes or is replaced", (node) => {
    const membership = recording.command(`${node}-membership`);
    expect(recording.before(membership)).toContain(recording.vm(node));
    expect(membership).toMatchObject({ deleteBeforeReplace: true });
    expect(membership.inputs.triggers).toEqual([`uuid of ${node}`]);
    expect(membership.inputs).not.toHaveProperty("create");
    expect(readLater(membership, "delete")).toMatchObject({ script: "leave-node", parameters: { NAME: node } });
    expect(String(membership.inputs.delete)).toContain("/usr/local/lib/esxi-k8s/leave-node ");
  });

  test("leave as who they were when they joined", () => {
    const { parameters } = readLater(recording.command("master-2-membership"), "delete");
    expect(parameters).toEqual({ NAME: "master-2", NODE_UID: "uid-of-master-2", MEMBER: "id-of-master-2" });
    expect(readLater(recording.command("worker-1-membership"), "delete").parameters).toEqual({
      NAME: "worker-1",
      NODE_UID: "uid-of-worker-1",
    });
  });

  test("leave all at once with the whole cluster", () => {
    const cluster = recording.get("RandomId", "control-plane-identity").urn;
    for (const { name, deletedWith } of recording.ofType("command:remote:Command")) {
      expect(deletedWith, name).toBe(/-(away|membership|gate|volumes)$/.test(name) ? cluster : "");
    }
  });

  test("masters leave one after the other", () => {
    const names = [...recording.before(recording.command("master-5-membership"))].map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["master-4-membership", "master-1-membership"]));
  });

  test("a protected master's membership is as protected as its machine", async () => {
    const guarded = await runProgram(
      vary(sim, { controlPlane: { protect: true, nodes: { "master-2": { protect: false } } } }),
      { stack: "sim" },
    );
    const isProtected = guarded.resources.filter((resource) => resource.protect).map(({ name }) => name);
    expect(isProtected.sort()).toEqual([
      "esxi-folder",
      "master-1",
      "master-1-membership",
      "master-3",
      "master-3-membership",
    ]);
  });

  test("the membership of a protected master that was lost is replaced, also by a run after that which made its machine", async () => {
    const guarded = vary(sim, { controlPlane: { protect: true } });
    const whole = stateOf(await runProgram(guarded, { stack: "sim" }));
    const isProtected = async (state: Record<string, StateRecord>) => {
      const { resources } = await runProgram(guarded, { stack: "sim", state });
      const found = resources.filter(({ name, protect }) => name.endsWith("-membership") && protect);
      return found.map(({ name }) => name);
    };
    const others = ["master-1-membership", "master-3-membership"];
    expect(await isProtected(without(whole, "master-2"))).toEqual(others);
    const made = Object.entries(whole).map(([urn, record]): [string, StateRecord] => [
      urn,
      urn.endsWith("VirtualMachine::master-2")
        ? { ...record, outputs: { ...record.outputs, uuid: "another" } }
        : record,
    ]);
    expect(await isProtected(Object.fromEntries(made))).toEqual(others);
    expect(await isProtected(whole)).toEqual([...others, "master-2-membership"].sort());
  });

  test("a change of their list is judged by the living cluster before any machine is touched", () => {
    const gate = recording.command("control-plane-gate");
    expect(gate.inputs).not.toHaveProperty("create");
    expect(readLater(gate, "update")).toMatchObject({
      script: "check-change",
      parameters: { WORKERS: "worker-1=10.20.0.31 worker-2=10.20.0.32" },
    });
    for (const { name } of recording.ofType("VirtualMachine").filter((vm) => vm.name !== "haproxy-1")) {
      expect(recording.before(recording.vm(name)), name).toContain(gate);
    }
  });
});

describe("the cluster is founded once", () => {
  test("whatever becomes of the machine that did it, and whoever is the first master by name", async () => {
    const first = await runProgram(sim, { stack: "sim" });
    expect(first.command("control-plane-founded").ignoreChanges).toEqual(["*"]);
    const later = await after(sim, {
      controlPlane: { nodes: { "master-0": { host: "esxi-2", address: "10.20.0.20" } }, allowNonHa: true },
    });
    const founded = later.command("control-plane-founded");
    expect(founded.urn).toBe(first.command("control-plane-founded").urn);
    expect(founded.ignoreChanges).toEqual(["*"]);
    expect(later.before(founded)).not.toContain(later.vm("master-1"));
    expect(later.stepsBefore(later.command("master-0-join"))).toContain("control-plane-founded");
  });

  test("and never by machines of a cluster that has lost every master, which are to be restored", async () => {
    const masters = ["master-1", "master-2", "master-3"];
    const state = masters.reduce(without, stateOf(await runProgram(sim, { stack: "sim" })));
    const recording = await runProgram(sim, { stack: "sim", state });
    const founded = recording.command("control-plane-founded");
    expect(founded.ignoreChanges).toEqual(["*"]);
    for (const master of masters) {
      expect(recording.before(founded)).not.toContain(recording.vm(master));
      expect(readStep(recording.command(`${master}-join`)).script).toBe("join-node");
      expect(readStep(recording.command(`${master}-snapshots`)).script).toBe("configure-snapshots");
    }
  });
});

describe("what a stack that exists cannot become", () => {
  const refused = async (change: RawConfig, state?: Record<string, StateRecord>) => {
    const present = state ?? stateOf(await runProgram(sim, { stack: "sim" }));
    return expect(runProgram(vary(sim, change), { stack: "sim", state: present })).rejects;
  };

  test("a machine with the address of another that exists, such as a renamed one", async () => {
    const renamed = { "worker-2": null, "worker-b": { host: "esxi-2", address: "10.20.0.32" } };
    await (
      await refused({ workers: { general: { nodes: renamed } } })
    ).toThrow(/workers\.general\.nodes\.worker-b\.address: got 10\.20\.0\.32, the address of worker-2, which exists/);
  });

  test("one with smaller disks, unless its machines are made anew", async () => {
    await (
      await refused({ workers: { general: { diskGiB: 20 } } })
    ).toThrow(
      /workers\.general\.diskGiB: got 20, and worker-1 has 40, worker-2 has 40, expected as much or more, since disks grow and do not shrink/,
    );
    await after(sim, { workers: { general: { diskGiB: 20, generation: 1 } } });
  });

  test("a control plane of which etcd's majority is new", async () => {
    const others = {
      "master-2": null,
      "master-3": null,
      "master-4": { host: "esxi-2", address: "10.20.0.24" },
      "master-5": { host: "esxi-1", address: "10.20.0.25" },
    };
    await (
      await refused({ controlPlane: { nodes: others } })
    ).toThrow(/1 of the 3 masters that exist .*at least 2 of them/);
  });

  test.each([
    ["network.podCidr", { network: { podCidr: "10.200.0.0/16" } }],
    ["network.serviceCidr", { network: { serviceCidr: "10.100.0.0/16" } }],
    ["kubernetes.kubelet", { kubernetes: { kubelet: { maxPods: 90 } } }],
    ["kubernetes.kubeProxy", { kubernetes: { kubeProxy: { mode: "nftables" } } }],
    ["kubernetes.apiServerCertSANs", { kubernetes: { apiServerCertSANs: ["api.example.org"] } }],
  ])("one with another %s", async (path, change) => {
    await (await refused(change)).toThrow(new RegExp(`${path}: got .*, expected what the cluster was founded with`));
  });
});

describe("certificates", () => {
  /** A state in which some certificates end so many days from now. */
  async function ending(
    days: Record<string, number>,
  ): Promise<{ state: Record<string, StateRecord>; end: (name: string) => string }> {
    const now = Date.now();
    const end = (name: string) => new Date(now + (days[name] ?? 365) * 24 * 60 * 60 * 1000).toISOString();
    const state = stateOf(await runProgram(sim, { stack: "sim" }));
    for (const [urn, record] of Object.entries(state)) {
      const name = urn.slice(urn.lastIndexOf("::") + 2);
      if (name.endsWith("-certificates")) {
        record.outputs = { ...record.outputs, stdout: `UNTIL=${end(name)}\n` };
      }
      if (record.type === "command:local:Command") {
        record.outputs = { ...record.outputs, stderr: `valid until ${end(name)}\n` };
      }
    }
    return { state, end };
  }
  const dueOf = (recording: Recording) =>
    recording
      .masters()
      .map((master) => readStep(recording.command(`${master}-certificates`)).parameters.DUE?.replaceAll("'", ""));

  test("are left alone while nothing is due", async () => {
    const { state } = await ending({ "master-1-certificates": 91, "ingress-certificate": 91 });
    const recording = await runProgram(sim, { stack: "sim", state });
    expect(dueOf(recording)).toEqual(["", "", ""]);
    expect(recording.get("local:Command", "ingress-certificate").inputs.triggers).toBeUndefined();
    expect(recording.directSteps(recording.command("control-plane-kubeconfig"))).not.toContain("master-1-certificates");
  });

  test("of masters are renewed on one after the other, and then in the kubeconfig", async () => {
    const { state, end } = await ending({
      "master-1-certificates": 89,
      "master-2-certificates": 91,
      "master-3-certificates": 89,
    });
    const recording = await runProgram(sim, { stack: "sim", state });
    const asked = [end("master-1-certificates"), "", end("master-3-certificates")];
    expect(dueOf(recording)).toEqual(asked);
    expect(recording.directSteps(recording.command("master-3-certificates"))).toContain("master-1-certificates");
    const kubeconfig = recording.command("control-plane-kubeconfig");
    expect(recording.directSteps(kubeconfig)).toEqual(
      expect.arrayContaining(["master-1-certificates", "master-3-certificates"]),
    );
    expect(kubeconfig.inputs.triggers).toEqual([end("master-3-certificates")]);

    // What was asked for once is not asked for again, and nobody waits for it.
    const stdout = `UNTIL=${new Date(Date.now() + 365 * 86_400_000).toISOString()}\n`;
    const renewed = recording.masters().map((master) => recording.command(`${master}-certificates`));
    const later = { ...state };
    for (const { urn, type, inputs } of renewed) {
      later[urn] = { type, outputs: { ...inputs, stdout } };
    }
    const again = await runProgram(sim, { stack: "sim", state: later });
    expect(dueOf(again)).toEqual(asked);
    expect(again.directSteps(again.command("master-3-certificates"))).not.toContain("master-1-certificates");
    expect(again.command("control-plane-kubeconfig").inputs.triggers).toEqual(kubeconfig.inputs.triggers);
  });

  test("of the project's own authority are issued anew, once; the authority itself is not", async () => {
    const { state, end } = await ending({ "ingress-certificate": 89, "authority-certificate": 89 });
    const recording = await runProgram(sim, { stack: "sim", state });
    const triggers = (name: string) => recording.get("local:Command", name).inputs.triggers;
    expect(triggers("ingress-certificate")).toEqual([end("ingress-certificate")]);
    expect(triggers("consul-certificate")).toBeUndefined();
    expect(triggers("authority-certificate")).toBeUndefined();
  });
});
