import { readFileSync } from "node:fs";

/**
 * Events of the engine, in the order in which they happened.
 * @param {string} file an event log that `pulumi up --event-log` wrote, or is writing: a last line that is not whole yet is none
 */
export function readEvents(file) {
  return readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}
