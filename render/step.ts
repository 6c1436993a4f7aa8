import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Folder on every machine that holds its steps. */
const folder = "/usr/local/lib/esxi-k8s";

/** A file as a machine gets it, once: its name ends with a hash of its text, so that another text is another file. */
export interface StepFile {
  /** For example `join-node-0f3a5b7c9d1e`. */
  name: string;
  text: string;
  /** What it sources, and what that sources before it. */
  libraries: StepFile[];
}

/** Content of a file in scripts/. */
export function scriptText(name: string): string {
  return readFileSync(join(__dirname, "..", "scripts", `${name}.sh`), "utf8");
}

/** What names a text: the first twelve hexadecimal digits of its SHA-256. */
export function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

const files = new Map<string, StepFile>();

/**
 * What a file of scripts/ becomes on a machine: libraries are sourced by their names there, and there are neither comments nor empty
 * lines, so that a change of these is none.
 * @param script file in scripts/, without `.sh`
 */
export function stepFile(script: string): StepFile {
  const known = files.get(script);
  if (known) {
    return known;
  }
  const libraries: StepFile[] = [];
  const bare = scriptText(script).replaceAll(/^\s*(#.*)?\n/gm, "");
  const sourced = bare.replaceAll(/^source (.*)\.sh$/gm, (_, library: string) => {
    const file = stepFile(library);
    libraries.push(...file.libraries, file);
    return `source ${folder}/${file.name}`;
  });
  const text = `#!/usr/bin/env bash\n${sourced}`;
  const file = { name: `${script}-${shortHash(text)}`, text, libraries };
  files.set(script, file);
  return file;
}

/** Where a step is on its machine. */
export function stepPath(script: string): string {
  return `${folder}/${stepFile(script).name}`;
}

/** Where the newest of a step is that its machine has taken in. */
export function latestStepPath(script: string): string {
  return `${folder}/${script}`;
}

/**
 * The command line that runs a step as root: its parameters are all that is to be seen.
 * @param path of the step on its machine
 * @param parameters of one line each, never secrets
 * @param timeoutSeconds after which the step is ended as failed
 */
export function stepCommand(path: string, parameters: Record<string, string | number>, timeoutSeconds: number): string {
  const words = Object.entries(parameters).map(([name, value]) => `${name}=${shellWord(String(value))}`);
  return [asRoot(timeoutSeconds), path, ...words].join(" ");
}

/**
 * What a step reads on standard input: texts by their names, then, behind an empty line, what it reads itself.
 * @param texts become variables of the step
 */
export function stepInput(texts: Record<string, string>, rest: string): string {
  const encoded = Object.entries(texts).map(([name, text]) => `${name} ${Buffer.from(text).toString("base64")}\n`);
  return [...encoded, "\n", rest].join("");
}

/** The command that waits for a machine's first boot, and what it reads on standard input. */
export function firstBoot(timeoutSeconds: number): { command: string; stdin: string } {
  return { command: `${asRoot(timeoutSeconds)} bash -s`, stdin: stepFile("await-boot").text };
}

/** Where a machine gets its steps, as one file, in the home of its administrator. */
export const deliveryPath = ".esxi-k8s-steps";

/** The command by which a booted machine takes in steps, all of which are in its file at `deliveryPath`. */
export function takeIn(scripts: readonly string[], timeoutSeconds: number): string {
  const names = scripts.map((script) => stepFile(script).name).join(" ");
  return `${asRoot(timeoutSeconds)} bash -c 'source ./${deliveryPath}; complete "$@"' -- ${names}`;
}

/** What a machine takes in steps from. */
export function deliveryText(scripts: readonly string[]): string {
  const steps = scripts.map(stepFile);
  const end = "END_OF_STEP";
  return [
    stepFile("receive-steps").text,
    ...[...new Set(steps.flatMap((step) => [...step.libraries, step]))].map(
      ({ name, text }) => `receive ${folder}/${name} <<'${end}'\n${text}${end}\n`,
    ),
    // Before a step changes any of it.
    ...steps.filter(({ name }) => name.startsWith("keep-access-")).map(({ name }) => `${folder}/${name} </dev/null\n`),
  ].join("");
}

function asRoot(timeoutSeconds: number): string {
  return `exec sudo -n timeout --kill-after=10s ${String(timeoutSeconds)}s`;
}

/** A text as a POSIX shell reads it as one word, in quotes where it needs them. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
