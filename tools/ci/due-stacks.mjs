// Which stacks of the environment variable STACKS load something that differs from what they were last deployed from, so that what
// failed or never ran is made up for by the next deployment: due-stacks.mjs [STACK, which is due whatever differs]
// Prints them as a JSON list; why, it says beside.
import { argv, env } from "node:process";
import { github } from "./github.mjs";
import { lastDeployed } from "./history.mjs";
import { changedFiles, changedInputs, fail, isAncestor, stackNames } from "./stacks.mjs";

const [only] = argv.slice(2);
const stacks = stackNames(env.STACKS);
if (only && !stacks.includes(only)) fail(`there is no stack ${only}, expected one of ${stacks.join(", ")}`);

/** Why a stack is due; nothing when it is not. */
async function reason(stack) {
  if (stack === only) return "asked for";
  const last = await lastDeployed(github(), stack);
  if (!last) return "never deployed";
  // What differs from another history, nobody can say.
  if (!isAncestor(last)) return `deployed from ${last}, which this commit does not come from`;
  const [first, ...others] = changedInputs(stack, changedFiles(last));
  return first && `since ${last} changed ${first}${others.length > 0 ? ` and ${others.length} more` : ""}`;
}

const due = [];
for (const stack of only ? [only] : stacks) {
  const why = await reason(stack).catch((error) => fail(error.message));
  console.error(`${stack}: ${why ?? "nothing that it loads has changed since it was deployed"}`);
  if (why) due.push(stack);
}
console.log(JSON.stringify(due));
