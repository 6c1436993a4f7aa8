// Brings what `make drift` finds on machines, in Helm releases, in Consul's store and of the stack's objects in the cluster back to what was
// deployed, and nothing else: repair.ts STACK
// Ends with 1 when something could not be mended.
import { spawnSync } from "node:child_process";
import { z } from "zod";
import { lookAtCluster, lookAtEntries, releasesCommand } from "./cluster";
import { lookAt, machinesOf, onMachine, runStep } from "./machines";
import { previewed, takeBack } from "./outcome";
import { readState, type KnownState } from "./state";

const [stack] = process.argv.slice(2);
if (stack === undefined || !/^[\w./-]+$/.test(stack)) {
  console.error("error: which stack? repair.ts STACK");
  process.exit(2);
}

let mended = 0;
function say(where: string, { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }): void {
  for (const line of (code === 0 ? stdout : stderr).trim().split("\n")) {
    console.log(`${where}: ${line}`);
  }
  if (code === 0) {
    mended++;
  } else {
    process.exitCode = 1;
  }
}

/** Pulumi, in sight, with what it is to change. */
function pulumiUp(...options: string[]): void {
  const { status } = spawnSync(
    "pulumi",
    ["up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", String(stack), ...options],
    { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...takeBack } },
  );
  if (status === 0) {
    mended++;
  } else {
    process.exitCode = 1;
  }
}

/** Machines that differ mend themselves; a step that ran with something else than the state says runs again. */
async function repairMachines({ steps }: KnownState): Promise<void> {
  const machines = machinesOf(steps);
  const differences = await lookAt(machines);
  for (const { name, reach } of machines.filter(({ name }) => differences.some(({ machine }) => machine === name))) {
    const own = differences.filter(({ machine }) => machine === name);
    const silent = own.find(({ what }) => what === "the machine");
    if (silent) {
      console.log(`${name}: ${silent.found}`);
      process.exitCode = 1;
      continue;
    }
    say(name, await runStep(reach, "mend-drift"));
  }
  const again = steps.filter(({ name }) =>
    differences.some(({ step, what }) => step === name && what.startsWith("the step ")),
  );
  if (again.length > 0) {
    pulumiUp(...again.flatMap(({ urn }) => ["--target-replace", urn]));
  }
}

async function repairReleases(state: KnownState): Promise<void> {
  const differing = (await lookAtCluster(state)).map(({ step }) => step.replace("Helm release ", ""));
  const asked = releasesCommand(state, "mend-cluster", [...new Set(differing)]);
  if (asked) {
    say("cluster", await onMachine(asked.reach, asked.command));
  }
}

async function repairEntries(state: KnownState): Promise<void> {
  const step = state.steps.find(({ line }) => line.script === "declare-consul-entries");
  if (step && (await lookAtEntries(state)).length > 0) {
    say("Consul", await onMachine(step.reach, step.create, step.stdin));
  }
}

const refreshed = z.object({
  steps: z.array(
    z.object({
      op: z.string(),
      urn: z.string(),
      oldState: z.object({ type: z.string(), outputs: z.unknown() }).optional(),
      newState: z.object({ outputs: z.unknown() }).optional(),
    }),
  ),
});

/** Objects of the cluster that are not what the state says: those of which a look and what follows from it differ. */
function repairObjects(stack: string): void {
  const { code, stdout, stderr } = previewed(stack, ["--refresh"], takeBack);
  if (code !== 0) {
    console.error(
      `error: the stack's objects in the cluster cannot be looked at: ${stderr.trim().split("\n").at(-1) ?? ""}`,
    );
    process.exitCode = 1;
    return;
  }
  const { steps } = refreshed.parse(JSON.parse(stdout));
  const changed = new Set(steps.filter(({ op }) => !["same", "refresh"].includes(op)).map(({ urn }) => urn));
  const drifted = steps.filter(
    ({ op, urn, oldState, newState }) =>
      op === "refresh" &&
      changed.has(urn) &&
      (oldState?.type.startsWith("kubernetes:") ?? false) &&
      JSON.stringify(oldState?.outputs) !== JSON.stringify(newState?.outputs),
  );
  if (drifted.length > 0) {
    pulumiUp("--refresh", ...drifted.flatMap(({ urn }) => ["--target", urn]));
  }
}

async function main(stack: string): Promise<void> {
  const state = readState(stack);
  await repairMachines(state);
  await repairReleases(state);
  await repairEntries(state);
  repairObjects(stack);
  if (mended === 0 && process.exitCode === undefined) {
    console.log("nothing to mend");
  }
}

main(stack).catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
