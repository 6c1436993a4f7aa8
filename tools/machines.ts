import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { latestStepPath, shortHash, stepCommand } from "../render/step";
import { taking } from "../review/commands";
import type { KnownStep, Reach } from "./state";

/** Something on a machine that is not as its steps have set it, or that cannot be seen. */
export interface Difference {
  machine: string;
  /** The resource that runs the step, where the state knows it. */
  step: string;
  what: string;
  set: string;
  found: string;
}

/** A machine whose steps the state knows. */
export interface KnownMachine {
  name: string;
  reach: Reach;
  steps: KnownStep[];
}

/** Seconds for a machine to say what differs, or to mend it. */
const patience = 120;
/** How many machines are asked at the same time. */
const atOnce = 20;

/** The machines of a stack: each has taken in its steps. */
export function machinesOf(steps: KnownStep[]): KnownMachine[] {
  return steps
    .filter(({ line }) => line.script === taking)
    .map(({ name, reach }) => ({
      name: name.replace(/-booted$/, ""),
      reach,
      steps: steps.filter((step) => step.reach.host === reach.host && step.reach.port === reach.port),
    }));
}

/** A step's hash of what it ran with, as scripts/kept.sh makes it. */
export function ranWith({ line, stdin }: Pick<KnownStep, "line" | "stdin">): string {
  const { script, version, parameters } = line;
  const words = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  const texts = /^(?:\S+ \S*\n)*/.exec(stdin)?.[0] ?? "";
  const ran = [`${script}-${version} ${words.join(" ")}`, ...texts.split("\n").filter(Boolean)];
  return shortHash(`${ran.join("\n")}\n`);
}

/** What a machine says of itself: every answer ends with `end`, or it is none. */
export function differencesOf({ name, steps }: KnownMachine, said: string): Difference[] {
  const lines = said.trim().split("\n");
  const stepBy = (script: string) => steps.find(({ line }) => line.script === script);
  return lines.flatMap((line) => {
    const [word, ...fields] = line.split("\t");
    if (word === "differs") {
      const [kind = "", what = "", script = "", set = "", found = ""] = fields;
      return [{ machine: name, step: stepBy(script)?.name ?? script, ...described(kind, what, set, found) }];
    }
    if (word === "ran") {
      const [script = "", hash] = fields;
      const step = stepBy(script);
      return step === undefined || ranWith(step) === hash
        ? []
        : [
            {
              ...{ machine: name, step: step.name, what: `the step ${script}` },
              ...{
                set: "what the state says",
                found: "has run with something else, as on a machine of an older snapshot",
              },
            },
          ];
    }
    return [];
  });
}

function described(kind: string, what: string, set: string, found: string): Pick<Difference, "what" | "set" | "found"> {
  const there = found === "-" ? "is missing" : found;
  switch (kind) {
    case "file": {
      const [hash, ...access] = set.split(" ");
      const [otherHash, ...otherAccess] = found.split(" ");
      return hash === otherHash
        ? { what, set: access.join(" "), found: otherAccess.join(" ") }
        : { what, set: "its content", found: found === "-" ? there : "another content" };
    }
    case "folder":
      return { what: `${what}/`, set, found: there };
    case "package":
      return { what: `package ${what}`, set: set.replace(/^installed /, ""), found: there.replace(/^installed /, "") };
    case "hold":
      return { what: `hold on package ${what}`, set, found: there };
    default:
      return { what: kind === "kernel" ? what : `${kind} ${what}`, set, found: there };
  }
}

/** Runs a command line on a machine, with what it is to read. The key is in memory, and gone when the command is done. */
export async function onMachine(
  { host, port = 22, user, privateKey, hostKey }: Reach,
  command: string,
  stdin = "",
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const folder = mkdtempSync(join(process.platform === "linux" ? "/dev/shm" : tmpdir(), "esxi-k8s-"));
  try {
    const key = join(folder, "key");
    const known = join(folder, "known_hosts");
    writeFileSync(key, privateKey.endsWith("\n") ? privateKey : `${privateKey}\n`, { mode: 0o600 });
    writeFileSync(known, `${port === 22 ? host : `[${host}]:${String(port)}`} ${hostKey}\n`);
    const options = {
      ...{ IdentitiesOnly: "yes", BatchMode: "yes", StrictHostKeyChecking: "yes", UserKnownHostsFile: known },
      ...{ GlobalKnownHostsFile: "none", ConnectTimeout: "10", ServerAliveInterval: "5", ServerAliveCountMax: "3" },
      LogLevel: "ERROR",
    };
    const child = spawn("ssh", [
      ...["-F", "none", "-T", "-i", key, "-p", String(port), "-l", user],
      ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
      ...["--", host, command],
    ]);
    child.stdin.on("error", () => undefined).end(stdin);
    const closed = new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    const [code, stdout, stderr] = await Promise.all([closed, text(child.stdout), text(child.stderr)]);
    return { code, stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a step on a machine by the name that it has there; see `latestStepPath`. */
export const runStep = (reach: Reach, script: string, timeoutSeconds = patience) =>
  onMachine(reach, stepCommand(latestStepPath(script), {}, timeoutSeconds));

/** What differs on machines from what their steps have set; a machine that says nothing is a row, too. */
export async function lookAt(machines: KnownMachine[]): Promise<Difference[]> {
  const found: Difference[][] = [];
  for (let first = 0; first < machines.length; first += atOnce) {
    found.push(...(await Promise.all(machines.slice(first, first + atOnce).map(lookAtOne))));
  }
  return found.flat();
}

async function lookAtOne(machine: KnownMachine): Promise<Difference[]> {
  const { code, stdout, stderr } = await runStep(machine.reach, "look-for-drift");
  if (code === 0 && /^end$/m.test(stdout)) {
    return differencesOf(machine, stdout);
  }
  const why = stderr.trim().split("\n").at(-1) ?? "";
  const older = code === 127 || /look-for-drift.*No such file/.test(stderr);
  return [
    {
      ...{ machine: machine.name, step: `${machine.name}-booted`, what: "the machine", set: "answers" },
      found: older
        ? "has no step that looks yet: make up gives it one"
        : `does not answer: ${why || `exit code ${String(code)}`}`,
    },
  ];
}
