import { isWaitForBoot, stepLine } from "./commands";
import { differences, holdsSecret, isFields, isUnknown, type Difference } from "./differences";
import type { State } from "./preview";
import { isGroup, isMachine, type Owner, type Resource } from "./stack";

/** What happens to a machine or a part of the cluster, the gravest first. */
export const verbs = [
  "deleted",
  "replaced",
  "restarted",
  "upgraded",
  "created",
  "changed",
  "issued",
  "run",
  "forgotten",
] as const;
export type Verb = (typeof verbs)[number];

/** One thing of a row: a machine itself, a step, an object in the cluster. */
export interface Item {
  /** Nothing for the machine itself. */
  label?: string;
  notes: string[];
  differences: Difference[];
  resource: Resource;
}

/** What happens to one machine or component in one way. */
export interface Row {
  rank: number;
  owner: Owner;
  verb: Verb;
  items: Item[];
}

/** What the review knows of the stack besides the resource at hand. */
interface Context {
  resources: ReadonlyMap<string, Resource>;
  /** Keys of `hosts` in the configuration by the ids that vCenter has for them. */
  hosts: ReadonlyMap<unknown, string>;
}

/** A change of these is made while the machine is off. */
const restarting = /^(numCpus|memory|numCoresPerSocket|firmware|guestId|enableDiskUuid)$/;

/** Settings as the configuration calls them. */
const settings: Record<string, string> = {
  numCpus: "cpus",
  memory: "memoryMiB",
  "disks[0].size": "diskGiB",
  hostSystemId: "host",
};

const commandType = "command:remote:Command";
/** By which a machine gets its steps, which runs nothing: what takes them in does. */
const deliveryType = "command:remote:CopyToRemote";

/** The rows of a review, in the order of the work. */
export function rowsOf(all: readonly Resource[], config: Record<string, string>): Row[] {
  const resources = new Map(all.map((resource) => [resource.urn, resource]));
  const context: Context = { resources, hosts: hostNames(all, config) };
  const rows = new Map<string, Row>();
  const machines = new Map(all.filter(isMachine).map((vm) => [vm.owner.machine, vm]));

  for (const resource of all) {
    const verb = verbOf(resource, machines.get(ownerOf(resource).machine));
    if (verb === undefined) {
      continue;
    }
    const { rank } = resource;
    const owner = ownerOf(resource);
    const key = JSON.stringify([owner.component, owner.name, owner.machine, verb]);
    const row = rows.get(key) ?? { rank, owner, verb, items: [] };
    // A machine is there from its first change on, a component has done its work with the last.
    row.rank = owner.machine === undefined ? Math.max(row.rank, rank) : Math.min(row.rank, rank);
    row.items.push(itemOf(resource, context));
    rows.set(key, row);
  }
  for (const { items } of rows.values()) {
    items.sort((a, b) => a.resource.rank - b.resource.rank || compare(a.resource.name, b.resource.name));
  }
  return [...rows.values()].sort(
    (a, b) =>
      a.rank - b.rank ||
      Number(a.owner.machine === undefined) - Number(b.owner.machine === undefined) ||
      verbs.indexOf(a.verb) - verbs.indexOf(b.verb) ||
      compare(a.owner.machine ?? a.owner.name, b.owner.machine ?? b.owner.name),
  );
}

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Whose a resource is: a step that any master runs for a machine is that machine's. */
function ownerOf({ owner, type, after }: Resource): Resource["owner"] {
  const of = type === commandType ? stepLine(after?.inputs?.update)?.parameters.NAME : undefined;
  return of === undefined ? owner : { ...owner, machine: of };
}

/** What a change is called. What happens to a machine that is made anew is part of that. */
function verbOf(resource: Resource, vm?: Resource): Verb | undefined {
  const { action, type, before, reasons } = resource;
  if (isMachine(resource) && action === "none" && resource.protection !== undefined) {
    return "changed";
  }
  if (action === "none" || isGroup(type) || type === deliveryType) {
    return undefined;
  }
  if (type === commandType) {
    if (action === "delete") {
      // Nothing is run for a step that is gone, unless it has something to undo.
      return before?.inputs?.delete === undefined ? undefined : vm?.action === "delete" ? "deleted" : "run";
    }
    if (!runs(resource)) {
      return undefined;
    }
    if (vm?.action === "create" || vm?.action === "replace") {
      return `${vm.action}d`;
    }
    if (vm !== undefined && restarts(vm) && isAround(resource)) {
      return "restarted";
    }
    return upgrades(resource) ? "upgraded" : "run";
  }
  if (action === "forget") {
    return "forgotten";
  }
  if (type.startsWith("pulumi:providers:")) {
    return action === "update" ? "changed" : undefined;
  }
  if (type === "command:local:Command" && (action === "update" || action === "replace")) {
    if (isFolder(resource)) {
      // Looks whether an interrupted run left something, before anything is cloned.
      return reasons.includes("stdin") ? "run" : undefined;
    }
    return resource.after?.inputs?.create === "node pki/issue.mjs" ? "issued" : "run";
  }
  if (action === "update") {
    return restarts(resource) ? "restarted" : "changed";
  }
  return ({ create: "created", replace: "replaced", delete: "deleted" } as const)[action];
}

