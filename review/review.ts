import { parsePreview, type Preview } from "./preview";
import { problemsOf, type Outcome, type Problem } from "./problems";
import { risksOf, type Risk } from "./risks";
import { compare, rowsOf, verbs, type Row, type Verb } from "./rows";
import { isMachine, resourcesOf } from "./stack";

export type Verdict = "nothing" | "changes" | "data-at-risk" | "failed";

/** What a preview means, to be read by people. */
export interface Review {
  stack: string;
  verdict: Verdict;
  rows: Row[];
  risks: Risk[];
  /** The machines to which something happens, with the gravest of it. */
  machines: { name: string; verb: Verb }[];
  /** How many objects go because the cluster does. */
  withCluster: number;
  unchanged: number;
  /** What Pulumi and the program warn of. */
  warnings: string[];
  /** Why there is no result. */
  problems: Problem[];
}

/** What a review says to programs. */
export interface Summary {
  stack: string;
  verdict: Verdict;
  /** One stable text for each thing at risk, sorted. */
  atRisk: string[];
  machines: number;
}

/** Reviews what a run of `pulumi preview --json --show-sames` ended with. */
export function review(stack: string, outcome: Outcome): Review {
  let preview: Preview | undefined;
  try {
    preview = parsePreview(outcome.stdout);
  } catch {
    preview = undefined;
  }
  const problems = problemsOf(outcome, preview, stack);
  const warnings = preview ? warningsOf(preview) : [];
  const nothing = { stack, rows: [], risks: [], machines: [], withCluster: 0, unchanged: 0, warnings, problems };
  if (preview === undefined || problems.length > 0) {
    return { ...nothing, verdict: "failed" };
  }

  const resources = [...resourcesOf(preview).values()];
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const goes = (urn?: string) => ["delete", "replace"].includes(byUrn.get(urn ?? "")?.action ?? "none");
  const withCluster = resources.filter(({ action, deletedWith }) => action === "delete" && goes(deletedWith));
  const own = resources.filter((resource) => !withCluster.includes(resource));
  const rows = rowsOf(own, preview.config);
  const restarted = new Set(
    rows.filter(({ verb }) => verb === "restarted").flatMap(({ items }) => items.map((item) => item.resource)),
  );
  const risks = risksOf(own, restarted, preview.config);
  const isAtRisk = risks.some(({ atRisk }) => atRisk !== undefined);
  return {
    ...nothing,
    verdict: isAtRisk ? "data-at-risk" : rows.length + withCluster.length > 0 ? "changes" : "nothing",
    rows,
    risks,
    machines: machinesOf(rows),
    withCluster: withCluster.length,
    unchanged: resources.filter(({ action, protection }) => action === "none" && protection === undefined).length,
  };
}

/** What is worth a reviewer's attention, each once. */
function warningsOf({ diagnostics }: Preview): string[] {
  const said = diagnostics
    .filter(({ severity }) => severity === "warning")
    .map(({ message }) => message.trim().replace(/^warning: /, ""))
    // Which outputs a stack has is no news for whoever reviews what makes them.
    .filter((message) => !/^Undefined value \(\w+\) will not show as a stack output/.test(message));
  return [...new Set(said)];
}

function machinesOf(rows: readonly Row[]): Review["machines"] {
  const worst = new Map<string, Verb>();
  for (const { owner, verb, items } of rows) {
    if (owner.machine === undefined) {
      continue;
    }
    const known = worst.get(owner.machine);
    const is = items.some(({ resource }) => isMachine(resource)) || verb !== "created" ? verb : "run";
    if (known === undefined || verbs.indexOf(is) < verbs.indexOf(known)) {
      worst.set(owner.machine, is);
    }
  }
  return [...worst]
    .map(([name, verb]) => ({ name, verb }))
    .sort((a, b) => verbs.indexOf(a.verb) - verbs.indexOf(b.verb) || compare(a.name, b.name));
}

export function summary({ stack, verdict, risks, machines }: Review): Summary {
  const atRisk = [...new Set(risks.flatMap((risk) => risk.atRisk ?? []))].sort(compare);
  return { stack, verdict, atRisk, machines: machines.length };
}
