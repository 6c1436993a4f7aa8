import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { deliveryPath, deliveryText, stepCommand, stepInput, stepPath, takeIn } from "../../render/step";

const realSha256sum = execFileSync("bash", ["--norc", "-c", "type -P sha256sum"], { encoding: "utf8" }).trim();

/** What a step did, as those who asked for it see it. */
export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/**
 * A machine as far as steps see one: what they find at absolute paths is in a folder, and `sudo` does what it is given as the present
 * user. Programs that a test puts in stand before those of this computer.
 */
export class FakeMachine {
  readonly folder = mkdtempSync(join(tmpdir(), "machine-"));
  private readonly bin = join(this.folder, "bin");

  constructor() {
    mkdirSync(this.bin);
    this.program("sudo", '[ "$1" = -n ] && shift\nexec "$@"');
    this.program("hostname", "echo master-1");
    this.program("cloud-init", "exit 0");
    // A step's name holds the hash of its text, in which paths, and what a test changes, are others here.
    this.program("sha256sum", `if (($#)); then basename "$1" .new | sed 's/.*-//'; else exec ${realSha256sum}; fi`);
    mkdirSync(join(this.folder, "run", "lock"), { recursive: true });
  }

  /** Lets the machine compare hashes as a real one does: of texts with the paths of a real one. */
  compareHashes(): void {
    this.program("sha256sum", `cat "$@" | sed 's#${this.folder}/#/#g' | ${realSha256sum}`);
  }

  /** A program on the machine's PATH, in bash. */
  program(name: string, script: string): void {
    writeFileSync(join(this.bin, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(this.bin, name), 0o755);
  }

  /** Makes the machine take in steps, as it does after its first boot. */
  receive(scripts: string[], change: Change = same): Promise<Outcome> {
    writeFileSync(join(this.folder, deliveryPath), this.here(change(deliveryText(scripts))));
    return this.shell(takeIn(scripts, 60), "");
  }

  /** Takes a step in and runs it. */
  async run(
    script: string,
    { parameters = {}, texts = {}, stdin = "" }: Partial<StepInputs> = {},
    change: Change = same,
  ): Promise<Outcome> {
    const received = await this.receive([script], change);
    if (received.status !== 0) {
      throw new Error(`${script} was not taken in: ${received.stderr}`);
    }
    return this.shell(stepCommand(stepPath(script), parameters, 60), stepInput(texts, stdin));
  }

  /** What the machine's log of a step holds. */
  log(step: string): string {
    return readFileSync(join(this.folder, "var", "log", "esxi-k8s", `${step}.log`), "utf8");
  }

  /** Runs a command line as sshd would. */
  async shell(command: string, stdin: string): Promise<Outcome> {
    // Its input is a socket, so bash would take itself for one that sshd has started, and put this user's settings before the test's.
    const child = spawn("bash", ["--norc", "-c", this.here(command)], {
      cwd: this.folder,
      env: { ...process.env, SUDO_USER: "k8s", PATH: `${this.bin}:${process.env.PATH ?? ""}` },
    });
    child.stdin.on("error", () => undefined).end(this.here(stdin));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { status: child.exitCode, stdout, stderr };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** The same text with the machine's paths. */
  here(text: string): string {
    return text.replaceAll(/(?<=[\s='"<>])\/(usr\/local\/lib|var|run|etc)\//g, `${this.folder}/$1/`);
  }
}

/** Makes another text of what a machine takes in. */
type Change = (scripts: string) => string;
const same: Change = (scripts) => scripts;

export interface StepInputs {
  parameters: Record<string, string | number>;
  texts: Record<string, string>;
  stdin: string;
}
