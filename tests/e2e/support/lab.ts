import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect } from "vitest";
import { parse, stringify } from "yaml";
import { shellWord } from "../../../render/step";
import { vary } from "../../support/configs";
import { Calm } from "./calm";

/**
 * Suites that run side by side, each with its tests in turn: for what waits more than it works, and does not disturb the others.
 */
export function sideBySide(suites: Record<string, () => void>): void {
  for (const [name, define] of Object.entries(suites)) {
    describe("side by side", { concurrent: true }, () => {
      describe(name, { concurrent: false }, define);
    });
  }
}

/** The tests' own lab, beside one that a person may have running. */
process.env.ESXI_K8S_LAB ??= "e2e";

/** Addresses of the machines of the stack `sim`, and those that have a part in the cluster. */
export const frontend = "10.20.0.10";
export const addresses: Record<string, string> = {
  "haproxy-1": frontend,
  "master-1": "10.20.0.21",
  "master-2": "10.20.0.22",
  "master-3": "10.20.0.23",
  "worker-1": "10.20.0.31",
  "worker-2": "10.20.0.32",
};
export const masters = Object.keys(addresses).filter((name) => name.startsWith("master"));
export const workers = Object.keys(addresses).filter((name) => name.startsWith("worker"));

/** The stack's machines, and the hosts that they are to be on. */
export const machines: Record<string, string> = {
  "haproxy-1": "esxi-1.lab.internal",
  "master-1": "esxi-1.lab.internal",
  "master-2": "esxi-2.lab.internal",
  "master-3": "esxi-1.lab.internal",
  "worker-1": "esxi-1.lab.internal",
  "worker-2": "esxi-2.lab.internal",
};

/** Name and host of the stack's machines that vCenter has, in whatever folder. */
export async function inventory(): Promise<Record<string, string>> {
  const rows = await virtualMachines();
  return Object.fromEntries(rows.flatMap(({ name, host }) => (name in machines ? [[name, host]] : [])));
}

/** All that vCenter has, templates included. */
export async function virtualMachines() {
  const [, ...rows] = (await run("sim/vcenter", ["inventory"])).split("\n").map((line) => line.split(/\s{2,}/));
  return rows.map(([name = "", power = "", host = "", , , memory = "", folder = ""]) => ({
    ...{ name, power, host, folder },
    memoryMiB: parseInt(memory),
  }));
}

export interface Outcome {
  /** Exit code; -1 when a signal ended the program. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, whatever that is. */
export async function attempt(file: string, args: string[], timeoutSeconds = 600): Promise<Outcome> {
  try {
    const options = { timeout: timeoutSeconds * 1000, maxBuffer: 64 << 20 };
    return { code: 0, ...(await promisify(execFile)(file, args, options)) };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number | string; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : -1, stdout, stderr };
  }
}

/**
 * Runs a program that has to succeed.
 * @returns its standard output, without the white space around it
 * @throws Error with everything it printed
 */
export async function run(file: string, args: string[], timeoutSeconds?: number): Promise<string> {
  const { code, stdout, stderr } = await attempt(file, args, timeoutSeconds);
  if (code !== 0) {
    throw new Error(`${[file, ...args].join(" ")} ended with ${String(code)}\n${stdout}\n${stderr}`);
  }
  return stdout.trim();
}

/** Runs a program in the lab's network. */
export const inLab = (...command: string[]): Promise<string> => run("sim/enter", command);

/** The API server, which `kubectl`, `make` and `pulumi` want to be there. */
export const api = new Calm();

/**
 * Room for pods on the workers, for which `make` and `pulumi` wait. Of several, whoever needs the store takes it first, then room, then the
 * API: in another order two would wait for each other.
 */
export const room = new Calm();

export const make = (...args: string[]): Promise<string> =>
  room.calmly(() => api.calmly(() => run("make", ["--no-print-directory", ...args])));

/** Pulumi on the stack; without the questions that it asks people. */
export const pulumi = (...args: string[]): Promise<string> =>
  room.calmly(() => api.calmly(() => inLab("pulumi", ...args, "--stack", "sim")));

/** A question whose answer stays as it is, as long as the stack does: asked once, and again only if that failed. */
function answeredOnce<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  forgetful.push(() => (answer = undefined));
  return () =>
    (answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    }));
}
const forgetful: (() => void)[] = [];
/** There is another stack now. */
export const forgetAnswers = (): void => {
  forgetful.forEach((forget) => {
    forget();
  });
};

/** The stack's outputs: no later `pulumi up` changes one. */
const outputs = answeredOnce(
  async () =>
    JSON.parse(await inLab("pulumi", "stack", "output", "--json", "--show-secrets", "--stack", "sim")) as Record<
      string,
      string
    >,
);
export const output = async (name: string): Promise<string> => {
  const value = (await outputs())[name];
  if (value === undefined) {
    throw new Error(`the stack has no output ${name}`);
  }
  return value;
};

