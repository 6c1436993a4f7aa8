// Which stacks of the environment variable STACKS load something that differs from a commit: changed-stacks.mjs COMMIT
// Prints them as a JSON list; why, it says beside.
import { argv, env } from "node:process";
import { changedFiles, changedInputs, fail, stackNames } from "./stacks.mjs";

const [base] = argv.slice(2);
if (!base) fail("with what to compare? make changed BASE=origin/main");
const stacks = stackNames(env.STACKS);
const paths = changedFiles(base);
const changed = stacks.filter((stack) => {
  const [first, ...others] = changedInputs(stack, paths);
  console.error(
    first
      ? `${stack}: ${first}${others.length > 0 ? ` and ${others.length} more` : ""}`
      : `${stack}: nothing that it loads is changed`,
  );
  return first;
});
for (const [, stack] of paths.join("\n").matchAll(/^Pulumi\.([\w.-]+)\.yaml$/gm)) {
  if (!stacks.includes(stack)) console.error(`${stack}: changed, but none of the stacks in STACKS`);
}
console.log(JSON.stringify(changed));
