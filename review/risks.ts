import { compare, labelOf } from "./rows";
import { isGroup, isMachine, roleOf, type Resource, type Role } from "./stack";

/** Something that a reviewer has to have seen. */
export interface Risk {
  /** Short and stable, for programs: `delete machine master-2`. Nothing where no data is at risk. */
  atRisk?: string[];
  /** What happens, for the first line. */
  what: string;
  /** What that means. */
  meaning: string;
}

/** What is at risk, data first. */
export function risksOf(all: readonly Resource[], restarted: ReadonlySet<Resource>): Risk[] {
  const vms = all.filter(isMachine);
  const of = (role: Role) => vms.filter(({ owner }) => roleOf(owner) === role);
  const hasLocalPath = were(all).some(({ type }) => type === "esxi-k8s:index:LocalPathStorage");
  return [
    ...masters(of("master")),
    ...workers(of("worker"), hasLocalPath),
    ...dataOf(all),
    ...authorities(all),
    ...frontends(of("frontend")),
    ...restarts(vms, restarted),
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

function masters(vms: readonly Resource[]): Risk[] {
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
        meaning: "the cluster and everything that is declared in it are lost",
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

function workers(vms: readonly Resource[], hasLocalPath: boolean): Risk[] {
  const pools = new Map<string, Resource[]>();
  for (const vm of vms) {
    pools.set(vm.owner.name, [...(pools.get(vm.owner.name) ?? []), vm]);
  }
  return [...pools].flatMap(([pool, members]) => {
    const gone = members.filter(isGone);
    if (gone.length === 0) {
      return [];
    }
    const kept = were(members).length - gone.length;
    const disk = gone.length === 1 ? "its disk" : "their disks";
    const data = hasLocalPath ? `the local-path volumes on ${disk} are gone` : `what is on ${disk} is gone`;
    const left = `pool ${pool} keeps ${String(kept)} of ${String(were(members).length)} workers`;
    return [{ atRisk: entries(gone), what: happens(gone), meaning: `${data}; ${left}` }];
  });
}

/** No data is on these, but everybody comes in through them. */
function frontends(vms: readonly Resource[]): Risk[] {
  const [all, gone] = [were(vms), vms.filter(isGone)];
  if (gone.length === 0) {
    return [];
  }
  const kept = all.length - gone.length;
  const meaning =
    kept > 0
      ? `${String(kept)} of ${String(all.length)} HAProxy machines serve meanwhile`
      : "neither the API nor any route can be reached until another HAProxy machine serves";
  return [{ what: happens(gone), meaning }];
}

const away: Record<Role, string> = {
  master: "one at a time, each emptied before and taken back when it is Ready",
  worker: "maxUnavailable at a time, each emptied before and taken back when it is Ready",
  frontend: "all at the same time: neither the API nor any route can be reached while they boot",
};

/** Machines of one group that are restarted. */
function restarts(vms: readonly Resource[], restarted: ReadonlySet<Resource>): Risk[] {
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
    return [{ what, meaning: away[role] }];
  });
}

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
  [/^kubernetes:storage\.k8s\.io\/v1:StorageClass$/, "no further volume of a StorageClass that is gone can be made"],
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
