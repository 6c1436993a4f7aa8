/** A step on a machine, as its command line names it (render/step.ts). */
export interface StepLine {
  /** File in scripts/, without `.sh`. */
  script: string;
  /** Of its text, or of the texts of all that a machine takes in. */
  version: string;
  parameters: Record<string, string>;
}

/** What a machine does once it has booted: from then on it has its steps. */
export const taking = "take in the steps";

/** Whether a command only waits for a machine's first boot. */
export const isWaitForBoot = (create: unknown) => typeof create === "string" && create.endsWith(" bash -s");

/** By which a node leaves before its machine goes. */
export const leaving = "leave-node";

const word = /(?:'[^']*'|\\.|[^\s'\\])+/g;
const unquoted = (text: string) =>
  text.replaceAll(/'([^']*)'|\\(.)/g, (_, quoted?: string, escaped?: string) => quoted ?? escaped ?? "");

/** Reads a command line. Returns nothing for what is no step of this project's. */
export function stepLine(create: unknown): StepLine | undefined {
  if (typeof create !== "string") {
    return undefined;
  }
  const words: string[] = create.match(word) ?? [];
  const taken = words.indexOf("--");
  if (words.includes("bash") && taken >= 0) {
    return { script: taking, version: words.slice(taken + 1).join(" "), parameters: {} };
  }
  // A step for later is called by its name alone.
  const step = /\/esxi-k8s\/([^/]+?)(?:-([0-9a-f]{12}))?$/;
  const at = words.findIndex((each) => step.test(each));
  const found = step.exec(words[at] ?? "");
  if (!found) {
    return undefined;
  }
  const [, script = "", version = ""] = found;
  const pairs = words.slice(at + 1).map((each) => {
    const [name = "", ...rest] = each.split("=");
    return [name, unquoted(rest.join("="))] as const;
  });
  return { script, version, parameters: Object.fromEntries(pairs) };
}
