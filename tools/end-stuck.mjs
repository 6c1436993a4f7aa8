// Ends a `pulumi up --continue-on-error` in which nothing can happen any more: end-stuck.mjs EVENT-LOG SHELL (process id of who runs it)
//
// A resource that is to be made anew once what it replaces is deleted is never made if that deletion fails, and the engine does not tell the
// program so: each waits for the other, for ever (https://github.com/pulumi/pulumi/issues/16373). Interrupted, Pulumi ends in good order.
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { argv, kill, ppid } from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { fileURLToPath } from "node:url";

/** Seconds in which the engine says nothing, while no operation is under way. The program asks others for less. */
const quiet = Number(process.env.ESXI_K8S_STUCK_SECONDS ?? 60);

/**
 * Whether something could not be deleted before it is made anew, and the engine does nothing else.
 * @param {string} log an event log that `pulumi up --event-log` writes; its last line may not be whole yet
 */
export function isStuck(log) {
  const underWay = new Set();
  let failed = false;
  for (const line of log.split("\n").slice(0, -1)) {
    const { resourcePreEvent, resOutputsEvent, resOpFailedEvent } = JSON.parse(line);
    const { urn, op } = (resourcePreEvent ?? resOutputsEvent ?? resOpFailedEvent)?.metadata ?? {};
    if (urn === undefined || op === "same") continue;
    const operation = `${op} ${urn}`;
    if (resourcePreEvent) underWay.add(operation);
    else underWay.delete(operation);
    failed ||= resOpFailedEvent !== undefined && op === "delete-replaced";
  }
  return failed && underWay.size === 0;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [, , file, shell] = argv;
  let size = 0;
  let since = Date.now();
  const watch = setInterval(() => {
    const now = statSync(file, { throwIfNoEntry: false })?.size;
    if (now === undefined || ppid !== Number(shell)) {
      clearInterval(watch);
    } else if (now !== size) {
      [size, since] = [now, Date.now()];
    } else if (Date.now() - since > quiet * 1000 && isStuck(readFileSync(file, "utf8"))) {
      clearInterval(watch);
      console.error("\nwhat waits for a deletion that failed is left for the next run: ending this one");
      for (const pid of execFileSync("pgrep", ["-P", shell, "-x", "pulumi"], { encoding: "utf8" })
        .split("\n")
        .filter(Boolean)) {
        kill(Number(pid), "SIGINT");
      }
    }
  }, 1000);
}
