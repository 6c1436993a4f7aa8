import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceOutputsRequest, RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { createHash, hkdfSync } from "node:crypto";
import { beforeAll, vi } from "vitest";
import type { StateRecord } from "../../config/past";
import { secretKeys } from "../../config/secrets";
import type { ApiClient } from "../../components/in-cluster/api-client";
import { issue, type Issued } from "./certificates";
import type { RawConfig } from "./configs";

/** Marks of Pulumi's wire format. */
const wire = {
  kind: "4dabf18193072939515e22adb298388d",
  secret: "1b47061264138c4ac30d75fd1eb44270",
  resource: "5cf8f73096256a8f31e491e813e4eb8e",
  unknown: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
};

/** Stands in a recorded value for what is known only when something has been created. */
export const unknown = "(unknown)";

type Properties = Record<string, unknown>;

/** A resource as the program declared it. */
export interface Declared {
  type: string;
  name: string;
  urn: string;
  parent: string;
  /** Values in clear, with `unknown` where nothing is known yet. */
  inputs: Properties;
  /** Paths of the inputs that are secrets, for example `connection` or `extraConfig.guestinfo.userdata`. */
  secrets: string[];
  /** URNs of everything it waits for, named outright or by data flow. */
  dependencies: string[];
  provider: string;
  additionalSecretOutputs: string[];
  ignoreChanges: string[];
  replaceOnChanges: string[];
  protect: boolean;
  deleteBeforeReplace: boolean;
  replacementTrigger: unknown;
  deletedWith: string;
  /** What a component registered at its end; undefined when it did not. */
  outputs?: Properties;
  /** Paths of the registered outputs that are secrets. */
  secretOutputs: string[];
}

/** A call of a provider's function. */
export interface Call {
  token: string;
  inputs: Properties;
  provider: string;
}

/** What a program exported. */
export interface Exported {
  value: unknown;
  known: boolean;
  secret: boolean;
}

/** Whether it is something that happens on a machine: a command there, or what is copied there. */
export const isOnMachine = ({ type }: Declared): boolean => type.startsWith("command:remote:");

/** Everything that one run of the program asked Pulumi for. */
export class Recording {
  readonly resources: Declared[] = [];
  readonly calls: Call[] = [];
  readonly exports: Record<string, Exported> = {};
  /** Kubeconfigs with which the program itself, rather than a provider, wanted to speak to the API server. */
  readonly apiClients: string[] = [];

  /** The one resource of this type and name; the type may be given by its last part. */
  get(type: string, name: string): Declared {
    const found = this.ofType(type).filter((resource) => resource.name === name);
    if (found.length !== 1 || !found[0]) {
      const names = this.ofType(type).map((resource) => resource.name);
      throw new Error(`${found.length} resources ${type} ${name}; there are ${names.join(", ")}`);
    }
    return found[0];
  }

  ofType(type: string): Declared[] {
    return this.resources.filter((resource) => resource.type === type || resource.type.endsWith(`:${type}`));
  }

  command(name: string): Declared {
    return this.get("command:remote:Command", name);
  }

  release(name: string): Declared {
    return this.get("Release", name);
  }

  vm(name: string): Declared {
    return this.get("VirtualMachine", name);
  }

  /** Names of the masters, the one that makes the cluster first. */
  masters(): string[] {
    return Object.keys(this.exports.masters?.value ?? {});
  }

  byUrn(urn: string): Declared {
    const found = this.resources.find((resource) => resource.urn === urn);
    if (!found) {
      throw new Error(`nothing with the URN ${urn} was declared`);
    }
    return found;
  }

  /** Names of the steps that a resource waits for without any other step in between, sorted. */
  directSteps(resource: Declared): string[] {
    return resource.dependencies
      .map((urn) => this.byUrn(urn))
      .filter(isOnMachine)
      .map(({ name }) => name)
      .sort();
  }

  /** Everything that has to be there before `resource` is begun. */
  before(resource: Declared): Set<Declared> {
    const found = new Set<Declared>();
    const visit = ({ dependencies, provider }: Declared) => {
      // A reference to a provider is its URN and its id.
      const urns = provider ? [...dependencies, provider.slice(0, provider.lastIndexOf("::"))] : dependencies;
      for (const next of urns.map((urn) => this.byUrn(urn))) {
        if (!found.has(next)) {
          found.add(next);
          visit(next);
        }
      }
    };
    visit(resource);
    return found;
  }

  /** Names of the steps that have to be done before `resource` is begun. */
  stepsBefore(resource: Declared): string[] {
    return [...this.before(resource)].filter(isOnMachine).map(({ name }) => name);
  }

