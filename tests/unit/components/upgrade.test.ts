import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test, vi } from "vitest";
import type { StateRecord } from "../../../config/past";
import { stackFile, vary, type RawConfig } from "../../support/configs";
import { readLater, readStep, runProgram, type Recording } from "../../support/recorder";
import { stateOf, without } from "../../support/state";

const sim = stackFile("sim").raw;
const worker = (number: number): [string, object] => [
  `worker-${String(number)}`,
  { host: "esxi-1", address: `10.20.0.${String(30 + number)}` },
];
/** A stack with five workers, two of which may be away, of an older release. */
const older = (install: string, version = "1.36.3"): RawConfig =>
  vary(sim, {
    kubernetes: { install, version },
    workers: { general: { maxUnavailable: 2, nodes: Object.fromEntries([1, 2, 3, 4, 5].map(worker)) } },
  });
const masters = ["master-1", "master-2", "master-3"];
const workers = ["worker-1", "worker-2", "worker-3", "worker-4", "worker-5"];

const states = new Map<string, Promise<Record<string, StateRecord>>>();
/** What a stack holds that was brought up with this configuration. */
function stateAfter(raw: RawConfig): Promise<Record<string, StateRecord>> {
  const key = JSON.stringify(raw);
  const state = states.get(key) ?? runProgram(raw, { stack: "sim" }).then(stateOf);
  states.set(key, state);
  return state;
}
/** A state in which what an interrupted run had done is as in another one. */
const partly = (state: Record<string, StateRecord>, other: Record<string, StateRecord>, done: RegExp) =>
  Object.fromEntries(Object.entries(state).map(([urn, record]) => [urn, (done.test(urn) && other[urn]) || record]));

/** Upgrades a stack. */
async function upgrade(before: RawConfig, change: RawConfig = {}, state?: Record<string, StateRecord>) {
  const raw = vary(before, { kubernetes: { version: "1.37.2" } });
  return runProgram(vary(raw, change), { stack: "sim", state: state ?? (await stateAfter(before)) });
}

/** The steps of some kind that are done before another one, which is named. */
const before = (recording: Recording, step: string, kind: RegExp) =>
  recording
    .stepsBefore(recording.command(step))
    .filter((name) => kind.test(name))
    .sort();
const upgrades = /^(master|worker)-\d-prepare$/;
const settled = /^(master|worker)-\d-membership$/;
const names = (nodes: string[], suffix: string) => nodes.map((node) => `${node}-${suffix}`);

