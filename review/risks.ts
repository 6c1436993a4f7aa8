import { isFields } from "./differences";
import { compare, labelOf, parsed } from "./rows";
import { isGroup, isMachine, roleOf, type Resource, type Role } from "./stack";
import { plural } from "./text";

/** Something that a reviewer has to have seen. */
export interface Risk {
  /** Short and stable, for programs: `delete machine master-2`. Nothing where no data is at risk. */
  atRisk?: string[];
  /** What happens, for the first line. */
  what: string;
  /** What that means. */
  meaning: string;
}

/**
 * What is at risk, data first.
 * @param restarted machines that are switched off and on
 * @param config of the preview
 */
export function risksOf(
  all: readonly Resource[],
  restarted: ReadonlySet<Resource>,
  config: Record<string, string>,
): Risk[] {
  const vms = all.filter(isMachine);
  const of = (role: Role) => vms.filter(({ owner }) => roleOf(owner) === role);
  const has = (type: string) => were(all).some((resource) => resource.type === `esxi-k8s:index:${type}`);
  return [
    ...masters(of("master"), outside(all)),
    ...workers(of("worker"), has("LocalPathStorage"), has("ConsulKv"), config),
    ...dataOf(all),
    ...authorities(all),
    ...unprotected(vms),
    ...frontends(of("frontend")),
    ...restarts(vms, restarted, config),
  ].sort((a, b) => Number(b.atRisk !== undefined) - Number(a.atRisk !== undefined));
}

const isGone = ({ action }: Resource) => action === "delete" || action === "replace";
const verb = ({ action }: Resource) => (action === "replace" ? "replace" : "delete");
const done = ({ action }: Resource) => (action === "replace" ? "replaced" : "deleted");
const were = (vms: readonly Resource[]) =>
  vms.filter(({ before, action }) => before !== undefined || action === "none");

/** `a`, `a and b`, `a, b and c`. */
export function enumerated(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
}

/** What happens to some machines, by what it is: `a is replaced, b and c are deleted`. */
function happens(vms: readonly Resource[]): string {
  return ["replaced", "deleted"]
    .flatMap((what) => {
      const names = vms.filter((vm) => done(vm) === what).map(({ name }) => name);
      return names.length === 0 ? [] : [`${enumerated(names.sort())} ${names.length === 1 ? "is" : "are"} ${what}`];
    })
    .join(", ");
}

const entries = (vms: readonly Resource[]) => vms.map((vm) => `${verb(vm)} machine ${vm.name}`);

function masters(vms: readonly Resource[], stays: readonly string[]): Risk[] {
  const [all, gone] = [were(vms), vms.filter(isGone)];
  if (gone.length === 0) {
    return [];
  }
  const removed = gone.filter(({ action }) => action === "delete").length;
  const kept = all.length - removed;
  if (kept === 0) {
    return [
      {
        atRisk: entries(gone),
        what: happens(gone),
        meaning:
          "the cluster and everything that is declared in it are lost" +
          (stays.length > 0
            ? `; what volumes of ${enumerated(stays)} hold stays in shares and datastores, whatever their reclaim policy`
            : ""),
      },
    ];
  }
  // They leave one at a time, each as a member less.
  const members = removed > 0 ? [`etcd goes from ${String(all.length)} members to ${String(kept)}`] : [];
  if (removed < gone.length) {
    const meanwhile = kept - 1;
    const spare = meanwhile - Math.floor(kept / 2) - 1;
    const lost =
      meanwhile === 0
        ? "which is the last: the cluster is lost"
        : spare < 1
          ? "and the loss of another one stops the API"
          : `and can lose ${String(spare)} more`;
    members.push(`one at a time, so etcd has ${String(meanwhile)} of ${String(kept)} members meanwhile, ${lost}`);
  }
  return [{ atRisk: entries(gone), what: happens(gone), meaning: members.join("; ") }];
}

