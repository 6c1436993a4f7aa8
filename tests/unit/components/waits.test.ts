import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { scriptText, stepFile } from "../../../render/step";
import { stackFile, vary } from "../../support/configs";
import { readStep, recordOnce, stepsOf, type Declared, type Recording } from "../../support/recorder";

/**
 * What a step waits for while it runs, as names of the resources that make it. Pulumi runs steps in any order that their dependencies
 * allow, and one at a time if it is told to: a step that waited for what its dependencies do not make might wait for ever.
 */
const waits: Record<string, (step: Declared, recording: Recording) => string[]> = {
  // For a master that admits it, which is one that serves.
  "join-node": (_, recording) => ["control-plane-founded", `${recording.masters()[0] ?? ""}-allow-joins`],
  // For itself behind the frontend's address.
  "init-control-plane": (_, recording) => frontendSteps(recording),
  "await-node": (step) => readyNode(step),
  "label-node": (step) => readyNode(step),
  // Of a stack that is there already.
  "await-haproxy": () => [],
  "drain-node": () => [],
  "finish-upgrade": () => [],
  "leave-node": () => [],
  "settle-node": () => [],
  "configure-consul-acl": () => ["consul"],
  "declare-consul-entries": () => ["consul"],
  // For the kubelets of servers that are there.
  "reload-consul": () => [],
  // For what nobody of the stack makes, and says so when it does not come.
  "await-storage-class": () => [],
  // Of a cluster that is there, and for what they start themselves; people and a timer run them.
  "save-consul": () => [],
  "restore-consul": () => [],
  "restore-control-plane": () => [],
  // For what it starts itself.
  "prepare-node": () => [],
  "renew-certificates": () => [],
  "mend-drift": () => [],
  // Likewise; for another HAProxy machine only a while, and it does without.
  "configure-haproxy": () => [],
  // For the address, which this machine takes if no other one does, as soon as its HAProxy answers.
  "configure-keepalived": ({ name }) => [name.replace(/keepalived$/, "haproxy")],
};

/** What is a wait in a script. */
const waiting = /retry_for \d|kubectl .*\bwait\b|kubeadm init --config/;

const frontendSteps = (recording: Recording) =>
  stepsOf(recording)
    .map(({ name }) => name)
    .filter((name) => /-(haproxy|keepalived)$/.test(name));
/** A node that is there, and the pod network, without which none is Ready. */
const readyNode = (step: Declared) => [
  "control-plane-flannel-daemon",
  `${String(readStep(step).parameters.NAME)}-join`,
];

test("the scripts that wait are those of which is known what for", () => {
  const folder = join(__dirname, "..", "..", "..", "scripts");
  const steps = readdirSync(folder)
    .map((file) => basename(file, ".sh"))
    .filter((name) => scriptText(name).includes("source prelude.sh"));
  const found = steps.filter((name) => {
    const own = [stepFile(name), ...stepFile(name).libraries.filter((library) => !library.name.startsWith("prelude-"))];
    return own.some(({ text }) => waiting.test(text));
  });
  expect(found.sort()).toEqual(Object.keys(waits).sort());
});

describe.each([
  ["the lab", stackFile("sim").raw],
  [
    "two HAProxy machines and five masters",
    vary(stackFile("sim").raw, {
      frontend: { virtualAddress: "10.20.0.5", nodes: { "haproxy-2": { host: "esxi-2", address: "10.20.0.11" } } },
      controlPlane: {
        nodes: {
          "master-4": { host: "esxi-2", address: "10.20.0.24" },
          "master-5": { host: "esxi-1", address: "10.20.0.25" },
        },
      },
    }),
  ],
])("%s", (_, raw) => {
  const recorded = recordOnce(raw, { stack: "sim" });
  const namesBefore = (resource: Declared) => [...recorded().before(resource)].map(({ name }) => name);

  test("no step waits for what its dependencies do not make", () => {
    for (const step of stepsOf(recorded())) {
      const needed = waits[readStep(step).script]?.(step, recorded()) ?? [];
      expect(namesBefore(step), step.name).toEqual(expect.arrayContaining(needed));
    }
  });

  test("what Pulumi waits for in the cluster has nodes to run on", () => {
    const awaited = recorded().resources.filter(({ type, name, inputs }) => {
      const { annotations = {} } = (inputs.metadata ?? {}) as { annotations?: Record<string, string> };
      return (
        /:(Deployment|DaemonSet|StatefulSet|Release)$/.test(type) &&
        annotations["pulumi.com/skipAwait"] !== "true" &&
        // Nothing of it runs.
        name !== "ingress-definitions"
      );
    });
    expect(awaited.map(({ name }) => name).sort()).toEqual([
      ...["consul", "demo-application", "ingress", "metrics-deployment", "storage-local-path-provisioner"],
    ]);
    for (const resource of awaited) {
      expect(namesBefore(resource), resource.name).toContain("worker-1-labels");
    }
  });

  test("what measures nodes finds certificates that it trusts", () => {
    const before = namesBefore(recorded().get("Deployment", "metrics-deployment"));
    expect(before).toEqual(
      expect.arrayContaining(
        recorded()
          .masters()
          .map((master) => `${master}-approver`),
      ),
    );
  });

  test("Consul's volumes have a StorageClass", () => {
    expect(namesBefore(recorded().release("consul"))).toContain("storage-local-path-class");
  });
});
