// What differs from what was deployed to a stack: drift.ts STACK
// Prints it, and writes it to artifacts/drift-STACK.md, and to artifacts/drift-STACK.json for programs:
// { stack, verdict: "nothing" | "differs" | "failed" }. Ends with 2 when something differs, with 1 when that could not be found out.
import { markdown } from "../review/markdown";
import type { Outcome } from "../review/problems";
import { review, type Review } from "../review/review";
import { previewed, results } from "./outcome";

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

const leave = results("drift", stack);

/** Objects of a cluster whose API does not answer cannot be looked at. That it does not answer is a finding; the rest goes on. */
const unreachable = /failed to read resource state due to unreachable cluster/;
let outcome = previewed(stack, ["--refresh"]);
const down = outcome.code !== 0 && unreachable.test(outcome.stdout + outcome.stderr);
if (down) {
  outcome = previewed(stack, ["--refresh", "--exclude", "**kubernetes:**"]);
}

const found: Review = review(stack, withoutLooking(outcome));
const verdict = found.verdict === "failed" ? "failed" : down || found.verdict !== "nothing" ? "differs" : "nothing";
const lines = [
  ...(down ? ["**The cluster's API does not answer**, so what is in the cluster was not looked at."] : []),
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
