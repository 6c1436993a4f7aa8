// What differs from what was deployed to a stack: drift.ts STACK
// Prints it, and writes it to artifacts/drift-STACK.md, and to artifacts/drift-STACK.json for programs:
// { stack, verdict: "nothing" | "differs" | "failed" }. Ends with 2 when something differs, with 1 when that could not be found out.
import { markdown } from "../review/markdown";
import type { Outcome } from "../review/problems";
import { review, type Review } from "../review/review";
import { code, plain } from "../review/text";
import { lookAtCluster, lookAtEntries } from "./cluster";
import { lookAt, machinesOf, type Difference } from "./machines";
import { previewed, results, takeBack } from "./outcome";
import { readState, type KnownState } from "./state";

const [stack] = process.argv.slice(2);
if (stack === undefined || !/^[\w./-]+$/.test(stack)) {
  console.error("error: which stack? drift.ts STACK");
  process.exit(2);
}

/** Without the steps by which the engine looks; what it found is in the others. */
function withoutLooking(outcome: Outcome): Outcome {
  try {
    const preview = JSON.parse(outcome.stdout) as { steps?: { op: string }[] };
    const steps = (preview.steps ?? []).filter(({ op }) => op !== "refresh");
    return { ...outcome, stdout: JSON.stringify({ ...preview, steps }) };
  } catch {
    return outcome;
  }
}

/** What Pulumi cannot look at: inside of machines, of Helm releases, and of Consul's store. */
async function lookInside(state: KnownState, isDown: boolean): Promise<Difference[]> {
  const looks = [lookAt(machinesOf(state.steps)), ...(isDown ? [] : [lookAtCluster(state), lookAtEntries(state)])];
  return (await Promise.all(looks)).flat();
}

function table(differences: Difference[]): string[] {
  return [
    "| where | what | as it was set | as it is | by |",
    "| --- | --- | --- | --- | --- |",
    ...differences.map(({ machine, what, set, found, step }) =>
      ["", `**${machine}**`, code(what), plain(set), plain(found), step, ""].join(" | ").trim(),
    ),
  ];
}

async function main(stack: string): Promise<void> {
  const leave = results("drift", stack);

  /** Objects of a cluster whose API does not answer cannot be looked at. That it does not answer is a finding; the rest goes on. */
  const unreachable = /failed to read resource state due to unreachable cluster/;
  let outcome = previewed(stack, ["--refresh"], takeBack);
  const down = outcome.code !== 0 && unreachable.test(outcome.stdout + outcome.stderr);
  if (down) {
    outcome = previewed(stack, ["--refresh", "--exclude", "**kubernetes:**"], takeBack);
  }

  const found: Review = review(stack, withoutLooking(outcome));
  const inside = found.verdict === "failed" ? [] : await lookInside(readState(stack), down);
  const differs = down || inside.length > 0 || found.verdict !== "nothing";
  const verdict = found.verdict === "failed" ? "failed" : differs ? "differs" : "nothing";
  const lines = [
    ...(down ? ["**The cluster's API does not answer**, so what is in the cluster was not looked at."] : []),
    ...(inside.length > 0
      ? [
          "What machines, Helm releases and Consul's store hold is not what was set there; `make repair` mends this table, and nothing else.",
          table(inside).join("\n"),
        ]
      : []),
    {
      nothing: "Nothing differs from what was deployed.",
      differs:
        "What follows is what the next deployment would do, and why: something was changed or lost outside of Pulumi, or the " +
        "configuration was changed and not deployed.",
      failed: "Whether something differs could not be found out.",
    }[verdict],
  ];
  leave(`${lines.join("\n\n")}\n\n${markdown(found)}`, { stack, verdict });
  process.exitCode = { nothing: 0, differs: 2, failed: 1 }[verdict];
}

main(stack).catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
