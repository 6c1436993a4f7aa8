// Ends a `pulumi up --continue-on-error` in which nothing can happen any more: end-stuck.mjs EVENT-LOG SHELL (process id of who runs it)
//
// A resource that is to be made anew once what it replaces is deleted is never made if that deletion fails, and the engine does not tell the
// program so: each waits for the other, for ever (https://github.com/pulumi/pulumi/issues/16373). Interrupted, Pulumi ends in good order.
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { readEvents } from "./events.mjs";

/** Seconds in which the engine says nothing, while no operation is under way. The program asks others for less. */
const quiet = Number(process.env.ESXI_K8S_STUCK_SECONDS ?? 60);

/**
 * Whether something could not be deleted before it is made anew, and the engine does nothing else.
 * @param {string} file an event log that `pulumi up --event-log` writes
 */
function isStuck(file) {
  const underWay = new Set();
  let failed = false;
  for (const { resourcePreEvent, resOutputsEvent, resOpFailedEvent } of readEvents(file)) {
    const { urn, op } = (resourcePreEvent ?? resOutputsEvent ?? resOpFailedEvent)?.metadata ?? {};
    if (urn === undefined || op === "same") continue;
    const operation = `${op} ${urn}`;
    if (resourcePreEvent) underWay.add(operation);
    else underWay.delete(operation);
    failed ||= resOpFailedEvent !== undefined && op === "delete-replaced";
  }
  return failed && underWay.size === 0;
}

const [, , file, shell] = process.argv;
let size = 0;
let since = Date.now();
const watch = setInterval(() => {
  const now = statSync(file, { throwIfNoEntry: false })?.size;
  // Of a shell that was killed, nobody ends this either.
  if (now === undefined || process.ppid !== Number(shell)) {
    clearInterval(watch);
  } else if (now !== size) {
    [size, since] = [now, Date.now()];
  } else if (Date.now() - since > quiet * 1000 && isStuck(file)) {
    clearInterval(watch);
    console.error("\nwhat waits for a deletion that failed is left for the next run: ending this one");
    const found = execFileSync("pgrep", ["-P", shell, "-x", "pulumi"], { encoding: "utf8" });
    for (const pid of found.split("\n").filter(Boolean)) process.kill(Number(pid), "SIGINT");
  }
}, 1000);
