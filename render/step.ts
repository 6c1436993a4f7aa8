import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A piece of work on a node: one file of scripts/ and its parameters. */
export interface Step {
  /** Name for log lines and for the log file on the node, for example `join`. */
  name: string;
  /** Node that the step runs on, for messages. */
  node: string;
  /** File in scripts/, without `.sh`. */
  script: string;
  /** File in scripts/, without `.sh`, whose functions the script uses. */
  library?: string;
  /** Parameters, visible as environment variables; never secrets, those travel through standard input. */
  parameters: Record<string, string | number>;
  /** False for a step that only reads, or changes the cluster alone: it needs no log on the node and waits for no other. */
  changesNode: boolean;
  /** Seconds after which the step is ended as failed. */
  timeoutSeconds: number;
}

/** Content of a file in scripts/. */
export function scriptText(name: string): string {
  return readFileSync(join(__dirname, "..", "scripts", `${name}.sh`), "utf8");
}

/** The command line that runs a step as root: parameters, prelude and script in one text, standard input left free. */
export function stepCommand({ name, node, script, library, parameters, changesNode, timeoutSeconds }: Step): string {
  const all = { STEP: name, NODE: node, TIMEOUT: timeoutSeconds, CHANGES_NODE: String(changesNode), ...parameters };
  const exports = Object.entries(all).map(([key, value]) => `export ${key}=${shellQuote(String(value))}`);
  const scripts = ["prelude", ...(library === undefined ? [] : [library]), script].map(scriptText);
  const text = [...exports, ...scripts].join("\n");
  return `exec sudo -n timeout --kill-after=10s ${String(timeoutSeconds)}s bash -c ${shellQuote(text)}`;
}

/** Quotes a text so that a POSIX shell reads it as one word. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
