// Posts the reviews in artifacts/ to a pull request, one comment a stack, each edited in place by later runs.
// Ends with 1 when a stack that the pull request changes has no review that shows what would happen. Reads the environment:
//   PULL_REQUEST  its number
//   COMMIT        the commit that was reviewed
//   STACKS        all stacks, as a JSON list
//   CHANGED       those of which something is changed, likewise; nothing when that could not be found out
//   GITHUB_*      as a workflow has them
import process, { env } from "node:process";
import { github } from "./github.mjs";
import { isReview, result } from "./results.mjs";
import { fail, stackNames } from "./stacks.mjs";

/** GitHub's limit, in characters. */
const longest = 65_536;

const { PULL_REQUEST: number, COMMIT: commit = "" } = env;
if (!/^\d+$/.test(number ?? ""))
  fail("PULL_REQUEST is not the number of a pull request: set it to the one to comment on");
const stacks = stackNames(env.STACKS);
const changed = env.CHANGED ? stackNames(env.CHANGED) : stacks;
const api = github();
const run = `${env.GITHUB_SERVER_URL}/${env.GITHUB_REPOSITORY}/actions/runs/${env.GITHUB_RUN_ID}`;

const missing = (stack) =>
  `**No review of stack ${stack}**\n\nThe run that should have made one ended before. So nothing is known of what this ` +
  "pull request does to the stack, whatever an earlier comment said. The run says why; when that is mended, run it again.";
const untouched = (stack) =>
  `**Stack ${stack} is not concerned**\n\nAn earlier commit of this pull request changed something that the stack loads; ` +
  "now nothing of it is changed any more.";

/** What to say of a stack, whether a stack without a comment gets one for it, and whether it is a review that can be relied on. */
function verdictOn(stack) {
  if (!changed.includes(stack)) return { text: untouched(stack), onlyInPlace: true, sound: true };
  const review = result("review", stack);
  return isReview(review)
    ? { text: review.text, sound: review.verdict !== "failed" }
    : { text: missing(stack), sound: false };
}

const marker = (stack) => `<!-- esxi-k8s: review of stack ${stack} -->`;

/** Own comments of each stack, oldest first. Others may quote the marker; what they wrote is theirs. */
async function ownComments() {
  const found = new Map(stacks.map((stack) => [stack, []]));
  const login = await api.login();
  for await (const { id, body, user } of api.list(`issues/${number}/comments`)) {
    const stack = stacks.find((name) => body?.startsWith(marker(name)));
    if (stack && user?.login === login) found.get(stack).push(id);
  }
  return found;
}

async function post(stack, text, [first, ...others], onlyInPlace = false) {
  const body = `${marker(stack)}\n${text}\n\n<sub>For commit ${commit.slice(0, 12)}, by [this run](${run})</sub>`;
  if (body.length > longest) {
    throw new Error(`the review of stack ${stack} has ${body.length} characters, expected ${longest} at most`);
  }
  // Two runs at the same moment may both have found none.
  for (const id of others) await api.delete(`issues/comments/${id}`).catch(gone);
  if (first !== undefined) {
    const edited = await api.patch(`issues/comments/${first}`, { body }).catch(gone);
    if (edited) return "edited";
  }
  if (onlyInPlace) return undefined;
  await api.post(`issues/${number}/comments`, { body });
  return "written";
}

/** A comment may be deleted at any moment. */
function gone(error) {
  if (error.status !== 404) throw error;
}

let unsound = 0;
const own = await ownComments().catch((error) => fail(`the comments could not be read: ${error.message}`));
for (const stack of stacks) {
  const { text, onlyInPlace, sound } = verdictOn(stack);
  if (!sound) unsound++;
  try {
    const done = await post(stack, text, own.get(stack), onlyInPlace);
    console.log(
      `${stack}: ${done ? `comment ${done}` : "no comment"}${sound ? "" : ", which says why there is no result"}`,
    );
  } catch (error) {
    unsound++;
    console.error(`error: the review of stack ${stack} could not be posted: ${error.message}`);
  }
}
process.exitCode = unsound > 0 ? 1 : 0;