/** kubectl with the kubeconfig that the stack hands out, so through HAProxy. */
export const kubectl = async (...args: string[]): Promise<string> => {
  const file = await kubeconfig();
  return api.calmly(() => inLab("kubectl", "--kubeconfig", file, ...args));
};
const kubeconfig = answeredOnce(async () => temporaryFile(await output("kubeconfig")));

/** An operator at vCenter: switches a virtual machine. */
export const power = (name: string, state: "on" | "off"): Promise<string> => run("sim/vcenter", ["power", name, state]);

/**
 * What HAProxy finds of the servers of a backend, by their names, from its statistics page: `UP`, `DOWN`, or in
 * between `UP 1/3`, which still gets connections.
 */
export async function serverStates(backend: string): Promise<Record<string, string>> {
  const [url, user, password] = await Promise.all(["statsUrl", "statsUser", "statsPassword"].map(output));
  const page = await inLab("curl", "-sf", "-u", `${String(user)}:${String(password)}`, `${String(url)};csv`);
  const [head = [], ...rows] = page.split("\n").map((line) => line.replace("# ", "").split(","));
  const servers = rows.filter(([of, name = ""]) => of === backend && !["FRONTEND", "BACKEND"].includes(name));
  return Object.fromEntries(servers.map((row) => [String(row[1]), String(row[head.indexOf("status")])]));
}

/** The states of servers that are all ready. */
export const allUp = (names: string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, "UP"]));

/** Waits until the kubelet of a machine that was switched on again has reported, and the node is Ready. */
export async function rejoined(node: string): Promise<void> {
  // What the API says of the node may be from before it was lost.
  const since = Date.now();
  const lease = ["-n", "kube-node-lease", "get", "lease", node, "-o", "jsonpath={.spec.renewTime}"];
  await eventually(180, async () => {
    expect(Date.parse(await kubectl(...lease))).toBeGreaterThan(since);
  });
  await kubectl("wait", "--for=condition=Ready", "--timeout=180s", `node/${node}`);
}

/** The command that runs a shell line as root on a machine, its host key verified as the stack knows it. */
export async function ssh(name: string, line: string): Promise<string[]> {
  const { key, knownHosts } = await sshFiles();
  const options = ["IdentitiesOnly=yes", "BatchMode=yes", "LogLevel=ERROR", "StrictHostKeyChecking=yes"];
  return [
    "ssh",
    ...["-i", key],
    ...[...options, `UserKnownHostsFile=${knownHosts}`].flatMap((option) => ["-o", option]),
    `${await output("sshUser")}@${String(addresses[name])}`,
    `sudo bash -c ${shellWord(line)}`,
  ];
}
const sshFiles = answeredOnce(async () => ({
  key: await temporaryFile(`${await output("sshPrivateKey")}\n`),
  knownHosts: await temporaryFile(`${await output("sshKnownHosts")}\n`),
}));
export const onMachine = async (name: string, line: string): Promise<string> => inLab(...(await ssh(name, line)));

/**
 * Polls until a question is answered without an error.
 * @throws the last error once the time is up
 */
export async function eventually<T>(seconds: number, ask: () => T | Promise<T>): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** `make up` as a group of processes of its own, and what it has printed so far, which has to be read. */
export function startUp(...options: string[]) {
  const child = spawn("make", ["--no-print-directory", "up", ...options], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const up = {
    printed: "",
    ended: false as boolean,
    closed: once(child, "close").then(() => void (up.ended = true)),
    read: (see: () => void) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          up.printed += chunk.toString();
          see();
        });
      }
    },
    /** Kills everything that it started, hard. */
    kill: () => process.kill(-(child.pid as number), "SIGKILL"),
  };
  return up;
}