describe("another Kubernetes from packages", () => {
  test.each(["1.37.2", "1.36.4"])("comes to one master after the other, then to workers in groups: %s", async (to) => {
    const raw = older("packages");
    const recording = await upgrade(raw, { kubernetes: { version: to } });
    masters.forEach((master, index) => {
      expect(before(recording, `${master}-prepare`, settled)).toEqual(names(masters.slice(0, index), "membership"));
    });
    expect(before(recording, "worker-2-prepare", settled)).toEqual(names(masters, "membership"));
    expect(before(recording, "worker-5-prepare", settled)).toEqual(
      names([...masters, "worker-1", "worker-3"], "membership"),
    );
    for (const node of [...masters, ...workers]) {
      const step = (name: string) => recording.command(`${node}-${name}`);
      const [away, prepare, membership] = [step("away"), step("prepare"), step("membership")];
      expect(away.ignoreChanges).toEqual([]);
      expect(readLater(away, "update")).toMatchObject({
        script: "drain-node",
        parameters: { NAME: node, VERSION: to },
      });
      expect(recording.before(prepare)).toContain(away);
      expect(readStep(prepare).parameters).toMatchObject({ VERSION: to, IGNORE: "SystemVerification" });
      expect(recording.before(membership)).toContain(prepare);
      expect(readLater(membership, "update")).toMatchObject({
        script: "settle-node",
        parameters: { NAME: node, VERSION: to },
      });
      expect(recording.vm(node).replacementTrigger).toMatch(/, generation 0\.0$/);
    }
  });

  test("is judged before anything is touched, with the repository that it comes from", async () => {
    const recording = await upgrade(older("packages"));
    const gate = recording.command("control-plane-gate");
    expect(readLater(gate, "update")).toMatchObject({
      script: "check-change",
      parameters: { VERSION: "1.37.2", REPOSITORY: "https://pkgs.k8s.io/core:/stable:/v1.37/deb/" },
    });
    for (const node of [...masters, ...workers]) {
      expect(recording.before(recording.command(`${node}-away`))).toContain(gate);
    }
  });

  test("is finished for the cluster as a whole by a master, and what kubeadm wrote anew is made this project's again", async () => {
    const recording = await upgrade(older("packages"));
    expect(recording.command("control-plane-gate").replaceOnChanges).toEqual(["triggers[*]"]);
    const finish = recording.command("control-plane-kubernetes");
    // Nothing else is a reason to look whether one has to be finished.
    expect(readLater(finish, "update")).toMatchObject({ script: "finish-upgrade" });
    expect(readLater(finish, "update").parameters).toEqual({ VERSION: "1.37.2" });
    expect(before(recording, finish.name, settled)).toEqual(names(masters, "membership"));
    expect(before(recording, "worker-1-prepare", /^control-plane-kubernetes$/)).toEqual([finish.name]);
    for (const [type, name] of [
      ["DeploymentPatch", "cluster-dns-deployment"],
      ["ServicePatch", "cluster-dns-service"],
    ] as const) {
      const patch = recording.get(type, name);
      expect(recording.before(patch)).toContain(finish);
      expect(patch.inputs.metadata).toMatchObject({ annotations: { "esxi-k8s/kubernetes": "1.37.2" } });
    }
  });

  test("keeps new workers waiting, whose kubelets would be newer than the masters", async () => {
    const raw = older("packages");
    const recording = await upgrade(raw, { workers: { general: { nodes: Object.fromEntries([worker(6)]) } } });
    expect(before(recording, "worker-6-join", settled)).toEqual(names(masters, "membership"));
  });

  test("goes on where it was interrupted", async () => {
    const raw = older("packages");
    const [was, is] = [await stateAfter(raw), await stateAfter(vary(raw, { kubernetes: { version: "1.37.2" } }))];
    const recording = await upgrade(raw, {}, partly(was, is, /master-1-(away|prepare|membership)$|master-2-away$/));
    expect(recording.command("master-1-away").ignoreChanges).toEqual(["*"]);
    expect(before(recording, "master-1-prepare", settled)).toEqual([]);
    expect(recording.command("master-2-away").ignoreChanges).toEqual([]);
    expect(before(recording, "master-2-prepare", settled)).toEqual(["master-1-membership"]);
    expect(before(recording, "master-3-prepare", settled)).toEqual(names(["master-1", "master-2"], "membership"));
    expect(before(recording, "control-plane-kubernetes", settled)).toEqual(names(masters, "membership"));
  });

  test("holds up nothing at the first creation, nor when the version stays", async () => {
    const raw = older("packages");
    const [first, second] = [
      await runProgram(raw, { stack: "sim" }),
      await runProgram(raw, { stack: "sim", state: await stateAfter(raw) }),
    ];
    for (const recording of [first, second]) {
      expect(recording.command("control-plane-kubernetes").inputs).not.toHaveProperty("create");
      expect(recording.stepsBefore(recording.command("control-plane-kubernetes"))).not.toContain("master-1-membership");
      expect(recording.command("master-2-away").ignoreChanges).toEqual(["*"]);
      expect(before(recording, "master-3-prepare", upgrades)).toEqual([]);
      expect(before(recording, "worker-1-join", settled)).toEqual([]);
    }
  });

  test("comes together with a larger machine, which is emptied once", async () => {
    const recording = await upgrade(older("packages"), { controlPlane: { memoryMiB: 8192, diskGiB: 30 } });
    expect(readLater(recording.command("master-2-away"), "update").parameters).toEqual({
      NAME: "master-2",
      SIZE: "2x8192",
      VERSION: "1.37.2",
      RUNTIME: "2.*",
    });
    expect(before(recording, "master-3-prepare", settled)).toEqual(names(["master-1", "master-2"], "membership"));
  });

  test("is announced with its order", async () => {
    const said = vi.spyOn(pulumi.log, "info").mockResolvedValue();
    try {
      await upgrade(older("packages"));
      expect(said.mock.calls.map(([text]) => text)).toEqual([
        "Kubernetes 1.37.2 is brought to master-1, master-2, master-3, one after the other; each is emptied before, and taken back when it is well",
        "Kubernetes 1.37.2 is brought to worker-1, worker-2, worker-3, worker-4, worker-5, 2 at a time, when the masters have it; each is emptied before, and taken back when it is well",
      ]);
    } finally {
      said.mockRestore();
    }
  });
});