const restarts = (resource: Resource) =>
  isMachine(resource) && resource.action === "update" && resource.reasons.some((reason) => restarting.test(reason));

/** Whether a step has a part in bringing another Kubernetes to what has one: to a node, or to the cluster as a whole. */
function upgrades({ before, after }: Resource): boolean {
  const [was, is] = [before, after].map((state) => stepLine(state?.inputs?.create ?? state?.inputs?.update));
  const version = was?.parameters.VERSION;
  return version !== undefined && is?.parameters.VERSION !== undefined && is.parameters.VERSION !== version;
}

/** The steps by which a node is emptied before its machine restarts, and taken back. */
const isAround = ({ after }: Resource) =>
  ["drain-node", "settle-node"].includes(stepLine(after?.inputs?.update)?.script ?? "");

/** The stack's folder in vCenter. */
const isFolder = ({ after }: Resource) => after?.inputs?.create === "node vcenter/folder.mjs ready";

/** Whether a step runs now: one for later runs when what it shows changes, or when it goes. */
function runs({ action, before, after }: Resource): boolean {
  const [was, is] = [before?.inputs, after?.inputs];
  if (is?.create !== undefined) {
    return !isWaitForBoot(is.create);
  }
  // Only judges what others are about to do.
  if (stepLine(is?.update)?.script === "check-change") {
    return false;
  }
  return action === "update" ? was?.update !== is?.update : action === "replace" && was?.delete !== undefined;
}

function itemOf(resource: Resource, context: Context): Item {
  if (isMachine(resource)) {
    return machineItem(resource, context);
  }
  if (resource.type === commandType) {
    return stepItem(resource, context);
  }
  if (isFolder(resource) && resource.action === "update") {
    return { label: labelOf(resource), notes: ["another folder, datacenter or login"], differences: [], resource };
  }
  const isMade = resource.action === "update" || resource.action === "replace";
  return {
    label: labelOf(resource),
    notes: [],
    differences: isMade ? hidden(resource, differences(resource.before?.inputs, resource.after?.inputs)) : [],
    resource,
  };
}

/** Kind and name of an object in the cluster, or the name that the program has for something else. */
export function labelOf({ type, name, before, after }: Resource): string {
  const kind = type.replace(/^.*[:/]/, "");
  const inputs = (after ?? before)?.inputs;
  if (!type.startsWith("kubernetes:")) {
    return kind === "Command" || kind.startsWith("Random") ? name : `${kind} ${name}`;
  }
  const metadata = inputs?.metadata;
  const named = isFields(metadata) ? metadata.name : inputs?.name;
  return `${kind.replace(/Patch$/, "")} ${typeof named === "string" && !isUnknown(named) ? named : name}`;
}

function machineItem(resource: Resource, { hosts }: Context): Item {
  const { before, after, action } = resource;
  const described = (state?: State) => ({
    ...state?.inputs,
    hostSystemId: hosts.get(state?.inputs?.hostSystemId) ?? state?.inputs?.hostSystemId,
    ...placeIn(state?.replacementTrigger),
    protect: state?.protect ?? false,
    // Goes with the host, and the configuration has no word for it.
    resourcePoolId: undefined,
    // Read at the first boot, and never compared.
    extraConfig: undefined,
  });
  if (action === "delete" || action === "forget") {
    return { notes: action === "delete" ? ["with its disk"] : [], differences: [], resource };
  }
  if (action === "create") {
    const { numCpus, memory, disks, address, hostSystemId } = described(after) as Record<string, unknown>;
    const [disk] = Array.isArray(disks) ? (disks as unknown[]) : [];
    const facts = [
      `${String(numCpus)} CPU${numCpus === 1 ? "" : "s"}`,
      `${String(memory)} MiB`,
      isFields(disk) ? `${String(disk.size)} GiB` : "",
      typeof address === "string" ? address : "",
      typeof hostSystemId === "string" ? `on ${hostSystemId}` : "",
    ];
    return { notes: [facts.filter(Boolean).join(" · ")], differences: [], resource };
  }
  const found = differences(described(before), described(after)).map((difference) => ({
    ...difference,
    path: settings[difference.path] ?? difference.path,
  }));
  return { notes: [], differences: hidden(resource, found), resource };
}

