import fc from "fast-check";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { attempt, inLab, inventory, machines, make, masters, run, workers } from "../e2e/support/lab";
import { expectPlane } from "../e2e/support/etcd";
import { cases } from "./cases";

/**
 * The cluster is made from nothing, again and again: masters that join at the same time meet in another moment each time, because
 * one of them is held up when it begins.
 */
beforeAll(async () => {
  await run("sim/down", []);
});

afterAll(async () => {
  await run("sim/down", []);
});

const docker = (line: string) => ["-c", `source sim/lab.sh && ${line}`];
const container = (machine: string) => `"$(lab_docker ps --all --quiet --filter name=vcsim-${machine}-)"`;

/** Takes the machine's turn, for which every step waits that changes it: as if the one before had taken longer. */
const holdUp = (machine: string, seconds: number) =>
  run("bash", docker(`lab_docker exec ${container(machine)} flock /run/lock/esxi-k8s sleep ${String(seconds)}`));

/** Runs `make up`, and does something once its output matches. */
async function upWith(pattern: RegExp, act: () => Promise<unknown>): Promise<{ code: number; printed: string }> {
  const up = spawn("make", ["--no-print-directory", "up"], { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  let acting: Promise<unknown> | undefined;
  const read = (chunk: Buffer) => {
    printed += chunk.toString();
    if (pattern.test(printed)) {
      acting ??= act();
    }
  };
  up.stdout.on("data", read);
  up.stderr.on("data", read);
  const [status] = (await once(up, "close")) as [number | null];
  await acting;
  return { code: status ?? -1, printed };
}

cases("creation", async ({ name, choose, tell }) => {
  const tenths = fc.integer({ min: 0, max: 80 });
  const [heldUp, seconds] = choose(
    fc.tuple(
      fc.constantFrom("master-2", "master-3"),
      tenths.map((n) => n / 10),
    ),
  );
  tell({ heldUp, heldUpSeconds: seconds });
  const artifacts = `artifacts/creation-${name}`;
  await mkdir(artifacts, { recursive: true });
  try {
    let held = false;
    const { code, printed } = await upWith(/control-plane-founded created/, async () => {
      await holdUp(heldUp, seconds);
      held = true;
    });
    await writeFile(`${artifacts}/up`, printed);
    expect(code, `make up failed: see ${artifacts}/up`).toBe(0);
    expect(held, `${heldUp} was not held up`).toBe(true);
    tell({ joining: Number(/^masters joined +\d+ +\d+ +(\d+)/m.exec(printed)?.[1]) });

    const ready = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
    const nodes = await inLab("tools/kubectl", "sim", "get", "nodes", "-o", `jsonpath=${ready}`);
    expect(nodes.split("\n").sort()).toEqual([...masters, ...workers].map((node) => `${node} True`));

    await expectPlane("master-1");

    await make("down");
    expect(await inventory()).toEqual({});
  } catch (error) {
    // What the machines say, and a new lab for the next case.
    for (const machine of Object.keys(machines)) {
      const line = `lab_docker exec ${container(machine)} sh -c 'tail -n +1 /var/log/esxi-k8s/*.log; journalctl --boot'`;
      const { stdout, stderr } = await attempt("bash", docker(line));
      await writeFile(`${artifacts}/${machine}`, stdout + stderr);
    }
    await attempt("sim/down", []);
    throw error;
  }
});
