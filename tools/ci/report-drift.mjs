// Keeps one open issue for each stack of the environment variable STACKS that differs from what was deployed, from what `make drift`
// left in artifacts/: opens it, updates it, says when nothing differs any more, and closes it.
// Ends with 1 when it could not be found out for a stack; what an open issue says then stays.
import process, { env } from "node:process";
import { github } from "./github.mjs";
import { result } from "./results.mjs";
import { fail, stackNames } from "./stacks.mjs";

const api = github();
const run = `${env.GITHUB_SERVER_URL}/${env.GITHUB_REPOSITORY}/actions/runs/${env.GITHUB_RUN_ID}`;
const marker = (stack) => `<!-- esxi-k8s: drift of stack ${stack} -->`;

/** The open issue of each stack that this workflow made; others may quote one. */
async function openIssues() {
  const login = await api.login();
  const found = new Map();
  for await (const { number, body, user, pull_request: pull } of api.list("issues?state=open")) {
    const stack = stacks.find((name) => body?.startsWith(marker(name)));
    if (stack && !pull && user?.login === login && !found.has(stack)) found.set(stack, number);
  }
  return found;
}

/** Brings the issue of a stack to what was found; returns what it did. */
async function report(stack, { verdict, text }, number) {
  if (verdict === "nothing") {
    if (!number) return "nothing differs";
    await api.post(`issues/${number}/comments`, { body: `Nothing differs any more, says [this run](${run}).` });
    await api.patch(`issues/${number}`, { state: "closed", state_reason: "completed" });
    return `nothing differs any more; issue ${number} closed`;
  }
  const issue = {
    title: verdict === "differs" ? `Stack ${stack} has drifted` : `Drift of stack ${stack} cannot be found out`,
    body: `${marker(stack)}\n${text}\n\n<sub>Found by [this run](${run}); the next one that finds nothing closes the issue.</sub>`,
  };
  if (number) {
    await api.patch(`issues/${number}`, issue);
    return `issue ${number} updated`;
  }
  const { number: opened } = await api.post("issues", issue);
  return `issue ${opened} opened`;
}

const stacks = stackNames(env.STACKS);
const open = await openIssues().catch((error) => fail(`the open issues could not be read: ${error.message}`));
for (const stack of stacks) {
  const found = result("drift", stack);
  if (!["nothing", "differs", "failed"].includes(found?.verdict)) {
    console.error(`error: ${stack}: its run left no result; see there why`);
    process.exitCode = 1;
    continue;
  }
  try {
    console.log(`${stack}: ${await report(stack, found, open.get(stack))}`);
  } catch (error) {
    console.error(`error: ${stack}: what was found could not be reported: ${error.message}`);
    process.exitCode = 1;
  }
  if (found.verdict === "failed") process.exitCode = 1;
}