/** What a machine is replaced for (components/machine/machine.ts): `192.0.2.21, generation 1.0, Kubernetes 1.37.2`. */
function placeIn(trigger: unknown): Record<string, unknown> {
  const found = /^(\S+), generation (\d+)\.(\d+)(?:, Kubernetes (\S+))?$/.exec(
    typeof trigger === "string" ? trigger : "",
  );
  if (!found) {
    return { address: trigger };
  }
  const [, address, ofGroup, generation, kubernetes] = found;
  return { address, generation, "generation of the group": ofGroup, "Kubernetes of the template": kubernetes };
}

function stepItem(resource: Resource, { resources }: Context): Item {
  const { before, after, action, name } = resource;
  const owner = ownerOf(resource);
  const isGone = action === "delete";
  const line = (state?: State) => stepLine(state?.inputs?.create ?? state?.inputs?.update);
  const [was, is] = [line(before), line(after)];
  const undo = isGone || action === "replace" ? stepLine(before?.inputs?.delete) : undefined;
  const notes: string[] = [];
  const machine = machineOf(resource, resources);
  if (owner.machine === undefined && machine !== undefined) {
    notes.push(`on ${machine}`);
  }
  const found: Difference[] = [];
  if (!isGone) {
    if (was && is && was.script === is.script && was.version !== is.version) {
      notes.push("its script is another");
    }
    const triggers = triggersOf(before, after);
    if (isUnknown(after?.inputs?.create)) {
      notes.push("parameters known later");
    } else {
      found.push(...differences(was?.parameters ?? {}, is?.parameters ?? {}));
    }
    found.push(...triggers.differences);
    notes.push(...triggers.notes);
  }
  return {
    // Of a step whose parameters are not known yet, its name tells which one it is.
    label: undo?.script ?? is?.script ?? was?.script ?? (owner.machine ? name.replace(`${owner.machine}-`, "") : name),
    notes,
    differences: hidden(resource, found),
    resource,
  };
}

/** Why a step runs again: its texts, other values, and the identities of machines. */
function triggersOf(before?: State, after?: State): { differences: Difference[]; notes: string[] } {
  const list = (state?: State): unknown[] => (Array.isArray(state?.inputs?.triggers) ? state.inputs.triggers : []);
  const [old, made] = [list(before), list(after)];
  const found: Difference[] = [];
  const notes = new Set<string>();
  for (const index of Array.from({ length: Math.max(old.length, made.length) }).keys()) {
    const [was, is] = [old[index], made[index]];
    if (isFields(was) && isUnknown(is)) {
      notes.add(`${Object.keys(was).join(", ")} known later`);
    } else if (isFields(was) || isFields(is)) {
      found.push(...differences(was ?? {}, is ?? {}));
    } else if (before && JSON.stringify(was) !== JSON.stringify(is)) {
      notes.add([is].flat().some(isUnknown) ? "a machine of it is new" : "its machines are others");
    }
  }
  return { differences: found, notes: [...notes] };
}

/** The machine on which a step runs: the one whose boot it waits for. Any master may run what waits for all of them. */
function machineOf({ after, before }: Resource, resources: ReadonlyMap<string, Resource>): string | undefined {
  const needed = (after ?? before)?.dependencies?.map((urn) => resources.get(urn)) ?? [];
  const machines = needed.flatMap((resource) => (resource?.name.endsWith("-booted") ? [resource.owner.machine] : []));
  return machines.length > 1 ? "any master" : machines[0];
}

/** Adds what differs and is not to be seen: secrets, of which both sides look alike. */
function hidden({ reasons, before, after }: Resource, found: Difference[]): Difference[] {
  const seen = new Set(found.map(({ path }) => path.replace(/[.[].*$/, "")));
  const secrets = reasons.filter(
    (reason) => !seen.has(reason) && (holdsSecret(before?.inputs?.[reason]) || holdsSecret(after?.inputs?.[reason])),
  );
  return [
    ...found,
    ...secrets
      // A step's standard input holds its texts, too.
      .filter((reason) => !(reason === "stdin" && (found.length > 0 || reasons.includes("triggers"))))
      .map((path): Difference => ({ path: path === "stdin" ? "standard input" : path, kind: "secret" })),
  ];
}

/** Which of the configuration's hosts an id of vCenter is: the host of a machine that the configuration puts there. */
function hostNames(all: readonly Resource[], config: Record<string, string>): Map<unknown, string> {
  const hosts = new Map<string, string>();
  const collect = (value: unknown) => {
    if (!isFields(value)) {
      return;
    }
    for (const [key, inner] of Object.entries(value)) {
      if (isFields(inner) && typeof inner.host === "string") {
        hosts.set(key, inner.host);
      } else {
        collect(inner);
      }
    }
  };
  Object.values(config).forEach((text) => {
    collect(parsed(text));
  });
  return new Map(
    all.filter(isMachine).flatMap(({ name, after }) => {
      const host = hosts.get(name);
      return host === undefined || after === undefined ? [] : [[after.inputs?.hostSystemId, host] as const];
    }),
  );
}

/** What a value of the configuration holds; nothing when it is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
