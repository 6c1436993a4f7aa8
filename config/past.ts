import type { PastCertificate } from "./renewal";

/** A machine that the stack has made, as it was when it was last changed. */
export interface PastMachine {
  address: string;
  /** The host and its datastore, as the configuration had them. */
  place: string;
  cpus: number;
  memoryMiB: number;
  diskGiB: number;
  /** Those of the group and of the machine, such as `2.1`; with the Kubernetes for whose template a node was made anew. */
  generation: string;
  /** Whether its kubelet was started to be told by a cloud provider which machine it is on. */
  externalCloudProvider?: boolean;
}

/** What a run does to a machine that exists. It is away for a while when it is restarted, replaced or upgraded. */
export type Disturbance = "restarted" | "replaced" | "upgraded" | "grown" | "relabelled";

/** What is to be done to a machine so that it is what is wanted. Nothing to one that is not there. */
export function disturbance(made: PastMachine | undefined, wanted: PastMachine): Disturbance | undefined {
  const differs = (...properties: (keyof PastMachine)[]) =>
    made !== undefined && properties.some((property) => made[property] !== wanted[property]);
  if (differs("address", "generation", "place")) {
    return "replaced";
  }
  if (differs("cpus", "memoryMiB")) {
    return "restarted";
  }
  return differs("diskGiB") ? "grown" : undefined;
}

/** Labels and taints of a node, a line each as kubectl takes them. */
export interface Marks {
  LABELS: string;
  TAINTS: string;
}

/** What a stack holds before a run changes anything. Without one, everything is new. */
export interface Past {
  /** Machines by name. One of which the last run did not come to say how it is has only a virtual machine. */
  machines: ReadonlyMap<string, PastMachine>;
  /** UUIDs of the virtual machines, by name. */
  virtualMachines: ReadonlyMap<string, string>;
  /** Names of the machines that are masters. */
  masters: ReadonlySet<string>;
  /** Nodes that the state owes a leave: their machine is gone, or another one by now. */
  departed: ReadonlySet<string>;
  /** What nodes of machines that exist were labelled with, by their names. */
  marks: ReadonlyMap<string, Marks>;
  /** Certificates by the names of the resources that issue or renew them. */
  certificates: ReadonlyMap<string, PastCertificate>;
  /** Versions of Kubernetes, without v, of the nodes that have joined, by their names. */
  versions: ReadonlyMap<string, string>;
  /** The version, without v, that the masters were last brought to as a whole; none before the cluster was made. */
  plane?: string;
  /** Versions of containerd that they were to have, as apt-get takes them, such as `2.*`; none of nodes that have it from their template. */
  runtimes: ReadonlyMap<string, string>;
  /** What Consul's volumes were asked for with; no class for that which was the default. */
  consulVolumes?: { size: string; storageClass?: string };
  /** Certificate of the authority, in PEM, of which Consul's servers present certificates. */
  consulAuthority?: string;
  /** How the cluster was founded: kubeadm's configuration, and the UUID of the machine on which that was. */
  founded?: { machine: unknown; config: string };
}

export const nothingYet: Past = {
  machines: new Map(),
  virtualMachines: new Map(),
  masters: new Set(),
  departed: new Set(),
  marks: new Map(),
  certificates: new Map(),
  versions: new Map(),
  runtimes: new Map(),
};

/** A resource in a state. */
export interface StateRecord {
  type: string;
  outputs: Record<string, unknown>;
}

/** Names in URNs that a past is read from; what is declared has to be named like this. */
export const recorded = {
  machine: "esxi-k8s:index:Machine",
  virtualMachine: "vsphere:index/virtualMachine:VirtualMachine",
  controlPlane: "esxi-k8s:index:K8sControlPlane",
  founding: "-founded",
  join: "-join",
  prepare: "-prepare",
  plane: "-kubernetes",
  membership: "-membership",
  labels: "-labels",
  renewal: "-certificates",
  consul: "consul",
  presents: "-presents",
} as const;

/**
 * Reads a state.
 * @param resources by URN
 */
