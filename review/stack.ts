import { machineType, type Preview, type State, type Step } from "./preview";

/** What a resource belongs to: a machine of a component, or the component itself. */
export interface Owner {
  /** The machine's name. */
  machine?: string;
  /** Type of the component in `index.ts`, without its package: `WorkerPool`. */
  component: string;
  /** Its name there: a pool's is that of the configuration. */
  name: string;
}

/** What machines are for. */
export type Role = "master" | "worker" | "frontend";
const roles: Record<string, Role> = { K8sControlPlane: "master", WorkerPool: "worker", HaproxyFrontend: "frontend" };

export const roleOf = (owner: Owner): Role | undefined => roles[owner.component];

const nodeType = "esxi-k8s:index:Machine";
const stackType = "pulumi:pulumi:Stack";
const nameOf = (urn: string) => urn.slice(urn.lastIndexOf("::") + 2);

/** One resource of the stack, with what every step of the preview says of it. */
export interface Resource {
  urn: string;
  name: string;
  type: string;
  action: Action;
  owner: Owner;
  before?: State;
  after?: State;
  /** What differs at the top level, and by path. */
  reasons: string[];
  paths: string[];
  /** Pulumi begins or ceases to refuse to delete it. */
  protection?: "given" | "taken";
  /** Deleted because what it lives in is deleted. */
  deletedWith?: string;
  /** How many changes have to be done before this one, one after the other. */
  rank: number;
}

/** `forget`: the resource stays where it is, and the stack no longer knows it. */
export type Action = "none" | "create" | "update" | "replace" | "delete" | "forget";

function actionOf(ops: string[], before?: State): Action {
  const has = (...wanted: string[]) => ops.some((op) => wanted.includes(op));
  if (has("replace", "create-replacement", "delete-replaced", "import-replacement")) {
    return "replace";
  }
  if (has("create", "import")) {
    return "create";
  }
  if (has("delete", "discard")) {
    return before?.retainOnDelete ? "forget" : "delete";
  }
  return has("update") ? "update" : "none";
}

/** Everything of a stack, what changes and what stays, by its URN. */
export function resourcesOf(preview: Preview): Map<string, Resource> {
  const steps = new Map<string, Step[]>();
  for (const step of preview.steps) {
    steps.set(step.urn, [...(steps.get(step.urn) ?? []), step]);
  }
  const stateOf = (urn: string): State | undefined => {
    const all = steps.get(urn) ?? [];
    return all.flatMap(({ newState, oldState }) => newState ?? oldState ?? []).at(-1);
  };
  const resources = new Map<string, Resource>();
  for (const [urn, all] of steps) {
    const state = stateOf(urn);
    if (!state || state.type === stackType) {
      continue;
    }
    const [before] = all.flatMap(({ oldState }) => oldState ?? []);
    const after = all.flatMap(({ newState }) => newState ?? []).at(-1);
    const ops = all.map(({ op }) => op);
    resources.set(urn, {
      urn,
      name: nameOf(urn),
      type: state.type,
      action: actionOf(ops, before),
      owner: ownerOf(urn, stateOf),
      before,
      after: ops.includes("delete") ? undefined : after,
      reasons: [...new Set(all.flatMap(({ diffReasons }) => diffReasons ?? []))],
      paths: [...new Set(all.flatMap(({ detailedDiff }) => Object.keys(detailedDiff ?? {})))],
      protection: protection(before, after),
      deletedWith: before?.deletedWith,
      rank: 0,
    });
  }
  rank(resources);
  return resources;
}

function protection(before?: State, after?: State): Resource["protection"] {
  if (before === undefined || after === undefined || !before.protect === !after.protect) {
    return undefined;
  }
  return after.protect ? "given" : "taken";
}

function ownerOf(urn: string, stateOf: (urn: string) => State | undefined): Owner {
  let machine: string | undefined;
  let top = urn;
  for (let at: string | undefined = urn; at !== undefined;) {
    const state: State | undefined = stateOf(at);
    if (state === undefined || state.type === stackType) {
      break;
    }
    if (state.type === nodeType) {
      machine = nameOf(at);
    }
    top = at;
    at = state.parent;
  }
  // The type of a component is in the URNs of what is in it, should a part of the preview be missing.
  const type = stateOf(top)?.type ?? "";
  return { machine, component: type.replace(/^.*:/, ""), name: nameOf(top) };
}

/**
 * Numbers changes by how many have to be done before: what has the same number is done at the same time. What is deleted comes after
 * everything else, and before what it depended on.
 */
function rank(resources: Map<string, Resource>): void {
  const isDeleted = ({ action }: Resource) => action === "delete" || action === "forget";
  const needs = (resource: Resource) => {
    const state = resource.after ?? resource.before;
    const provider = state?.provider?.replace(/::[^:]*$/, "");
    const urns = [...(state?.dependencies ?? []), state?.parent, provider].filter((urn) => urn !== undefined);
    return urns.flatMap((urn) => resources.get(urn) ?? []);
  };
  const all = [...resources.values()];
  const staying = all.filter((resource) => !isDeleted(resource));
  const last = longest(staying, needs);
  const deleted = all.filter(isDeleted);
  // The other way round: dependents go first.
  const dependents = new Map<Resource, Resource[]>();
  for (const resource of deleted) {
    for (const needed of needs(resource).filter(isDeleted)) {
      dependents.set(needed, [...(dependents.get(needed) ?? []), resource]);
    }
  }
  longest(deleted, (resource) => dependents.get(resource) ?? [], last + 1);
}

/** Gives each resource the length of the longest chain of changes before it. Returns the longest of all. */
function longest(resources: Resource[], before: (resource: Resource) => Resource[], start = 0): number {
  const known = new Map<Resource, number>();
  const depth = (resource: Resource): number => {
    const found = known.get(resource);
    if (found !== undefined) {
      return found;
    }
    // Pulumi has no circles; a broken document must not hang a review.
    known.set(resource, start);
    const deepest = before(resource).map((needed) => depth(needed) + (isChange(needed) ? 1 : 0));
    const result = Math.max(start, ...deepest);
    known.set(resource, result);
    resource.rank = result;
    return result;
  };
  return Math.max(start, ...resources.map(depth));
}

const isChange = ({ action, type }: Resource) => action !== "none" && !isGroup(type);

/** A component does nothing by itself. */
export const isGroup = (type: string) => type.startsWith("esxi-k8s:index:");

export const isMachine = ({ type }: Pick<Resource, "type">) => type === machineType;
