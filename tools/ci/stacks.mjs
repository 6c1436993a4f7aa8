// Which stacks there are, and which of them are changed.
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { execPath, exit } from "node:process";

/** Ends the program with what is wrong. */
export function fail(message) {
  console.error(`error: ${message}`);
  exit(1);
}

/**
 * Stacks by name, from a JSON list as the workflows have it.
 * @param {string | undefined} text for example `["lab", "prod"]`; nothing is no stack
 * @returns {string[]}
 */
export function stackNames(text) {
  let names;
  try {
    names = JSON.parse(text || "[]");
  } catch {
    // The same message as for what is JSON and no list.
  }
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string" && /^[\w.-]+$/.test(name))) {
    fail(`the stacks are ${text}, expected a JSON list of names such as ["lab", "prod"]: correct the variable STACKS`);
  }
  return names;
}

export const git = (...args) =>
  execFileSync("git", args, { encoding: "utf8", maxBuffer: 64 << 20, stdio: ["ignore", "pipe", "inherit"] }).trim();

/** Whether a commit is in this clone's history, and HEAD comes from it. */
export const isAncestor = (commit) => spawnSync("git", ["merge-base", "--is-ancestor", commit, "HEAD"]).status === 0;

/** Paths that differ between a commit and the working tree, those that git does not know yet included. */
export function changedFiles(base) {
  if (spawnSync("git", ["cat-file", "-e", `${base}^{commit}`]).status !== 0) {
    fail(`this clone has no commit ${base}: fetch the history that it is in`);
  }
  const lists = [
    git("diff", "--name-only", "--no-renames", "-z", base),
    git("ls-files", "--others", "--exclude-standard", "-z"),
  ];
  return lists.flatMap((list) => list.split("\0")).filter(Boolean);
}

/** Which of the paths a stack's program loads. */
export function changedInputs(stack, paths) {
  const tool = join(import.meta.dirname, "stack-inputs.mjs");
  const { status, stdout } = spawnSync(execPath, [tool, stack], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) {
    // It has said why.
    exit(1);
  }
  const inputs = stdout.trim().split("\n");
  const files = new Set(inputs);
  const folders = inputs.filter((input) => input.endsWith("/"));
  return paths.filter((path) => files.has(path) || folders.some((folder) => path.startsWith(folder)));
}
