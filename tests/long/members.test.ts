import fc from "fast-check";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { countRequests } from "../e2e/load";
import { allServersVote } from "../e2e/support/client";
import { expectPlane } from "../e2e/support/etcd";
import { faults, onConsole } from "../e2e/support/frontend";
import {
  attempt,
  eventually,
  firstChange,
  forgetAnswers,
  forMake,
  inLab,
  killUpAfter,
  kubectl,
  run,
  virtualMachines,
} from "../e2e/support/lab";
import { changed } from "../e2e/support/stack";
import { expectKept, Writers } from "../e2e/support/writers";
import { cases, chooser } from "./cases";
import { base, machinesOf, secondsOf, story, type Change, type Nodes, type Standing } from "./changes";

/**
 * Machines come, go, are made anew, restarted and lost, one change after the other on one cluster. In each change `make up` is killed at
 * some point; one more has to finish it. Clients write to etcd and to Consul all the while, and ask for pages.
 */
beforeAll(async () => {
  await run("sim/down", []);
});

afterAll(async () => {
  await run("sim/down", []);
});

/** Requests a second through the ingress: they leave the machine time for what is judged here. */
const rate = 20;

/** The lab's stack as a change leaves it. */
let standing: { standing: Standing; after: number } | undefined;

async function options({ frontend, controlPlane, workers }: Standing): Promise<string[]> {
  const merge = (over: object) => (values: object) => ({ ...values, ...over });
  return changed({
    frontend: merge(frontend),
    controlPlane: merge(controlPlane),
    workers: ({ general }) =>
      Object.fromEntries(Object.entries(workers).map(([pool, over]) => [pool, { ...(general as object), ...over }])),
  });
}
const makeUp = async (what: Standing) => attempt("make", ["--no-print-directory", "up", forMake(await options(what))]);

const nodesOf = (what: Standing) => machinesOf(what).filter(({ group }) => group !== "frontend");
const mastersOf = ({ controlPlane }: Standing) => Object.keys(controlPlane.nodes).sort();

/** The nodes' UIDs by their names. */
async function nodes(): Promise<Record<string, string>> {
  const path = '{range .items[*]}{.metadata.name} {.metadata.uid}{"\\n"}{end}';
  const rows = await kubectl("get", "nodes", "-o", `jsonpath=${path}`);
  return Object.fromEntries(rows.split("\n").map((row) => row.split(" ") as [string, string]));
}

/** The cluster and vCenter have what the configuration says, and Pulumi has nothing left to do. */
async function expectConverged(what: Standing): Promise<void> {
  await eventually(60, async () => {
    const path =
      '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.spec.unschedulable}{"\\n"}{end}';
    const rows = (await kubectl("get", "nodes", "-o", `jsonpath=${path}`)).split("\n").map((row) => row.trim());
    expect(rows.sort()).toEqual(
      nodesOf(what)
        .map(({ name }) => `${name} True`)
        .sort(),
    );
  });
  const there = (await virtualMachines()).filter(({ power }) => power !== "template");
  expect(there.map(({ name, power, host, folder }) => [name, power, host, folder]).sort()).toEqual(
    machinesOf(what)
      .map(({ name, host }) => [name, "poweredOn", `${host}.lab.internal`, "esxi-k8s/sim"])
      .sort(),
  );
  for (const [pool, { nodes: inPool, memoryMiB }] of Object.entries(what.workers)) {
    const labelled = await kubectl(
      "get",
      "nodes",
      "-l",
      `esxi-k8s/pool=${pool}`,
      "-o",
      "jsonpath={.items[*].metadata.name}",
    );
    expect(labelled.split(" ").sort()).toEqual(Object.keys(inPool).sort());
    for (const machine of there.filter(({ name }) => name in inPool)) {
      expect(machine).toMatchObject({ memoryMiB });
    }
  }
  const masters = mastersOf(what);
  await expectPlane(String(masters[0]), masters);
  await allServersVote();
  await inLab("pulumi", "preview", "--stack", "sim", "--expect-no-changes", ...(await options(what)));
}

/** A node is another one if it was to be made anew, or its machine was lost; no other is. */
function expectRenewed(
  { from, to, lost }: Change,
  before: Record<string, string>,
  after: Record<string, string>,
): void {
  const generations = (what: Standing) =>
    Object.fromEntries(
      nodesOf(what).map(({ name, group, generation = 0 }) => [
        name,
        [what.workers[group]?.generation ?? 0, generation],
      ]),
    );
  const [was, is] = [generations(from), generations(to)];
  for (const name of Object.keys(before).filter((node) => node in after)) {
    const due = name === lost || String(was[name]) !== String(is[name]);
    expect(after[name] === before[name], `${name} is the node that it was`).toBe(!due);
  }
}

/** Brings up, on a lab of its own, what a case begins with, unless the one before has left it. */
async function begin(index: number, what: Standing): Promise<void> {
  if (standing?.after === index - 1) {
    return;
  }
  await run("sim/down", []);
  forgetAnswers();
  const { code, stdout, stderr } = await makeUp(what);
  expect(code, stdout + stderr).toBe(0);
  await allServersVote();
}

