// What a `pulumi up` left undone, and what to do about it, from the engine's event log: pending.mjs EVENT-LOG STACK
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { readEvents } from "./events.mjs";

/** A command could not connect: `10.20.0.31:22: gave up after 5 attempts: …`, or `after 5 failed attempts: dial tcp 10.20.0.31:22: …`. */
const unanswered = /\bafter \d+ (?:failed )?attempts\b/;
const target = /(\d+\.\d+\.\d+\.\d+):(\d+): /g;

const nameOf = (urn) => urn.slice(urn.lastIndexOf("::") + 2);

/**
 * @param {string} file an event log that `pulumi up --event-log` wrote
 * @returns {string[]} lines for people; none when nothing failed
 */
export function readPending(file, stack) {
  const events = readEvents(file);
  const machines = new Map();
  const said = new Map();
  const failed = new Set();
  for (const { resOutputsEvent, resOpFailedEvent, diagnosticEvent } of events) {
    const { urn = "", new: state } = resOutputsEvent?.metadata ?? {};
    if (urn.split("::")[2]?.endsWith("esxi-k8s:index:Machine")) {
      machines.set(state?.outputs?.address, nameOf(urn));
    }
    if (resOpFailedEvent) {
      failed.add(resOpFailedEvent.metadata.urn);
    }
    if (diagnosticEvent?.severity === "error" && diagnosticEvent.urn) {
      const { urn: of, message } = diagnosticEvent;
      said.set(of, (said.get(of) ?? "") + message);
    }
  }
  const silent = new Map();
  const others = [];
  for (const urn of failed) {
    const message = said.get(urn) ?? "";
    const [, address, port] = (unanswered.test(message) && [...message.matchAll(target)].at(-1)) || [];
    if (address === undefined) {
      others.push(nameOf(urn));
      continue;
    }
    const who =
      port === "22"
        ? `${machines.get(address) ?? "the machine"} does not answer at ${address}`
        : `no master answers through HAProxy at ${address}`;
    silent.set(who, [...(silent.get(who) ?? []), nameOf(urn)]);
  }
  const lines = [...silent].map(
    ([who, steps]) =>
      `${who}: ${steps.join(", ")} and what comes after ${steps.length > 1 ? "them" : "it"} is not done`,
  );
  if (lines.length > 0) {
    lines.push(
      "see in vCenter whether it runs, and what its console says; one that is lost for good is made anew when it is deleted there",
    );
  }
  if (others.length > 0) {
    lines.push(`failed as said above: ${others.join(", ")}`);
  }
  return lines.length === 0
    ? []
    : [...lines, `what waits for none of this is done: 'make up STACK=${stack}' does the rest`];
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const line of readPending(argv[2], argv[3])) console.error(line);
}
