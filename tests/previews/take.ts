// Takes the previews that tests of reviews are about from the lab whose cluster is up, in its network: take.ts [NAME...]
// `make review-previews` brings all of that up before, and takes all. What is kept of each is what a review reads (a document of Pulumi's
// is twenty times as long), with names in place of what differs from lab to lab, in an order of its own, a step a line.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { isUnknown } from "../../review/differences";
import { parsePreview, type State, type Step } from "../../review/preview";
import { vary } from "../support/configs";

const root = join(__dirname, "..", "..");
const target = join(root, "tests", "fixtures", "previews");
const work = mkdtempSync(join(tmpdir(), "previews-"));

interface Case {
  /** Changes of the stack's configuration, by keys below `esxi-k8s:`. */
  change?: Record<string, unknown>;
  options?: string[];
  stack?: string;
  env?: NodeJS.ProcessEnv;
  before?: string[][];
  after?: string[][];
}

const worker3 = { "worker-3": { host: "esxi-1", address: "10.20.0.33" } };

const cases: Record<string, Case> = {
  nothing: {},
  "first-creation": {
    stack: "first",
    before: [["stack", "init", "first", "--no-select"]],
    // With the file that Pulumi made for it.
    after: [["stack", "rm", "first", "--yes"]],
  },
  "worker-added": { change: { workers: { general: { nodes: worker3 } } } },
  "worker-removed": { change: { workers: { general: { nodes: { "worker-2": null } } } } },
  "workers-removed": {
    change: {
      workers: null,
      storage: { classes: {} },
      metrics: { enabled: false },
      consul: { enabled: false },
      ingress: { enabled: false },
      demo: null,
    },
  },
  "workers-with-more-memory": { change: { workers: { general: { memoryMiB: 6144 } } } },
  "masters-with-more-cpus": { change: { controlPlane: { cpus: 4 } } },
  "worker-with-another-address": {
    change: { workers: { general: { nodes: { "worker-1": { address: "10.20.0.41" } } } } },
  },
  "worker-on-another-host": { change: { workers: { general: { nodes: { "worker-1": { host: "esxi-2" } } } } } },
  "master-with-another-address": { change: { controlPlane: { nodes: { "master-2": { address: "10.20.0.42" } } } } },
  "master-rebuilt": { change: { controlPlane: { nodes: { "master-2": { generation: 1 } } } } },
  "haproxy-with-another-address": { change: { frontend: { nodes: { "haproxy-1": { address: "10.20.0.11" } } } } },
  "haproxy-added": {
    change: {
      frontend: { nodes: { "haproxy-2": { host: "esxi-2", address: "10.20.0.11" } }, virtualAddress: "10.20.0.9" },
    },
  },
  "route-changed": {
    change: {
      ingress: {
        dynamic: { http: { routers: { wiki: { rule: "Host(`wiki.lab.localhost`)", service: "demo-file" } } } },
      },
      consul: { kv: { "traefik/http/middlewares/mark/headers/customResponseHeaders/X-Mark": "from Consul" } },
    },
  },
  "certificate-renewed": { options: ["--target-replace", "**::ingress-certificate", "--target-dependents"] },
  "authority-renewed": { options: ["--target-replace", "**::authority-certificate", "--target-dependents"] },
  "consul-removed": { change: { consul: { enabled: false }, demo: null } },
  "storage-of-others": { change: { storage: { classes: {} } } },
  "another-kubernetes": { change: { kubernetes: { version: "1.37.9", install: "packages" } } },
  "another-kubernetes-from-a-template": { change: { kubernetes: { version: "1.37.9" } } },
  "settings-of-nodes": { change: { kubernetes: { kubelet: { maxPods: 200 } } } },
  "configuration-refused": {
    change: {
      ingress: { replicas: 3 },
      workers: { general: { nodes: { "worker-2": { host: "esxi-9", address: "10.20.0.31" } } } },
    },
  },
  "vcenter-unreachable": { change: { vcenter: { server: "10.20.0.99" } } },
  "vcenter-login-refused": { change: { vcenter: { user: "nobody@vsphere.local" } } },
  "template-missing": { change: { template: { name: "ubuntu-26.04" } } },
  "stack-unknown": { stack: "nowhere" },
  "backend-unreachable": { env: { PULUMI_BACKEND_URL: "file:///nowhere" } },
  "backend-without-token": { env: { PULUMI_BACKEND_URL: "https://10.20.0.99" } },
  "passphrase-wrong": { env: { PULUMI_CONFIG_PASSPHRASE: "another" } },
};

