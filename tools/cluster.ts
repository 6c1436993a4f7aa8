import { latestStepPath, stepCommand } from "../render/step";
import { onMachine, type Difference } from "./machines";
import type { KnownState, KnownStep } from "./state";

/** Seconds for a look at the objects of all Helm releases, or to mend them. */
const patience = 300;

/** The step by which any master that serves is asked. */
const anyMaster = ({ steps }: KnownState): KnownStep | undefined =>
  steps.find(({ line }) => line.script === "read-kubeconfig");

/** Helm releases, and how to ask for them; nothing when the stack has none. */
export function releasesCommand(state: KnownState, script: "look-at-cluster" | "mend-cluster", releases: string[]) {
  const master = anyMaster(state);
  return master === undefined || releases.length === 0
    ? undefined
    : { reach: master.reach, command: stepCommand(latestStepPath(script), { RELEASES: releases.join(" ") }, patience) };
}

/** A step on a master that ends what it says with `end`; what it says otherwise is why nothing could be seen. */
async function look(where: string, step: string, run: Promise<{ stdout: string; stderr: string }>) {
  const { stdout, stderr } = await run;
  const lines = stdout.trim().split("\n");
  if (lines.pop() === "end") {
    return lines.map((line) => line.split("\t"));
  }
  return {
    ...{ machine: where, step, what: where, set: "can be looked at" },
    found: stderr.trim().split("\n").at(-1) ?? "",
  };
}

/** Objects of Helm releases that are not as they were deployed. */
export async function lookAtCluster(state: KnownState): Promise<Difference[]> {
  const asked = releasesCommand(state, "look-at-cluster", state.releases);
  if (asked === undefined) {
    return [];
  }
  const said = await look("Helm releases", "", onMachine(asked.reach, asked.command));
  return Array.isArray(said)
    ? said.map(([, object = "", release = ""]) => ({
        ...{ machine: "cluster", step: `Helm release ${release}`, what: object },
        ...{ set: "as in its release", found: "is another one, or missing" },
      }))
    : [said];
}

/** Entries of Consul's store that are not as they are declared. */
export async function lookAtEntries({ steps }: KnownState): Promise<Difference[]> {
  const step = steps.find(({ line }) => line.script === "declare-consul-entries");
  if (step === undefined) {
    return [];
  }
  const said = await look("Consul's store", step.name, onMachine(step.reach, `${step.create} LOOK=yes`, step.stdin));
  return Array.isArray(said)
    ? said.map(([, key = ""]) => ({
        ...{ machine: "Consul", step: step.name, what: key },
        ...{ set: "as it is declared", found: "another value, or none" },
      }))
    : [said];
}