describe("another Kubernetes from a template", () => {
  const template = { template: { name: "ubuntu-24.04-1.37" } };
  const raw = older("preinstalled");

  test("makes nodes anew, one master after the other, then workers in groups, and no other machine", async () => {
    const was = await runProgram(raw, { stack: "sim" });
    const recording = await upgrade(raw, template, stateOf(was));
    const changed = recording
      .ofType("VirtualMachine")
      .filter(({ name, replacementTrigger }) => replacementTrigger !== was.vm(name).replacementTrigger);
    expect(changed.map(({ name }) => name).sort()).toEqual([...masters, ...workers]);
    expect(recording.vm("master-1").replacementTrigger).toBe("10.20.0.21, generation 0.0, Kubernetes 1.37.2");
    expect(before(recording, "master-3-prepare", settled)).toEqual(names(["master-1", "master-2"], "membership"));
    expect(before(recording, "worker-3-prepare", settled)).toEqual(names([...masters, "worker-1"], "membership"));
    expect(recording.command("master-2-away").ignoreChanges).toEqual(["*"]);
    expect(before(recording, "control-plane-kubernetes", settled)).toEqual(names(masters, "membership"));
    expect(readLater(recording.command("control-plane-gate"), "update").parameters).toMatchObject({ REPOSITORY: "" });
  });

  test("leaves them as they are afterwards, with those that are new", async () => {
    const upgraded = vary(vary(raw, { kubernetes: { version: "1.37.2" } }), template);
    const first = await runProgram(upgraded, { stack: "sim", state: await stateAfter(raw) });
    // The founding stays as it was.
    const state = partly(stateOf(first), await stateAfter(raw), /control-plane-founded$/);
    const second = await runProgram(
      vary(upgraded, { workers: { general: { nodes: Object.fromEntries([worker(6)]) } } }),
      {
        stack: "sim",
        state,
      },
    );
    for (const { name, replacementTrigger } of first.ofType("VirtualMachine")) {
      expect(second.vm(name).replacementTrigger, name).toBe(replacementTrigger);
    }
    expect(second.vm("worker-6").replacementTrigger).toBe("10.20.0.36, generation 0.0, Kubernetes 1.37.2");
    expect(before(second, "worker-6-join", settled)).toEqual([]);
  });

  test("goes on when a master was being made anew", async () => {
    const state = without(await stateAfter(raw), "master-1");
    const recording = await upgrade(raw, template, state);
    expect(before(recording, "master-1-prepare", settled)).toEqual([]);
    expect(before(recording, "master-2-prepare", settled)).toEqual(["master-1-membership"]);
  });

  test("goes on when the last master was being made anew, and no other one is of the version before", async () => {
    const is = stateOf(await upgrade(raw, template));
    const torn = partly(await stateAfter(raw), is, /::(Machine::)?master-[12](-\w+)?$/);
    const state = Object.fromEntries(Object.entries(torn).filter(([urn]) => !urn.includes("::master-3")));
    const recording = await upgrade(
      raw,
      vary(template, { workers: { general: { nodes: Object.fromEntries([worker(6)]) } } }),
      state,
    );
    for (const step of ["control-plane-kubernetes", "worker-6-join"]) {
      expect(before(recording, step, settled), step).toEqual(names(masters, "membership"));
    }
  });

  test("lets no node go whose turn does not come because an earlier machine failed", async () => {
    const recording = await upgrade(raw, template);
    for (const node of [...masters, ...workers]) {
      const away = recording.command(`${node}-away`);
      const component = recording.get("Machine", node);
      const own = recording.resources.filter(({ parent }) => parent === component.urn);
      expect(own.length).toBeGreaterThan(8);
      for (const { name, dependencies } of own) {
        expect(dependencies, name).toContain(away.urn);
      }
    }
  });
});

