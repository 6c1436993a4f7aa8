// What the project's work costs, on a lab of its own, in one run: bench.mjs [--cold]
// Seconds depend on the machine; what is to be held are the ratios below them.
import { clearInterval, setInterval } from "node:timers";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv } from "node:process";
import { parse, stringify } from "yaml";

process.env.ESXI_K8S_LAB = "bench";
const work = mkdtempSync(join(tmpdir(), "esxi-k8s-bench-"));

/** Runs a program to its end; returns the seconds it took, what it printed, and the memory of all its processes at their peak. */
async function run(command, ...args) {
  const start = process.hrtime.bigint();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  let peak = 0;
  const sampling = setInterval(() => (peak = Math.max(peak, memoryBelow(child.pid))), 250);
  const status = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  clearInterval(sampling);
  if (status !== 0) {
    throw new Error(
      `${[command, ...args].join(" ")} ended with ${status}\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`,
    );
  }
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, stdout, stderr, megabytes: peak / 1e6 };
}

/** Bytes that a process and those it started have for themselves, what they share counted once (PSS). */
function memoryBelow(root) {
  const children = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const parent = /\) \S (\d+)/.exec(readProc(pid, "stat"))?.[1];
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const family = [String(root)];
  for (const pid of family) family.push(...(children.get(pid) ?? []));
  return family.reduce(
    (sum, pid) => sum + Number(/^Pss: +(\d+)/m.exec(readProc(pid, "smaps_rollup"))?.[1] ?? 0) * 1024,
    0,
  );
}

/** A process may be gone by now. */
function readProc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** The configuration of the lab's stack with so many workers. */
function stackOf(workers) {
  const stack = parse(readFileSync("Pulumi.sim.yaml", "utf8"));
  const { config } = stack;
  config["esxi-k8s:network"].subnet = "10.20.0.0/22";
  const general = config["esxi-k8s:workers"].general;
  general.nodes = Object.fromEntries(
    Array.from({ length: workers }, (_, index) => [
      `worker-${index + 1}`,
      { host: `esxi-${(index % 2) + 1}`, address: `10.20.${1 + Math.floor(index / 250)}.${1 + (index % 250)}` },
    ]),
  );
  const file = join(work, "Pulumi.scale.yaml");
  writeFileSync(file, stringify(stack));
  return file;
}

const rows = [];
const row = (name, value, unit, digits = 1) => {
  const line = `${name.padEnd(52)} ${value.toFixed(digits).padStart(8)} ${unit}`.trimEnd();
  rows.push(line);
  console.log(line);
};
const pulumi = (...args) => run("sim/enter", "pulumi", ...args, "--stack", "sim");

try {
  if (argv.includes("--cold")) {
    process.env.ESXI_K8S_CACHE = join(work, "cache");
    const { seconds, stderr } = await run("sim/toolchain/build");
    for (const [, group, minutes, rest] of stderr.matchAll(/^ +(\S+) took (\d+):(\d+)$/gm)) {
      row(`cold build of ${group}`, Number(minutes) * 60 + Number(rest), "s", 0);
    }
    row("cold build of the whole tool chain", seconds, "s", 0);
  }
  await run("sim/down");
  row("simulated lab, tool chain cached", (await run("sim/up")).seconds, "s");
  const first = (await pulumi("up", "--yes", "--skip-preview")).seconds;
  row("first pulumi up", first, "s");
  const second = (await pulumi("up", "--yes", "--skip-preview")).seconds;
  row("second pulumi up", second, "s");
  const preview = await pulumi("preview", "--expect-no-changes");
  row("pulumi preview without changes", preview.seconds, "s");
  row("  memory of all its processes", preview.megabytes, "MB", 0);
  row("state of the stack", (await pulumi("stack", "export")).stdout.length / 1e6, "MB", 2);

  const scale = await pulumi("preview", "--config-file", stackOf(200));
  row("pulumi preview of 3 masters and 200 workers", scale.seconds, "s");
  row("  memory of all its processes", scale.megabytes, "MB", 0);

  // The last one, since it takes the cluster apart.
  const plain = Number((await run("sim/enter", "tools/plain-kubeadm", "sim")).stdout);
  row("kubeadm alone, on the same machines", plain, "s");
  row("pulumi destroy", (await pulumi("destroy", "--yes", "--skip-preview")).seconds, "s");
  row("first pulumi up / kubeadm alone", first / plain, "", 2);
  row("second pulumi up / first", second / first, "", 2);
} finally {
  spawnSync("sim/down", { stdio: "inherit" });
  rmSync(work, { recursive: true, force: true });
}