function workers(
  vms: readonly Resource[],
  hasLocalPath: boolean,
  hasConsul: boolean,
  config: Record<string, string>,
): Risk[] {
  const pools = new Map<string, Resource[]>();
  for (const vm of vms) {
    pools.set(vm.owner.name, [...(pools.get(vm.owner.name) ?? []), vm]);
  }
  return [...pools].flatMap(([pool, members]) => {
    const gone = members.filter(isGone);
    if (gone.length === 0) {
      return [];
    }
    const disk = gone.length === 1 ? "its disk" : "their disks";
    const meaning = [hasLocalPath ? `the local-path volumes on ${disk} are gone` : `what is on ${disk} is gone`];
    if (hasLocalPath && hasConsul) {
      meaning.push("servers of Consul that are there start anew elsewhere, one at a time, with what the others hold");
    }
    const before = were(members).length;
    const after = members.filter(({ action }) => action !== "delete").length;
    if (after !== before) {
      meaning.push(`pool ${pool} goes from ${plural(before, "worker")} to ${String(after)}`);
    } else if (gone.some(({ action }) => action === "delete")) {
      meaning.push(`pool ${pool} keeps its number of ${plural(after, "worker")}`);
    }
    if (gone.some(({ action }) => action === "replace")) {
      meaning.push(`${atOnce(pool, config)} at a time, each emptied before`);
    }
    return [{ atRisk: entries(gone), what: happens(gone), meaning: meaning.join("; ") }];
  });
}

/** How many workers of a pool may be away at the same time. */
function atOnce(pool: string, config: Record<string, string>): string {
  const pools = Object.entries(config).flatMap(([key, text]) => (key.endsWith(":workers") ? [parsed(text)] : []));
  const [of] = pools.flatMap((all) => (isFields(all) && isFields(all[pool]) ? [all[pool]] : []));
  return typeof of?.maxUnavailable === "number" ? String(of.maxUnavailable) : "1";
}

/** Of all that is protected, masters are what people know by name. */
function unprotected(vms: readonly Resource[]): Risk[] {
  const names = vms.filter(({ protection }) => protection === "taken").map(({ name }) => name);
  if (names.length === 0) {
    return [];
  }
  const what = `${enumerated(names.sort())} ${names.length === 1 ? "is" : "are"} no longer protected`;
  return [
    {
      what,
      meaning: `from then on, a change may delete ${names.length === 1 ? "it" : "them"}, or make ${names.length === 1 ? "it" : "them"} anew`,
    },
  ];
}

/** No data is on these, but everybody comes in through them. */
function frontends(vms: readonly Resource[]): Risk[] {
  const [all, gone] = [were(vms), vms.filter(isGone)];
  if (gone.length === 0) {
    return [];
  }
  const deleted = gone.filter(({ action }) => action === "delete").length;
  const successors = vms.filter(({ action }) => action === "create").map(({ name }) => name);
  const meaning =
    all.length > 1 && deleted < all.length
      ? [
          ...(deleted > 0 ? [`${String(all.length - deleted)} of ${String(all.length)} HAProxy machines stay`] : []),
          ...(deleted < gone.length ? [inTurn] : []),
        ].join("; ")
      : successors.length > 0 && deleted === gone.length
        ? `${enumerated(successors.sort())} ${successors.length === 1 ? "takes" : "take"} over when that is done, last of all: ` +
          "for some seconds neither the API nor any route can be reached"
        : `${unreachable} until another HAProxy machine serves`;
  return [{ what: happens(gone), meaning }];
}

const unreachable = "neither the API nor any route can be reached";
const inTurn = "one at a time, each when another one serves";

/** How machines of one group are restarted. */
function away(group: readonly Resource[], config: Record<string, string>): string {
  const [{ owner }] = group as [Resource];
  if (roleOf(owner) === "frontend") {
    return were(group).length > 1 ? inTurn : `${unreachable} while it boots`;
  }
  const most = roleOf(owner) === "master" ? "one" : atOnce(owner.name, config);
  return `${most} at a time, each emptied before and taken back when it is Ready`;
}

/** Machines of one group that are restarted. */
function restarts(vms: readonly Resource[], restarted: ReadonlySet<Resource>, config: Record<string, string>): Risk[] {
  const groups = new Map<string, Resource[]>();
  for (const vm of vms) {
    groups.set(vm.owner.name, [...(groups.get(vm.owner.name) ?? []), vm]);
  }
  return [...groups.values()].flatMap((group) => {
    const names = group.filter((vm) => restarted.has(vm)).map(({ name }) => name);
    const role = group[0] && roleOf(group[0].owner);
    if (names.length === 0 || role === undefined) {
      return [];
    }
    const what = `${enumerated(names.sort())} ${names.length === 1 ? "is" : "are"} restarted`;
    return [{ what, meaning: away(group, config) }];
  });
}

