import { expect, it } from "vitest";
import { underLoad } from "./load";
import { expectPlane, members } from "./support/etcd";
import {
  changedConfiguration,
  eventually,
  inventory,
  kubectl,
  machines,
  make,
  masters,
  pulumi,
  run,
  workers,
} from "./support/lab";

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

/** Machines that are added, removed, made anew and lost, by the configuration and by hand. */
export function describeMembers(): void {
  const worker2 = "        worker-2: { host: esxi-2, address: 10.20.0.32 }\n";
  const master1 = "master-1: { host: esxi-1, address: 10.20.0.21 }";

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

  it("lets the worker go, and makes the master anew that founded the cluster, while requests go on", async () => {
    await kubectl("create", "configmap", "written-before");
    const before = await members(calm);
    const founder = before.find(({ name }) => name === "master-1");
    const [uid, workersBefore] = [await uidOf("master-1"), await Promise.all(workers.map(uidOf))];
    const { failures, sent } = await underLoad(30, async () => {
      await up(master1, master1.replace(" }", ", generation: 1 }"));
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
}