/** What every machine says of itself, for whoever looks for the reason. */
async function keepLogs(folder: string): Promise<void> {
  for (const { name, power } of await virtualMachines()) {
    if (power === "poweredOn") {
      const log = await onConsole(name, "tail -n +1 /var/log/esxi-k8s/*.log; journalctl --boot").catch(String);
      await writeFile(`${folder}/${name}`, log);
    }
  }
}

cases("members", async ({ name, seed, index, tell }) => {
  const change = story(index, (of) => chooser(seed, of)(fc.gen())).at(-1) as Change;
  const { kind, from, to, lost, killedAt } = change;
  const killedAfter = killedAt * secondsOf(change);
  tell({ kind, machine: lost, killedAfter });
  const artifacts = `artifacts/members-${name}`;
  await rm(artifacts, { recursive: true, force: true });
  await mkdir(artifacts, { recursive: true });
  await begin(index, from);
  standing = undefined;

  const before = await nodes();
  const writers = await Writers.start(`written-${name}`);
  const began = Date.now();
  const elapsed = () => (Date.now() - began) / 1000;
  try {
    const work = async () => {
      if (lost !== undefined) {
        await run("sim/vcenter", ["delete", lost]);
      }
      const printed = await killUpAfter(firstChange, killedAfter, forMake(await options(to)));
      await writeFile(`${artifacts}/killed`, printed);
      tell({ killed: elapsed(), lastLine: printed.trim().split("\n").at(-1)?.trim() });
      expect(printed).not.toMatch(/^ +error: /m);
      const again = await makeUp(to);
      await writeFile(`${artifacts}/up`, again.stdout + again.stderr);
      tell({ upAgain: elapsed() });
      expect(again.code, `make up failed: see ${artifacts}/up`).toBe(0);
    };
    const { sent, failures, slowest } = await countRequests(0, work, rate);
    const reasons = [...new Set(failures.map(({ reason }) => reason))];
    tell({ requests: { sent, failed: failures.length, slowest, reasons } });
    await expectConverged(to);
    expectRenewed(change, before, await nodes());
    const written = await writers.stop();
    tell({ ...written });
    // Without HAProxy nobody reaches any master.
    const cut = lost !== undefined && Object.keys(from.frontend.nodes).join() === lost;
    expectKept(written, { reachable: !cut });
  } catch (error) {
    await keepLogs(artifacts);
    await writers.stop().then(tell, () => undefined);
    throw error;
  }
  standing = { standing: to, after: index };
});

it("ends, and says what failed, when a node that is made anew cannot leave, and does so in the next run", async () => {
  const what = standing?.standing ?? base;
  await begin((standing?.after ?? 0) + 1, what);
  standing = undefined;
  const masters = mastersOf(what);
  const leave = "/usr/local/lib/esxi-k8s/leave-node";
  const general = what.workers.general as Standing["workers"][string];
  const [worker, node] = Object.entries(general.nodes)[0] as [string, Nodes[string]];
  const anew = { ...node, generation: (node.generation ?? 0) + 1 };
  const to = {
    ...what,
    workers: { ...what.workers, general: { ...general, nodes: { ...general.nodes, [worker]: anew } } },
  };
  const before = await nodes();
  await Promise.all(
    masters.map((master) => onConsole(master, `mv ${leave} ${leave}.away && ln -s /bin/false ${leave}`)),
  );
  const { code, stdout, stderr } = await makeUp(to);
  await Promise.all(masters.map((master) => onConsole(master, `mv ${leave}.away ${leave}`)));
  expect(code).not.toBe(0);
  expect(stderr).toContain("what waits for a deletion that failed is left for the next run: ending this one");
  expect(stdout + stderr).toContain(`failed as said above: ${worker}-membership`);
  expect((await nodes())[worker]).toBe(before[worker]);
  const again = await makeUp(to);
  expect(again.code, again.stdout + again.stderr).toBe(0);
  await expectConverged(to);
  expect((await nodes())[worker]).not.toBe(before[worker]);
  standing = { standing: to, after: Infinity };
});

it("lets no second cluster come to be while the first master is made anew and cannot reach the others", async () => {
  const what = standing?.standing ?? base;
  await begin((standing?.after ?? 0) + 1, what);
  standing = undefined;
  const [first = "", ...others] = mastersOf(what);
  const cluster = () => kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}");
  const before = await cluster();
  await kubectl("create", "configmap", "written-before");
  await run("sim/vcenter", ["delete", first]);
  const back = await Promise.all(others.map((master) => faults["the network is cut"].strike(master)));
  try {
    const { code, stdout } = await makeUp(what);
    expect(code).not.toBe(0);
    const failed = [...stdout.matchAll(/^ *command:remote:Command \((\S+)\):$/gm)].map(([, name]) => name);
    expect(failed, stdout).toEqual([`${first}-join`]);
    expect(stdout).toMatch(new RegExp(`no master answers at \\S+, so ${first} cannot join`));
    const made = await onConsole(
      first,
      "find /etc/kubernetes/manifests /etc/kubernetes/pki /var/lib/etcd -type f 2>/dev/null || true",
    );
    expect(made).not.toMatch(/etcd|ca[.]key/);
  } finally {
    await Promise.all(back.map((end) => end()));
  }
  const { code, stdout, stderr } = await makeUp(what);
  expect(code, stdout + stderr).toBe(0);
  await expectConverged(what);
  expect(await cluster()).toBe(before);
  await kubectl("get", "configmap", "written-before");
});
