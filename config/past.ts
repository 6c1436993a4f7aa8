/** A machine that the stack has made, as it was when it was last changed. */
export interface PastMachine {
  address: string;
  /** The host and its datastore, as the configuration had them. */
  place: string;
  cpus: number;
  memoryMiB: number;
  /** Those of the group and of the machine, such as `2.1`. */
  generation: string;
}

/** Why a machine is away for a while. */
export type Disturbance = "restarted" | "replaced";

/** What a stack holds before a run changes anything. Without one, everything is new. */
export interface Past {
  /** Machines by name. One of which the last run did not come to say how it is has only a virtual machine. */
  machines: ReadonlyMap<string, PastMachine>;
  /** UUIDs of the virtual machines, by name. */
  virtualMachines: ReadonlyMap<string, string>;
  /** Names of the machines that are masters. */
  masters: ReadonlySet<string>;
  /** kubeadm's configuration with which the cluster was founded. */
  founded?: string;
}

export const nothingYet: Past = { machines: new Map(), virtualMachines: new Map(), masters: new Set() };

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
} as const;

/**
 * Reads a state.
 * @param resources by URN
 */
export function readPast(resources: Record<string, StateRecord>): Past {
  const machines = new Map<string, PastMachine>();
  const masters = new Set<string>();
  // A machine that was lost has left its component behind: its virtual machine tells.
  const virtualMachines = new Map<string, string>();
  let founded: string | undefined;
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
    if (type === "command:remote:Command" && name.endsWith(recorded.founding)) {
      const [texts] = outputs.triggers as [{ CONFIG: string }];
      founded = texts.CONFIG;
    }
  }
  return { machines, virtualMachines, masters, founded };
}

function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

function isPastMachine(value: unknown): value is PastMachine {
  return typeof value === "object" && value !== null && "address" in value;
}
