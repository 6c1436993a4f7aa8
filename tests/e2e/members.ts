import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { underLoad } from "./load";
import { allServersVote } from "./support/client";
import { expectPlane, members } from "./support/etcd";
import {
  attempt,
  changedConfiguration,
  eventually,
  firstChange,
  forMake,
  inventory,
  killUpAfter,
  kubectl,
  machines,
  make,
  masters,
  pulumi,
  run,
  workers,
} from "./support/lab";
import { expectKept, Writers } from "./support/writers";

/** The master that nothing happens to. */
const calm = "master-3";
const uidOf = (node: string) => kubectl("get", "node", node, "-o", "jsonpath={.metadata.uid}");

/** `pulumi up` with one place of the configuration changed. */
const up = async (place: string, change: string) =>
  pulumi("up", "--yes", "--skip-preview", ...(await changedConfiguration(place, change)));

async function expectNodes(...names: string[]): Promise<void> {
  const ready = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  await eventually(60, async () => {
    const rows = await kubectl("get", "nodes", "-o", `jsonpath=${ready}`);
    expect(rows.trim().split("\n").sort()).toEqual(names.map((name) => `${name} True`).sort());
  });
}

/** Seconds within which a run that lets a worker go and makes a master anew has work to do. */
const takes = 60;

/** Machines that are added, removed, made anew and lost, by the configuration and by hand, while clients write. */
export function describeMembers(): void {
  let writers: Writers;
  beforeAll(async () => {
    await allServersVote();
    writers = await Writers.start("written-by-members");
  });
  afterAll(() => writers.end());

  const worker2 = "        worker-2: { host: esxi-2, address: 10.20.0.32 }\n";
  const master1 = "master-1: { host: esxi-1, address: 10.20.0.21 }";

  it("lets no node go when the cluster refuses a change that makes all machines anew", async () => {
    const nodes = [...masters, ...workers];
    const before = [await Promise.all(nodes.map(uidOf)), await inventory()];
    const taken = `${worker2}        worker-3: { host: esxi-1, address: 10.20.0.3 }\n`;
    const anew = await changedConfiguration(worker2, taken, (text) =>
      text.replace(/^( *)(esxi-k8s:controlPlane|general):\n/gm, "$&$1  generation: 1\n"),
    );
    const { code, stdout } = await attempt("sim/enter", ["tools/pulumi-up", "sim", "--yes", "--skip-preview", ...anew]);
    expect(code).not.toBe(0);
    expect(stdout).toContain("10.20.0.3 is to be that of worker-3, but the machine with the MAC address");
    expect([await Promise.all(nodes.map(uidOf)), await inventory()]).toEqual(before);
    expect(await kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.unschedulable}")).toBe("");
  });

  it("takes in a worker and touches no other machine", async () => {
    const before = await Promise.all([...masters, ...workers].map(uidOf));
    const added = `${worker2}        worker-3: { host: esxi-1, address: 10.20.0.33 }\n`;
    const printed = await up(worker2, added);
    expect(printed.match(/VirtualMachine \S+ (created|updated|deleted|replaced)/g)).toEqual([
      "VirtualMachine worker-3 created",
    ]);
    await expectNodes(...masters, ...workers, "worker-3");
    expect(await Promise.all([...masters, ...workers].map(uidOf))).toEqual(before);
  });

  it("lets the worker go, and makes the master anew that founded the cluster, by a run that is killed and one more, while requests go on", async () => {
    await kubectl("create", "configmap", "written-before");
    const before = await members(calm);
    const founder = before.find(({ name }) => name === "master-1");
    const [uid, workersBefore] = [await uidOf("master-1"), await Promise.all(workers.map(uidOf))];
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    const [tenths = 0] = fc.sample(fc.noBias(fc.nat({ max: takes * 10 })), { seed, numRuns: 1 });
    const { failures, sent } = await underLoad(30, async () => {
      const change = await changedConfiguration(master1, master1.replace(" }", ", generation: 1 }"));
      const killed = await killUpAfter(firstChange, tenths / 10, forMake(change));
      const last = killed.trim().split("\n").at(-1) ?? "";
      console.log(`SEED=${String(seed)}: make up was killed after ${String(tenths / 10)} s, at:${last}`);
      await make("up", forMake(change));
    });
    expect(failures, `of ${String(sent)}`).toEqual([]);
    await expectNodes(...masters, ...workers);
    expect(await inventory()).toEqual(machines);
    expect(await uidOf("master-1")).not.toBe(uid);
    expect(await Promise.all(workers.map(uidOf))).toEqual(workersBefore);
    await expectPlane(calm);
    const now = await members(calm);
    expect(now.map(({ ID }) => ID)).not.toContain(founder?.ID);
    expect(now.filter(({ name }) => name !== "master-1")).toEqual(before.filter(({ name }) => name !== "master-1"));
    await kubectl("get", "configmap", "written-before");
  });

  it("brings back a master whose machine was deleted by hand, before it makes another anew for the second time", async () => {
    await run("sim/vcenter", ["delete", "master-2"]);
    const printed = await make("up");
    const done = [...printed.matchAll(/command:remote:Command (\S+-join) created/g)].map(([, name]) => name);
    expect(done).toEqual(["master-2-join", "master-1-join"]);
    await expectNodes(...masters, ...workers);
    expect(await inventory()).toEqual(machines);
    await expectPlane(calm);
    await kubectl("get", "configmap", "written-before");
  });

  it("has nothing left to do, and forgets who waited for whom", async () => {
    await make("up");
    await pulumi("preview", "--expect-no-changes");
  });

  it("has kept every write that it acknowledged, and its quorum", async () => {
    expectKept(await writers.stop());
  });
}