function pulumi(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync("pulumi", [...args, "--non-interactive"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 30,
    env: { ...process.env, ...env },
  });
  return { code: status, stdout, stderr };
}

/** A file with the configuration of the stack sim, changed. */
function configuration(name: string, change: Record<string, unknown> = {}): string {
  const file = parse(readFileSync(join(root, "Pulumi.sim.yaml"), "utf8")) as object;
  const keys: [string, unknown][] = Object.entries(change).map(([key, value]) => [`esxi-k8s:${key}`, value]);
  const path = join(work, `${name}.yaml`);
  writeFileSync(path, stringify(vary(file, { config: Object.fromEntries(keys) })));
  return path;
}

/** Gives what differs from lab to lab a name, by its first appearance. */
class Names {
  private readonly known = new Map<string, string>();

  private name(value: string, named: (number: string) => string): string {
    const found = this.known.get(value) ?? named(String(this.known.size + 1).padStart(12, "0"));
    this.known.set(value, found);
    return found;
  }

  in(text: string): string {
    return text
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (uuid) =>
        isUnknown(uuid) ? uuid : this.name(uuid, (number) => `00000000-0000-0000-0000-${number}`),
      )
      .replaceAll(/ssh-ed25519 [A-Za-z0-9+/]{68}/g, (key) => this.name(key, (number) => `ssh-ed25519 key-${number}`))
      .replaceAll(/(-----BEGIN CERTIFICATE-----).*?(-----END)/g, (certificate, begin: string, end: string) =>
        this.name(certificate, (number) => `${begin}\\ncertificate-${number}\\n${end}`),
      )
      .replaceAll(`${root}/`, "");
  }
}

const byName = <T>(record?: Record<string, T> | null) =>
  record && Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
const sorted = (state?: State) =>
  state && { ...state, dependencies: state.dependencies && [...state.dependencies].sort() };

function ordered(step: Step): Step {
  const { oldState, newState, diffReasons, detailedDiff } = step;
  return {
    ...step,
    oldState: sorted(oldState),
    newState: sorted(newState),
    diffReasons: diffReasons && [...diffReasons].sort(),
    detailedDiff: byName(detailedDiff),
  };
}

/** What Pulumi printed, as it is kept: a document a step a line, or what is none as it is. */
function kept(stdout: string): unknown {
  if (stdout.trim() === "") {
    return "";
  }
  const { config, steps, diagnostics } = parsePreview(stdout);
  const key = (step: Step) => `${step.urn} ${step.op}`;
  return { config, diagnostics, steps: steps.map(ordered).sort((a, b) => (key(a) < key(b) ? -1 : 1)) };
}

/** JSON with each step on a line of its own. */
function text(record: { code: number | null; stderr: string; preview: unknown }): string {
  const names = new Names();
  const whole = names.in(JSON.stringify(record));
  return `${whole.replaceAll(/([[,])(\{"op":)/g, "$1\n$2")}\n`;
}

mkdirSync(target, { recursive: true });
// The second whole run writes down who waits for whom from then on: before it, none can be of some resources alone.
const second = pulumi(["up", "--yes", "--skip-preview", "--stack", "sim"]);
if (second.code !== 0) {
  throw new Error(`the second run of the stack failed\n${second.stdout}\n${second.stderr}`);
}
const wanted = process.argv.slice(2);
for (const [name, { change, options = [], stack = "sim", env, before = [], after = [] }] of Object.entries(cases)) {
  if (wanted.length > 0 && !wanted.includes(name)) {
    continue;
  }
  before.forEach((args) => pulumi(args));
  const args = ["preview", "--json", "--show-sames", "--color", "never", "--stack", stack];
  const { code, stdout, stderr } = pulumi([...args, "--config-file", configuration(name, change), ...options], env);
  after.forEach((args) => pulumi(args));
  writeFileSync(join(target, `${name}.json`), text({ code, stderr, preview: kept(stdout) }));
  console.log(`${name}: ${String(code)}`);
}
rmSync(work, { recursive: true });
