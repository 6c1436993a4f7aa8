// What a stack was last deployed from, and what the reviews of the pull requests since then showed.
import { unzipSync } from "fflate";
import { isReview, parsed } from "./results.mjs";
import { git } from "./stacks.mjs";

/** Newest first; a stack that fails more often in a row is looked at by a person. */
const mostDeployments = 50;

/**
 * The commit that a stack was last deployed from. GitHub keeps that for the environment of a job, which is the stack's name.
 * @returns {Promise<string | undefined>} nothing when it never was
 */
export async function lastDeployed(api, stack) {
  let seen = 0;
  for await (const { id, sha } of api.list(`deployments?environment=${encodeURIComponent(stack)}`)) {
    for await (const { state } of api.list(`deployments/${id}/statuses`)) {
      if (state === "success") return sha;
    }
    if (++seen === mostDeployments) break;
  }
  return undefined;
}

/**
 * What is at risk according to the reviews of the pull requests that were merged between two commits.
 * The reviews come from the artifacts of their runs: a run writes them, and nobody changes them afterwards. A comment can be edited.
 * @param {string | undefined} since nothing: the last commit alone
 * @returns {Promise<Set<string>>}
 */
export async function shownRisks(api, stack, since, workflow = "preview.yml") {
  const range = since ? ["rev-list", `${since}..HEAD`] : ["rev-list", "--max-count=1", "HEAD"];
  const commits = git(...range)
    .split("\n")
    .filter(Boolean);
  const heads = new Set();
  // A commit that belongs to no pull request adds nothing: all that it puts at risk was never shown.
  for (const commit of commits) {
    for await (const pull of api.list(`commits/${commit}/pulls`)) {
      if (pull.merged_at && commits.includes(pull.merge_commit_sha)) heads.add(pull.head.sha);
    }
  }
  const risks = new Set();
  for (const head of heads) {
    for (const risk of await reviewedRisks(api, stack, head, workflow)) risks.add(risk);
  }
  return risks;
}

/** Of the newest run for a commit that left a review of the stack. */
async function reviewedRisks(api, stack, head, workflow) {
  const runs = `actions/workflows/${workflow}/runs?event=pull_request&head_sha=${head}`;
  for await (const run of api.list(runs, "workflow_runs")) {
    // A fork's run has no preview of ours, whatever it uploads.
    if (run.head_repository?.full_name !== api.repository) continue;
    const name = `review-${stack}`;
    for await (const artifact of api.list(`actions/runs/${run.id}/artifacts?name=${name}`, "artifacts")) {
      if (artifact.name !== name || artifact.expired) continue;
      const files = unzipSync(await api.download(`actions/artifacts/${artifact.id}/zip`));
      const file = files[`${name}.json`];
      const review = file && parsed(new TextDecoder().decode(file));
      if (isReview(review) && review.stack === stack) return review.atRisk;
    }
  }
  return [];
}