export function readPast(resources: Record<string, StateRecord>): Past {
  const machines = new Map<string, PastMachine>();
  const masters = new Set<string>();
  const joined = new Set<unknown>();
  const departed = new Set<string>();
  const marks = new Map<string, Marks>();
  const certificates = new Map<string, PastCertificate>();
  const prepared = new Map<string, string>();
  const equipped = new Map<string, string>();
  // A machine that was lost has left its component behind: its virtual machine tells.
  const virtualMachines = new Map<string, string>();
  let founded: Past["founded"];
  let plane: string | undefined;
  let consulVolumes: Past["consulVolumes"];
  let consulAuthority: Past["consulAuthority"];
  for (const [urn, { type, outputs }] of Object.entries(resources)) {
    if (type === recorded.virtualMachine) {
      virtualMachines.set(nameOf(urn), String(outputs.uuid));
    }
  }
  for (const [urn, { type, outputs }] of Object.entries(resources)) {
    const name = nameOf(urn);
    if (type === recorded.machine && virtualMachines.has(name) && isPastMachine(outputs.made)) {
      machines.set(name, outputs.made);
      if (urn.includes(`${recorded.controlPlane}$`)) {
        masters.add(name);
      }
    }
    if (type === "kubernetes:helm.sh/v3:Release" && name === recorded.consul) {
      const { server } = outputs.values as { server: { storage: string; storageClass?: string } };
      consulVolumes = { size: server.storage, storageClass: server.storageClass };
    }
    if (type === "command:remote:Command" && name === recorded.consul + recorded.presents) {
      const [texts] = outputs.triggers as [{ CA: string }];
      consulAuthority = texts.CA;
    }
    if (type === "command:remote:Command" && name.endsWith(recorded.founding)) {
      const [machine, texts] = outputs.triggers as [string, { CONFIG: string }];
      founded = { machine, config: texts.CONFIG };
      joined.add(machine);
    }
    if (type === "command:remote:Command" && name.endsWith(recorded.join)) {
      const [machine] = outputs.triggers as [string];
      joined.add(machine);
    }
    if (type === "command:remote:Command" && name.endsWith(recorded.renewal)) {
      remember(
        certificates,
        name,
        /^UNTIL=(\S+)$/m.exec(String(outputs.stdout))?.[1],
        / DUE='?([^\s']*)/.exec(String(outputs.create))?.[1],
      );
    }
    // What they issue is a secret, and when it ends is none.
    if (type === "command:local:Command" && typeof outputs.stderr === "string") {
      const [due] = (outputs.triggers ?? []) as string[];
      remember(certificates, name, /^valid until (\S+)$/m.exec(outputs.stderr)?.[1], due);
    }
    if (type === "command:remote:Command" && name.endsWith(recorded.prepare)) {
      const [machine] = outputs.triggers as [string];
      const node = name.slice(0, -recorded.prepare.length);
      const version = / VERSION=(\S+)/.exec(String(outputs.create))?.[1];
      const runtime = / containerd\.io=([^\s']+)/.exec(String(outputs.create))?.[1];
      if (virtualMachines.get(node) === machine) {
        if (version !== undefined) prepared.set(node, version);
        if (runtime !== undefined) equipped.set(node, runtime);
      }
    }
    if (type === "command:remote:Command" && name.endsWith(recorded.plane)) {
      plane = / VERSION=(\S+)/.exec(String(outputs.update))?.[1];
    }
    if (type === "command:remote:Command" && name.endsWith(recorded.membership)) {
      const [machine] = outputs.triggers as [string];
      const node = name.slice(0, -recorded.membership.length);
      if (virtualMachines.get(node) !== machine) {
        departed.add(node);
      }
    }
    if (type === "command:remote:Command" && name.endsWith(recorded.labels)) {
      const [texts, machine] = outputs.triggers as [Marks, string];
      const node = name.slice(0, -recorded.labels.length);
      if (virtualMachines.get(node) === machine) {
        marks.set(node, texts);
      }
    }
  }
  const ofNodes = (all: Map<string, string>) =>
    new Map([...all].filter(([name]) => joined.has(virtualMachines.get(name))));
  return {
    ...{ machines, virtualMachines, masters, departed, marks, certificates, consulVolumes, consulAuthority, founded },
    versions: ofNodes(prepared),
    plane,
    runtimes: ofNodes(equipped),
  };
}

/** The version with which a cluster was founded, without v. */
export function foundedVersion({ founded }: Past): string | undefined {
  return /^kubernetesVersion: v(.*)$/m.exec(founded?.config ?? "")?.[1];
}

function remember(all: Map<string, PastCertificate>, name: string, until?: string, due = ""): void {
  if (until !== undefined) {
    all.set(name, { until, due });
  }
}

function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

function isPastMachine(value: unknown): value is PastMachine {
  return typeof value === "object" && value !== null && "address" in value;
}