  /** Parents with their children below them, in the order of their types and names. */
  tree(parent = "", indent = ""): string {
    return this.resources
      .filter((resource) => resource.parent === parent)
      .sort((a, b) => `${a.type} ${a.name}`.localeCompare(`${b.type} ${b.name}`, "en", { numeric: true }))
      .map(({ type, name, urn }) => `${indent}${type} ${name}\n${this.tree(urn, `${indent}  `)}`)
      .join("");
  }
}

/** A step as its node gets it. */
export interface ReadStep {
  /** File in scripts/ without `.sh`. */
  script: string;
  parameters: Record<string, string>;
  texts: Record<string, string>;
  /** What it reads behind its texts. */
  rest: string;
}

/** What a step is told, from its command line and its standard input. */
export function readStep(command: Declared): ReadStep {
  return readLine(command.name, String(command.inputs.create), command.inputs.stdin);
}

/** A step that runs when a resource changes or goes, as its node gets it. */
export function readLater(command: Declared, when: "update" | "delete"): ReadStep {
  return readLine(command.name, String(command.inputs[when]), undefined);
}

function readLine(name: string, line: string, stdin: unknown): ReadStep {
  const found =
    /^exec sudo -n timeout --kill-after=10s \d+s \/usr\/local\/lib\/esxi-k8s\/([a-z-]+?)(?:-[0-9a-f]{12})?( .*)?$/.exec(
      line,
    );
  if (!found) {
    throw new Error(`${name} does not run a step as root with a time limit: ${line}`);
  }
  const [, script = "", words = ""] = found;
  const parameters = [...words.matchAll(/ (\w+)=('(?:[^']|'\\'')*'|[^' ]+)/g)];
  const unquote = (text: string) => text.replace(/^'(.*)'$/, "$1").replaceAll(`'\\''`, "'");
  const input = typeof stdin === "string" ? stdin : "\n";
  const [, head = "", rest = ""] = /^((?:\w+ [^\n]*\n)*)\n(.*)$/s.exec(input) ?? [];
  const texts = head
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => text.split(" ") as [string, string]);
  return {
    script,
    parameters: Object.fromEntries(parameters.map(([, key = "", value = ""]) => [key, unquote(value)])),
    texts: Object.fromEntries(texts.map(([key, text]) => [key, Buffer.from(text, "base64").toString()])),
    rest,
  };
}

/** The commands of a recording that issue certificates. */
export function issuing(recording: Recording): Declared[] {
  return recording.ofType("command:local:Command").filter(({ inputs }) => inputs.create === "node pki/issue.mjs");
}

/** The steps of a recording that run when they are declared; that by which a machine gets them is none. */
export function stepsOf(recording: Recording): Declared[] {
  return recording
    .ofType("command:remote:Command")
    .filter(({ name, inputs }) => !/-(reached|booted)$/.test(name) && inputs.create !== undefined);
}

/** What a key of the stack's machines is derived from. */
export function hostKeySeed(machine: string): Buffer {
  return Buffer.from(hkdfSync("sha256", randomBytes("esxi-host-keys"), "", `ssh host key ${machine}`, 32));
}

/** The text that the mock of a random password draws: another name gives another text. */
export function randomText(name: string): string {
  return name === "frontend-stats-password" ? statsPassword : `drawn for ${name}`;
}

/** What a key pair of that name is derived from. */
export function randomBytes(name: string): Buffer {
  return createHash("sha256").update(randomText(name)).digest();
}

/** The hash that the mock of a random password adds to it. */
export function bcryptHash(name: string): string {
  return `$2a$10$${randomBytes(name).toString("hex").slice(0, 53)}`;
}

/** The token of Consul that is derived from a random password. */
export function consulTokenOf(name: string): string {
  const hex = randomBytes(name).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

const issued = new Map<string, Promise<Issued>>();
const day = 24 * 60 * 60 * 1000;

/** What the mock of the command that issues a certificate prints: the same for a name as long as the tests run. */
export function issuedCertificate(name: string, days = 365): Promise<Issued> {
  const key = `${name} ${days}`;
  const known = issued.get(key) ?? issue(new Date(Date.now() - day), new Date(Date.now() + days * day));
  issued.set(key, known);
  return known;
}

export const statsPassword = "StatsPassword24Characters";
export const kubeconfigText =
  "apiVersion: v1\nkind: Config\nusers: [{ name: admin, user: { client-key-data: a2V5LTQx } }]\n";

const functionResults: Record<string, (inputs: Properties) => Properties> = {
  "vsphere:index/getDatacenter:getDatacenter": ({ name }) => ({ id: `datacenter ${String(name)}` }),
  "vsphere:index/getDatastore:getDatastore": ({ name }) => ({ id: `datastore ${String(name)}` }),
  "vsphere:index/getNetwork:getNetwork": ({ name }) => ({ id: `network ${String(name)}` }),
  "vsphere:index/getHost:getHost": ({ name }) => ({
    id: `host ${String(name)}`,
    resourcePoolId: `pool ${String(name)}`,
  }),
  "vsphere:index/getVirtualMachine:getVirtualMachine": ({ name }) => ({
    id: `template ${String(name)}`,
    guestId: "ubuntu64Guest",
    firmware: "efi",
    scsiType: "pvscsi",
    networkInterfaceTypes: ["vmxnet3"],
    disks: [{ size: 12 }],
  }),
};

/** When certificates of masters end. */
export const certificatesEnd = "2099-03-14T09:26:53Z";

/** What a step prints: a join, who its node has become. */
function printedBy(step: string): string {
  if (step.endsWith("-certificates")) {
    return `UNTIL=${certificatesEnd}\n`;
  }
  const [, node, kind] = /^((?:master|worker)\S*)-join$/.exec(step)
    ? [step, step.slice(0, -"-join".length), step.slice(0, 6)]
    : [];
  if (node === undefined) {
    return `output of ${step}`;
  }
  return `NODE_UID=uid-of-${node}\n${kind === "master" ? `MEMBER=id-of-${node}\n` : ""}`;
}

/** What a provider adds to the inputs, by resource type. */
const computed: Record<
  string,
  (name: string, options: { certificateDays?: number }) => Properties | Promise<Properties>
> = {
  "vsphere:index/virtualMachine:VirtualMachine": (name) => ({ uuid: `uuid of ${name}` }),
  "random:index/randomId:RandomId": (name) => ({ hex: randomBytes(name).toString("hex").slice(0, 16) }),
  "random:index/randomPassword:RandomPassword": (name) => ({ result: randomText(name), bcryptHash: bcryptHash(name) }),
  "command:local:Command": async (name, { certificateDays }) => ({
    stdout: name.endsWith("-folder")
      ? ""
      : name.endsWith("-datastores")
        ? JSON.stringify(datastoreUrls)
        : JSON.stringify(await issuedCertificate(name, certificateDays)),
    stderr: "",
  }),
  "command:remote:Command": (name) => ({
    stdout: name.endsWith("-kubeconfig") ? kubeconfigText : printedBy(name),
    stderr: "",
  }),
};

interface Response {
  getUrn(): string;
}
type Callback = (error: unknown, response: Response) => void;

/** The part of the mock monitor that is listened to. */
interface Monitor {
  registerResource(request: RegisterResourceRequest, callback: Callback): Promise<void>;
  registerResourceOutputs(request: RegisterResourceOutputsRequest, callback: Callback): void;
}

interface ProgramOptions {
  preview?: boolean;
  built?: boolean;
  stack?: string;
  encrypted?: string[];
  recording?: Recording;
  others?: Record<string, string>;
  api?: ApiClient;
  certificateDays?: number;
  state?: Record<string, StateRecord>;
  template?: Properties;
}

/** What vCenter says of its datastores. */
export const datastoreUrls = { san: "ds:///vmfs/volumes/san/", "esxi-1-local": "ds:///vmfs/volumes/esxi-1/" };

const nothingThere: ApiClient = () => Promise.resolve({ items: [] });

/**
 * Runs index.ts, the program itself, against mocks.
 * @param raw the values below `esxi-k8s:`
 * @param preview true for what `pulumi preview` shows before anything exists
 * @param built true for a preview when everything exists already
 * @param recording filled as the program goes on, so that it can be read when the program fails
 * @param others configuration of other namespaces
 * @param api answers what the program itself asks the API server; by default there is nothing
 * @param state what the stack holds already, by URN
 * @param template what vCenter says of the template instead of what it usually does
 * @param certificateDays days that certificates are valid which the stack's authority issued
 */
export async function runProgram(
  raw: RawConfig,
  {
    preview = false,
    built = !preview,
    stack = "test",
    encrypted = [...secretKeys],
    recording = new Recording(),
    others = {},
    api = nothingThere,
    certificateDays,
    state = {},
    template = {},
  }: ProgramOptions = {},
): Promise<Recording> {
  const states = new Map<string, Properties>();
  await pulumi.runtime.setMocks(
    {
      call: ({ token, inputs, provider }) => {
        if (token === "pulumi:pulumi:readStackResourceOutputs") {
          return { ...(inputs as Properties), outputs: state };
        }
        recording.calls.push({ token, inputs: inputs as Properties, provider: provider ?? "" });
        const result = functionResults[token];
        const changed = token.endsWith(":getVirtualMachine") ? template : {};
        if (!result) {
          throw new Error(`no mock for ${token}`);
        }
        return { ...(inputs as Properties), ...result(inputs as Properties), ...changed };
      },
      newResource: ({ type, name, custom }) => ({
        id: custom && built ? `id of ${name}` : "",
        state: states.get(`${type} ${name}`) ?? {},
      }),
    },
    "esxi-k8s",
    stack,
    preview,
  );

  // The mocks see inputs alone; what a resource waits for and what is secret is only in the request.
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = async (request, callback) => {
    const sent = request.getObject()?.toJavaScript() ?? {};
    const declared = describe(request, sent);
    const added = await computed[declared.type]?.(declared.name, { certificateDays });
    states.set(`${declared.type} ${declared.name}`, { ...sent, ...addedState(declared, added ?? {}, built) });
    await register(request, (error, response) => {
      if (!error) {
        declared.urn = response.getUrn();
        recording.resources.push(declared);
      }
      callback(error, response);
    });
  };
  const registerOutputs = monitor.registerResourceOutputs.bind(monitor);
  monitor.registerResourceOutputs = (request, callback) => {
    const declared = recording.byUrn(request.getUrn());
    declared.outputs = {};
    for (const [key, value] of Object.entries(request.getOutputs()?.toJavaScript() ?? {})) {
      declared.outputs[key] = unwrap(value, key, declared.secretOutputs);
    }
    registerOutputs(request, callback);
  };

  const texts = Object.entries(raw).map(([key, value]) => [
    `esxi-k8s:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  pulumi.runtime.setAllConfig(
    { ...others, ...Object.fromEntries(texts) } as Record<string, string>,
    encrypted.map((key) => `esxi-k8s:${key}`),
  );

  vi.resetModules();
  // No test waits for a network.
  vi.doMock("../../components/in-cluster/api-client", () => ({
    apiClient: (kubeconfig: string) => {
      recording.apiClients.push(kubeconfig);
      return api;
    },
  }));
  const program = (await import("../../index.js").finally(() => {
    vi.doUnmock("../../components/in-cluster/api-client");
  })) as unknown as { default: () => Promise<Record<string, unknown>> };
  for (const [name, value] of Object.entries(await program.default())) {
    const output = pulumi.output(value);
    recording.exports[name] = await inspect(output);
  }
  await pulumi.runtime.disconnect();
  return recording;
}

/** Runs the program once for all tests of a file or group. */
export function recordOnce(raw: RawConfig, options: ProgramOptions = {}): () => Recording {
  let recording: Recording | undefined;
  beforeAll(async () => {
    recording = await runProgram(raw, options);
  });
  return () => {
    if (!recording) {
      throw new Error("the program has not run");
    }
    return recording;
  };
}

function describe(request: RegisterResourceRequest, sent: Properties): Declared {
  const secrets: string[] = [];
  const inputs = Object.fromEntries(Object.entries(sent).map(([key, value]) => [key, unwrap(value, key, secrets)]));
  const trigger = request.getReplacementTrigger()?.toJavaScript();
  return {
    type: request.getType(),
    name: request.getName(),
    urn: "",
    parent: request.getParent(),
    inputs,
    secrets,
    dependencies: request.getDependenciesList(),
    provider: request.getProvider(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    protect: request.getProtect() ?? false,
    deleteBeforeReplace: request.getDeletebeforereplace(),
    replacementTrigger: trigger === undefined ? undefined : unwrap(trigger, "", []),
    deletedWith: request.getDeletedwith(),
    secretOutputs: [],
  };
}

/** What the provider adds to the inputs, secret where the engine would make it so, unknown until it is built. */
function addedState({ additionalSecretOutputs }: Declared, properties: Properties, built: boolean): Properties {
  const added = Object.entries(properties).map(([key, value]) => {
    const shown = built ? value : wire.unknown;
    const secret = additionalSecretOutputs.includes(key);
    return [key, secret ? { [wire.kind]: wire.secret, value: shown } : shown];
  });
  return Object.fromEntries(added) as Properties;
}

/** The value that wire marks stand around; notes the paths of secrets. */
function unwrap(value: unknown, path: string, secrets: string[]): unknown {
  if (value === wire.unknown) {
    return unknown;
  }
  if (Array.isArray(value)) {
    return value.map((inner, index) => unwrap(inner, `${path}.${index}`, secrets));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const properties = value as Properties;
  if (properties[wire.kind] === wire.secret) {
    secrets.push(path);
    return unwrap(properties.value, path, secrets);
  }
  return Object.fromEntries(
    Object.entries(properties).map(([key, inner]) => [key, unwrap(inner, `${path}.${key}`, secrets)]),
  );
}

async function inspect(output: pulumi.Output<unknown>): Promise<Exported> {
  // Not in the typings, but what the language host itself reads at the end of a program.
  const inner = output as unknown as {
    promise(): Promise<unknown>;
    isKnown: Promise<boolean>;
    isSecret: Promise<boolean>;
  };
  return { value: await inner.promise(), known: await inner.isKnown, secret: await inner.isSecret };
}
