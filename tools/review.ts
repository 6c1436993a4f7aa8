// Reviews what `pulumi up` would do to a stack: review.ts STACK [OPTION OF pulumi preview...]
// Prints the review, and writes it to artifacts/review-STACK.md, and what it says to programs to artifacts/review-STACK.json.
// Ends with 1 when there is no result to review; the review then says why.
import { markdown } from "../review/markdown";
import { review, summary } from "../review/review";
import { previewed, results } from "./outcome";

const [stack, ...options] = process.argv.slice(2);
if (stack === undefined || !/^[\w./-]+$/.test(stack)) {
  console.error("error: which stack? review.ts STACK [OPTION OF pulumi preview...]");
  process.exit(2);
}

const leave = results("review", stack);
const reviewed = review(stack, previewed(stack, options));
leave(markdown(reviewed), summary(reviewed));
process.exitCode = reviewed.verdict === "failed" ? 1 : 0;