describe("what a stack's Kubernetes cannot become", () => {
  const refused = async (raw: RawConfig, version: string, state?: Record<string, StateRecord>) => {
    const present = state ?? (await stateAfter(raw));
    const wanted = vary(raw, { kubernetes: { version } });
    return expect(runProgram(wanted, { stack: "sim", state: present })).rejects;
  };

  test.each([
    ["1.36.2", "1.36.2, and master-1 has 1.36.3, expected 1.36.3 or newer, since Kubernetes does not go back"],
    ["1.35.4", "1.35.4, and master-1 has 1.36.3, expected 1.36.3 or newer"],
  ])("an older one: %s", async (version, message) => {
    await (await refused(older("packages"), version)).toThrow(`kubernetes.version: got ${message}`);
  });

  test("what only one node has left behind", async () => {
    const raw = older("packages");
    const is = await stateAfter(vary(raw, { kubernetes: { version: "1.37.2" } }));
    const state = partly(await stateAfter(raw), is, /master-1-prepare$/);
    await (
      await refused(raw, "1.36.3", state)
    ).toThrow("kubernetes.version: got 1.36.3, and master-1 has 1.37.2, expected 1.37.2 or newer");
  });

  test("one two minor releases away, or that some node is two behind", async () => {
    await (
      await refused(older("packages", "1.35.4"), "1.37.2")
    ).toThrow(
      "kubernetes.version: got 1.37.2, and master-1 has 1.35.4, expected a release of 1.36 first, since Kubernetes takes one minor release at a time",
    );
    const raw = older("packages", "1.35.4");
    const is = await stateAfter(vary(raw, { kubernetes: { version: "1.36.3" } }));
    const state = partly(await stateAfter(raw), is, /(master-\d|worker-[1-4])-prepare$/);
    await (
      await refused(raw, "1.37.2", state)
    ).toThrow("kubernetes.version: got 1.37.2, and worker-5 has 1.35.4, expected a release of 1.36 first");
    // One that is to leave holds up nobody.
    await upgrade(raw, { workers: { general: { nodes: { "worker-5": null } } } }, state);
  });

  test("one that only a template brings, while there is one master", async () => {
    const raw = vary(older("preinstalled"), {
      controlPlane: { nodes: { "master-2": null, "master-3": null }, allowNonHa: true },
    });
    await (
      await refused(raw, "1.37.2")
    ).toThrow(
      "kubernetes.version: got 1.37.2, and master-1, the only master, has 1.36.3, expected more masters first, or kubernetes.install: packages",
    );
    await upgrade(vary(raw, { kubernetes: { install: "packages" } }));
  });

  test("nothing is refused before a cluster is there", async () => {
    const raw = older("packages");
    const state = Object.fromEntries(
      Object.entries(await stateAfter(raw)).filter(([urn]) => !/-(founded|join)$/.test(urn)),
    );
    await runProgram(vary(raw, { kubernetes: { version: "1.35.4" } }), { stack: "sim", state });
  });
});

describe("another containerd from packages", () => {
  const containerd = (version: string): RawConfig => ({ packages: { containerd: { version } } });
  const now = vary(older("packages", "1.37.2"), containerd("2.0.0"));
  const change = (to: RawConfig, state?: Record<string, StateRecord>) => upgrade(now, to, state);

  test("comes to one node after the other like another Kubernetes, which stays", async () => {
    const recording = await change(containerd("2.1.0"));
    masters.forEach((master, index) => {
      expect(before(recording, `${master}-prepare`, settled)).toEqual(names(masters.slice(0, index), "membership"));
    });
    expect(before(recording, "worker-5-prepare", settled)).toEqual(
      names([...masters, "worker-1", "worker-3"], "membership"),
    );
    const away = recording.command("master-2-away");
    expect(away.ignoreChanges).toEqual([]);
    for (const step of [away, recording.command("master-2-membership")]) {
      expect(readLater(step, "update").parameters).toMatchObject({ VERSION: "1.37.2", RUNTIME: "2.1.0-*" });
    }
    expect(readLater(recording.command("control-plane-kubernetes"), "update").parameters).toEqual({
      VERSION: "1.37.2",
    });
  });

  test("comes to no node that has it, and in no order to those of a stack that is new", async () => {
    const done = await change(containerd("2.1.0"));
    const torn = partly(await stateAfter(now), stateOf(done), /master-[12]-prepare$/);
    const recording = await change(containerd("2.1.0"), torn);
    expect(recording.command("master-1-away").ignoreChanges).toEqual(["*"]);
    expect(before(recording, "master-3-prepare", settled)).toEqual(names(["master-1", "master-2"], "membership"));
    expect(before(await runProgram(now, { stack: "sim" }), "master-3-prepare", settled)).toEqual([]);
  });

  test("is a matter of the template where that brings it", async () => {
    const template = vary(older("preinstalled", "1.37.2"), containerd("2.0.0"));
    const recording = await upgrade(template, containerd("2.1.0"));
    expect(recording.command("master-2-away").ignoreChanges).toEqual(["*"]);
    expect(readLater(recording.command("master-2-away"), "update").parameters).not.toHaveProperty("RUNTIME");
  });
});