/** What Pulumi prints when it begins with the first resource, and when it is done with the last one; it has refreshed before. */
export const firstChange = / (creating|updating|replacing|deleting)( original| replacement)? \(/;
const lastChange = /^Updating \([^]*^(Resources|Duration):/m;

/**
 * Starts `make up` and kills it some seconds after its output matches, or when it has done all, if that is earlier.
 * @param options of make
 * @returns what it printed until then
 */
export async function killUpAfter(pattern: RegExp, seconds: number, ...options: string[]): Promise<string> {
  const up = startUp(...options);
  let killed = false as boolean;
  let waiting: NodeJS.Timeout | undefined;
  const kill = () => {
    clearTimeout(waiting);
    if (!killed) {
      killed = true;
      up.kill();
    }
  };
  up.read(() => {
    if (pattern.test(up.printed)) {
      waiting ??= setTimeout(kill, seconds * 1000);
    }
    if (waiting && lastChange.test(up.printed)) {
      kill();
    }
  });
  await up.closed;
  clearTimeout(waiting);
  if (!killed) {
    throw new Error(`make up ended before it printed ${String(pattern)}\n${up.printed}`);
  }
  return up.printed;
}

/**
 * Starts `make up` and kills it as soon as vCenter has one of the stack's machines.
 * @returns the names of the machines that it left and could not record
 */
export async function killUpWhileCloning(): Promise<string[]> {
  const up = startUp();
  up.read(() => undefined);
  const before = Object.keys(await inventory());
  while (Object.keys(await inventory()).every((name) => before.includes(name))) {
    if (up.ended) {
      throw new Error(`make up ended without a machine\n${up.printed}`);
    }
  }
  up.kill();
  await up.closed;
  const state = JSON.parse(await inLab("pulumi", "stack", "export", "--stack", "sim")) as {
    deployment: { resources: Resource[] };
  };
  const recorded = state.deployment.resources.map(({ urn }) => urn);
  return Object.keys(await inventory()).filter(
    (name) => !recorded.some((urn) => urn.endsWith(`VirtualMachine::${name}`)),
  );
}

/** The stack's machines that have a container, once for each. */
export async function containers(): Promise<string[]> {
  const line = "source sim/lab.sh && lab_docker ps --all --format '{{.Names}}'";
  const names = (await run("bash", ["-c", line])).split("\n");
  return names
    .flatMap((name) => Object.keys(machines).filter((machine) => name.startsWith(`vcsim-${machine}-`)))
    .sort();
}

/** What happens to a machine behind everybody's back: its guest hangs, or it loses its network. */
export const afflict = {
  hang: (name: string) => docker("pause", name),
  wake: (name: string) => docker("unpause", name),
  isolate: (name: string) => docker('network disconnect --force "$LAB_NETWORK"', name),
};
const docker = (command: string, name: string) =>
  run("bash", [
    "-c",
    `source sim/lab.sh && lab_docker ${command} "$(lab_docker ps --all --quiet --filter name=vcsim-${name}-)"`,
  ]);

/** Takes resources out of the state, by the ends of their URNs, as if they had never been recorded. */
export async function forget(...ends: string[]): Promise<void> {
  const isNamed = (urn: string) => ends.some((end) => urn.endsWith(end));
  const state = JSON.parse(await pulumi("stack", "export")) as { deployment: { resources: Resource[] } };
  const others = (urns: string[] = []) => urns.filter((urn) => !isNamed(urn));
  const resources = state.deployment.resources
    .filter(({ urn }) => !isNamed(urn))
    .map((resource) => ({
      ...resource,
      dependencies: others(resource.dependencies),
      propertyDependencies: Object.fromEntries(
        Object.entries(resource.propertyDependencies ?? {}).map(([property, urns]) => [property, others(urns)]),
      ),
    }));
  expect(resources).toHaveLength(state.deployment.resources.length - ends.length);
  const file = await temporaryFile(JSON.stringify({ ...state, deployment: { ...state.deployment, resources } }));
  await pulumi("stack", "import", "--file", file);
}
interface Resource {
  urn: string;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[]>;
}

/** Paths of the folders that vCenter has for machines. */
export const folders = (): Promise<string> => run("sim/vcenter", ["folders"]);

/** Collects the command lines of all processes, several times a second, until it is told to stop. */
export function seeProcesses(seen: Set<string>): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const done = (async () => {
    while (!stopping.signal.aborted) {
      for (const line of (await run("ps", ["-ewwo", "args="])).split("\n")) {
        seen.add(line);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  return {
    stop: () => {
      stopping.abort();
      return done;
    },
  };
}

const temporary = mkdtempSync(join(tmpdir(), "esxi-k8s-"));
afterAll(() => rm(temporary, { recursive: true }));

/** Makes a folder of its own that only this user can read; it is gone when the tests end. */
export const temporaryFolder = (): Promise<string> => mkdtemp(join(temporary, "folder-"));

/** Writes a text to a file in such a folder. */
export async function temporaryFile(content: string): Promise<string> {
  const file = join(await temporaryFolder(), "file.yaml");
  // ssh takes no key that others may read.
  await writeFile(file, content, { mode: 0o600 });
  return file;
}

/** The configuration with other values of some keys, merged over what these have. */
export async function variedConfiguration(values: Record<string, unknown>): Promise<string[]> {
  const file = parse(await readFile("Pulumi.sim.yaml", "utf8")) as object;
  const keys = Object.entries(values).map(([key, value]) => [`esxi-k8s:${key}`, value]);
  return ["--config-file", await temporaryFile(stringify(vary(file, { config: Object.fromEntries(keys) as object })))];
}

/** Options of Pulumi, as make takes them. */
export const forMake = (options: string[]): string => `ARGS=${options.join(" ")}`;

/** The configuration with one place of it changed, and then whatever else. */
export async function changedConfiguration(
  place: string,
  change: string,
  more = (text: string) => text,
): Promise<string[]> {
  const good = await readFile("Pulumi.sim.yaml", "utf8");
  expect(good).toContain(place);
  return ["--config-file", await temporaryFile(more(good.replace(place, change)))];
}