const classType = "kubernetes:storage.k8s.io/v1:StorageClass";

/** Names of the StorageClasses that a stack has, of which something holds. */
function classes(all: readonly Resource[], holds: (inputs: Record<string, unknown>) => boolean): string[] {
  return were(all.filter(({ type }) => type === classType)).flatMap(({ name, before, after }) => {
    const inputs = (before ?? after)?.inputs;
    const metadata = isFields(inputs?.metadata) ? inputs.metadata : {};
    return inputs !== undefined && holds(inputs) ? [typeof metadata.name === "string" ? metadata.name : name] : [];
  });
}

/** Those whose volumes are not on the machines. */
const outside = (all: readonly Resource[]) =>
  classes(all, ({ provisioner }) => provisioner !== "rancher.io/local-path").sort();

/** Those whose volumes stay when nobody claims them any more. */
const kept = (all: readonly Resource[]) => classes(all, ({ reclaimPolicy }) => reclaimPolicy === "Retain").sort();

/** What deleting or making anew an object in the cluster, or something of the stack's own, does to data; the gravest first. */
const meanings: [pattern: RegExp, meaning: string][] = [
  [/^kubernetes:core\/v1:Namespace$/, "a namespace goes with everything in it, its volumes included"],
  [/^kubernetes:core\/v1:PersistentVolume(Claim)?$/, "what is stored on a volume goes with it"],
  [/^kubernetes:apps\/v1:StatefulSet$/, "pods of a StatefulSet lose their volumes unless the next one takes them up"],
  [/CustomResourceDefinition$/, "a definition goes with all objects of its kind"],
  [
    /^kubernetes:helm\.sh\/v3:Release$/,
    "a release goes with all of its objects, definitions and what they define included",
  ],
  [
    /^kubernetes:storage\.k8s\.io\/v1:StorageClass$/,
    "no further volume of a StorageClass that is gone can be made; one that has volumes is kept",
  ],
  [/^random:/, "keys, passwords and identities that were made of a secret are no longer valid"],
];

function dataOf(all: readonly Resource[]): Risk[] {
  const groups = new Map<string, Resource[]>();
  const leaving = new Set(
    all.filter(({ type, action }) => isGroup(type) && action === "delete").map(({ name }) => name),
  );
  // Nobody misses the passwords of something that goes as a whole.
  const isMissed = ({ type, owner }: Resource) => !type.startsWith("random:") || !leaving.has(owner.name);
  const isData = ({ type }: Resource) => meanings.some(([pattern]) => pattern.test(type));
  for (const resource of all.filter(isGone).filter(isData).filter(isMissed)) {
    const key = `${resource.owner.name} ${verb(resource)}`;
    groups.set(key, [...(groups.get(key) ?? []), resource]);
  }
  return [...groups]
    .sort(([a], [b]) => compare(a, b))
    .flatMap(([, group]) => {
      const [first] = group;
      const labels = group.map((resource) =>
        resource.type.startsWith("random:") ? `secret ${resource.name}` : labelOf(resource),
      );
      const what = `${enumerated(labels.sort(compare))} ${labels.length === 1 ? "is" : "are"} ${first ? done(first) : ""}`;
      const meaning = meanings
        .filter(([pattern]) => group.some(({ type }) => pattern.test(type)))
        .map(([, each]) => each);
      const retained = kept(all);
      if (retained.length > 0 && group.some(({ type }) => type === "kubernetes:core/v1:Namespace")) {
        meaning.push(`what volumes of ${enumerated(retained)} hold stays, by their reclaim policy`);
      }
      return [
        { atRisk: labels.map((label) => `${first ? verb(first) : ""} ${label}`), what, meaning: meaning.join("; ") },
      ];
    });
}

/** Another authority: nothing is lost, and nobody who trusted the old one trusts what comes next. */
function authorities(all: readonly Resource[]): Risk[] {
  return all
    .filter(({ type, owner }) => type === "command:local:Command" && owner.component === "Authority")
    .filter(({ action }) => action !== "none" && action !== "create")
    .map(({ name }) => ({
      atRisk: [`replace authority ${name}`],
      what: `the authority ${name} is issued anew`,
      meaning: "everyone who trusts the old one has to be given the new one",
    }));
}
