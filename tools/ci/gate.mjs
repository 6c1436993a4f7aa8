// Stops a deployment that puts data at risk which no pull request's review showed: gate.mjs STACK
// Reads the review in artifacts/, which was made just now. DATA_AT_RISK=accepted lets everything pass, and says so.
import process, { argv, env } from "node:process";
import { appendFileSync } from "node:fs";
import { github } from "./github.mjs";
import { lastDeployed, shownRisks } from "./history.mjs";
import { isReview, result } from "./results.mjs";
import { fail, isAncestor } from "./stacks.mjs";

const stack = argv[2];
const review = result("review", stack);
if (!isReview(review) || review.verdict === "failed") {
  fail(`there is no review of stack ${stack} that shows what would happen: 'make review STACK=${stack}' says why`);
}

function say(text) {
  console.log(text);
  if (env.GITHUB_STEP_SUMMARY) appendFileSync(env.GITHUB_STEP_SUMMARY, `${text}\n`);
}

let shown = new Set();
// On a desk there is no pull request.
if (env.GITHUB_ACTIONS === "true") {
  try {
    const api = github();
    const last = await lastDeployed(api, stack);
    if (last && !isAncestor(last)) {
      fail(`stack ${stack} was deployed from ${last}, which this commit does not come from: deploy a newer one`);
    }
    shown = await shownRisks(api, stack, last);
  } catch (error) {
    // Whoever accepts everything does not need to know what was shown.
    if (env.DATA_AT_RISK !== "accepted") {
      fail(`what the pull requests' reviews showed could not be read, so nothing is deployed: ${error.message}`);
    }
    say(`What the pull requests' reviews showed could not be read: ${error.message}`);
  }
}

const unseen = review.atRisk.filter((risk) => !shown.has(risk));
if (unseen.length === 0) {
  say(review.atRisk.length === 0 ? "No data is at risk." : "All data at risk was shown in a pull request's review.");
} else if (env.DATA_AT_RISK === "accepted") {
  say(`Accepted by hand, without a pull request's review: ${unseen.join(", ")}.`);
} else {
  say(
    `**Not deployed.** No pull request's review showed: ${unseen.join(", ")}. Propose the change in a pull request, whose review ` +
      `shows it, or accept it outright: run the workflow deploy for stack ${stack} by hand with "data at risk" ticked, or ` +
      `'make deploy STACK=${stack} DATA_AT_RISK=accepted' on a desk.`,
  );
  process.exitCode = 1;
}
