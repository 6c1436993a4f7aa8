// How much of a cluster's making is kubeadm itself, and how cheap a second run is: ratios of one run, on a lab of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPhases } from "./phases.mjs";

process.env.ESXI_K8S_LAB = "bench";
// The event log is among what Pulumi calls debugging.
process.env.PULUMI_DEBUG_COMMANDS = "true";
const work = mkdtempSync(join(tmpdir(), "esxi-k8s-bench-"));

/** Runs a program to its end; returns the seconds it took. */
function timed(command, ...args) {
  const start = process.hrtime.bigint();
  const { status } = spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0)
    throw new Error(`${[command, ...args].join(" ")} ended with ${status}; run it by itself to see why`);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const up = (log) => timed("sim/enter", "pulumi", "up", "--yes", "--skip-preview", "--stack", "sim", "--event-log", log);

try {
  timed("sim/down");
  const lab = timed("sim/up");
  const [firstLog, secondLog] = [join(work, "first"), join(work, "second")];
  const first = up(firstLog);
  const second = up(secondLog);
  const preview = timed("sim/enter", "pulumi", "preview", "--expect-no-changes", "--stack", "sim");
  const destroy = timed("sim/enter", "pulumi", "destroy", "--yes", "--skip-preview", "--stack", "sim");

  const { spans } = readPhases(firstLog);
  const took = Object.fromEntries(spans.map(({ phase, from, to }) => [phase, to - from]));
  const ended = Object.fromEntries(spans.map(({ phase, to }) => [phase, to]));
  // What no tool can save: the init and, one after the other, the joins of the other masters.
  const kubeadm = took["first master initialized"] + took["masters joined"];
  const rows = [
    ["simulated lab, tool chain cached", lab],
    ["first pulumi up", first],
    ["kubeadm init and master joins in it", kubeadm],
    ["from the workers to Consul and Traefik", ended["Traefik serving"] - ended["workers joined"]],
    ["second pulumi up", second],
    ["pulumi preview without changes", preview],
    ["pulumi destroy", destroy],
  ];
  for (const [name, seconds] of rows) console.log(`${name.padEnd(38)} ${seconds.toFixed(1).padStart(7)} s`);
  console.log(`${"first pulumi up / kubeadm".padEnd(38)} ${(first / kubeadm).toFixed(2).padStart(7)}`);
  console.log(`${"second pulumi up / first".padEnd(38)} ${(second / first).toFixed(2).padStart(7)}`);
} finally {
  timed("sim/down");
  rmSync(work, { recursive: true });
}
