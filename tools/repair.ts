// Brings what `make drift` finds on machines, in Helm releases, in Consul's store and of the stack's objects in the cluster back to what was
// deployed, and nothing else: repair.ts STACK
// Ends with 1 when something could not be mended.
import { spawnSync } from "node:child_process";
import { lookAtCluster, lookAtEntries, releasesCommand } from "./cluster";
import { lookAt, machinesOf, onMachine, runStep } from "./machines";
import { driftedObjects } from "./objects";
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
function pulumiUp(...options: string[]): boolean {
  const { status } = spawnSync(
    "pulumi",
    ["up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", String(stack), ...options],
    { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...takeBack } },
  );
  process.exitCode = status === 0 ? process.exitCode : 1;
  return status === 0;
}

/**
 * Machines that differ mend themselves.
 * @returns what tells Pulumi to run steps again that ran with something else than the state says
 */
async function repairMachines({ steps }: KnownState): Promise<string[]> {
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
    // Packages may be installed and all that is on a master started again.
    say(name, await runStep(reach, "mend-drift", 900));
  }
  const again = steps.filter(({ name }) =>
    differences.some(({ step, what }) => step === name && what.startsWith("the step ")),
  );
  return again.flatMap(({ urn }) => ["--target-replace", urn]);
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

/** Objects of the cluster that are not what the state says: those of which a look and what follows from it differ. */
function lookAtObjects(stack: string): string[] {
  const { code, stdout, stderr } = previewed(stack, ["--refresh"], takeBack);
  if (code !== 0) {
    console.error(
      `error: the stack's objects in the cluster cannot be looked at: ${stderr.trim().split("\n").at(-1) ?? ""}`,
    );
    process.exitCode = 1;
    return [];
  }
  return driftedObjects(stdout);
}

/**
 * Runs Pulumi for single resources. It then takes from the state who waits for whom, and loses its way where the last run disturbed
 * machines, since that is another order: a run that changes nothing writes the present one.
 * @param options none, and nothing runs
 */
function repairResources(stack: string, options: string[]): void {
  if (options.length === 0) {
    return;
  }
  if (previewed(stack, ["--expect-no-changes"], takeBack).code !== 0) {
    console.error(
      `error: the configuration was changed and not deployed, or something of the last run is left to do: objects of the cluster and steps are brought back when make up STACK=${stack} has run`,
    );
    process.exitCode = 1;
    return;
  }
  if (pulumiUp("--expect-no-changes") && pulumiUp("--refresh", ...options)) {
    mended++;
  }
}

async function main(stack: string): Promise<void> {
  const state = readState(stack);
  const steps = await repairMachines(state);
  await repairReleases(state);
  await repairEntries(state);
  repairResources(stack, [...steps, ...lookAtObjects(stack).flatMap((urn) => ["--target", urn])]);
  if (mended === 0 && process.exitCode === undefined) {
    console.log("nothing to mend");
  }
}

main(stack).catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
