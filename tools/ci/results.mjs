// What `make review` and `make drift` leave in artifacts/ of the folder that they run in.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The result for a stack, of which nothing is believed that is not whole.
 * @param {"review" | "drift"} kind
 * @returns {{verdict: string, text: string, atRisk?: string[]} | undefined} nothing when there is none
 */
export function result(kind, stack) {
  const file = join("artifacts", `${kind}-${stack}`);
  if (!existsSync(`${file}.json`) || !existsSync(`${file}.md`)) return undefined;
  const text = readFileSync(`${file}.md`, "utf8").trim();
  const summary = parsed(readFileSync(`${file}.json`, "utf8"));
  return summary?.stack === stack && text !== "" ? { ...summary, text } : undefined;
}

/** A review's summary is what it was checked to be, wherever it comes from. */
export function isReview(summary) {
  return (
    ["nothing", "changes", "data-at-risk", "failed"].includes(summary?.verdict) &&
    Array.isArray(summary.atRisk) &&
    summary.atRisk.every((entry) => typeof entry === "string")
  );
}

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
