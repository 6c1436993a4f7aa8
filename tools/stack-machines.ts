// The machines of a stack, reached by what its state says of them: also after a run that failed, whose outputs are lost.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { StepName } from "../components/machine/steps";
import { mastersSshPort } from "../render/haproxy";
import { latestStepPath, stepCommand, stepInput } from "../render/step";

/** What a person has to do something about. */
export class Refusal extends Error {}

/** What the component `Snapshots` says for those who restore. */
export interface Reachable {
  endpoint: string;
  user: string;
  adminKey: string;
  knownHosts: string;
  masters: Record<string, string>;
  frontends: Record<string, string>;
  certificate: string;
  key: string;
}

interface Resource {
  urn: string;
  type: string;
  outputs?: Record<string, unknown>;
}

export interface State {
  reachable: Reachable;
  /** The administrator's kubeconfig; undefined before the cluster was there. */
  kubeconfig?: string;
  /** URNs of everything that it holds. */
  urns: string[];
}

/** @throws Refusal when there is nothing by which its machines could be reached */
export function readState(stack: string): State {
  const { status, stdout } = spawnSync("pulumi", ["stack", "export", "--show-secrets", "--stack", stack], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) {
    throw new Refusal(
      `the state of stack ${stack} cannot be read; 'pulumi whoami -v' says where Pulumi looks, 'pulumi stack ls' what is there`,
    );
  }
  const { resources = [] } = (JSON.parse(stdout) as { deployment: { resources?: Resource[] } }).deployment;
  const said = resources.find(({ type }) => type === "esxi-k8s:index:Snapshots")?.outputs;
  if (!said?.masters) {
    throw new Refusal(
      `stack ${stack} has no machines yet, or none that take snapshots: run make up STACK=${stack} first`,
    );
  }
  const read = resources.find(({ urn }) => urn.endsWith("::control-plane-kubeconfig"))?.outputs?.stdout;
  return {
    reachable: Object.fromEntries(
      Object.entries(said).map(([key, value]) => [key, plain(value)]),
    ) as unknown as Reachable,
    kubeconfig: read === undefined ? undefined : (plain(read) as string),
    urns: resources.map(({ urn }) => urn),
  };
}

/** A state has secrets in clear as JSON beside a mark. */
function plain(value: unknown): unknown {
  const secret = value as { plaintext?: string } | null;
  return typeof secret === "object" && typeof secret?.plaintext === "string"
    ? (JSON.parse(secret.plaintext) as unknown)
    : value;
}

/** One machine, or whichever master serves. */
export interface Peer {
  name: string;
  address: string;
  /** Default 22. */
  port?: number;
}

export const anyMaster = ({ endpoint }: Reachable): Peer => ({
  name: "any master",
  address: endpoint,
  port: mastersSshPort,
});
export const peers = (machines: Record<string, string>): Peer[] =>
  Object.entries(machines).map(([name, address]) => ({ name, address }));

interface Outcome {
  /** 255 when nobody was reached. */
  code: number;
  stdout: string;
  stderr: string;
}

interface Streams {
  /** What comes before it. */
  head?: string;
  /** File that is sent. */
  send?: string;
  /** File that receives standard output. */
  receive?: string;
}

/** Logs in on machines, whose host keys it knows. */
export class Ssh {
  private readonly folder = mkdtempSync(join(tmpdir(), "esxi-k8s-"));
  private readonly user: string;

  constructor({ adminKey, knownHosts, user }: Reachable) {
    this.user = user;
    process.on("exit", () => {
      rmSync(this.folder, { recursive: true, force: true });
    });
    writeFileSync(join(this.folder, "key"), `${adminKey.trim()}\n`, { mode: 0o600 });
    writeFileSync(join(this.folder, "known_hosts"), `${knownHosts}\n`);
  }

  /** Runs a command line. */
  async run(
    { address, port = 22 }: Peer,
    command: string,
    { head = "", send, receive }: Streams = {},
  ): Promise<Outcome> {
    const options = [
      "IdentitiesOnly=yes",
      "BatchMode=yes",
      "LogLevel=ERROR",
      "ConnectTimeout=8",
      "ServerAliveInterval=10",
      "StrictHostKeyChecking=yes",
      `UserKnownHostsFile=${join(this.folder, "known_hosts")}`,
    ].flatMap((option) => ["-o", option]);
    const args = ["-F", "/dev/null", "-i", join(this.folder, "key"), ...options, "-p", String(port)];
    const child = spawn("ssh", [...args, `${this.user}@${address}`, command], { stdio: ["pipe", "pipe", "pipe"] });
    const input = Readable.from(parts(head, send));
    // Who ends early has said why.
    const sent = pipeline(input, child.stdin).catch(() => undefined);
    const received =
      receive === undefined
        ? text(child.stdout)
        : pipeline(child.stdout, createWriteStream(receive, { mode: 0o600 })).then(() => "");
    const [stdout, stderr] = await Promise.all([received, text(child.stderr), sent, once(child, "close")]);
    return { code: child.exitCode ?? -1, stdout, stderr };
  }

  /** Runs a step that the machine has, as `Shell.later` does. */
  step(peer: Peer, script: StepName, options: StepCall = {}): Promise<Outcome> {
    const { parameters = {}, texts = {}, send, timeoutSeconds = 300 } = options;
    const command = stepCommand(latestStepPath(script), parameters, timeoutSeconds);
    return this.run(peer, command, { head: stepInput(texts, ""), send });
  }
}

interface StepCall {
  parameters?: Record<string, string | number>;
  texts?: Record<string, string>;
  /** File that the step reads behind its texts. */
  send?: string;
  timeoutSeconds?: number;
}

async function* parts(head: string, file: string | undefined): AsyncGenerator<string | Buffer> {
  if (head !== "") {
    yield head;
  }
  if (file !== undefined) {
    yield* createReadStream(file) as AsyncIterable<Buffer>;
  }
}

/** Runs a program for people: what they have to do something about is one line, without a trace. */
export async function main(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refusal)) {
      throw error;
    }
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
