import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig, MachineSize, NodeConfig, Taint } from "../../config";
import type { Disturbance, Past } from "../../config/past";
import { componentImages, flannelCniPluginImage, flannelImage } from "../../config/images";
import { byName, sizeOf, templateKubernetes } from "../../config/nodes";
import { nodePackages, repositories, runtimeVersion } from "../../config/repositories";
import { hasType } from "../../config/storage";
import { joinConfig } from "../../render/kubeadm";
import { nodeFiles } from "../../render/sources";
import { stepPath } from "../../render/step";
import { knownHost, type Machine } from "./machine";
import { Shell, type Reach } from "./shell";
import { sshIdentity, type SshIdentity } from "./ssh-identity";
import { turns, type Turn } from "./turns";

type Role = "master" | "worker";

/** Where machines come from. */
export interface Cloner {
  /** What this run does to a machine that exists. */
  disturbance(name: string, node: NodeConfig, group: Group): Disturbance | undefined;
  /** Whether the machine by which a node has joined is gone, or has been made anew. */
  departed(name: string): boolean;
  clone(
    role: Role,
    name: string,
    node: NodeConfig,
    group: Group,
    opts: { parent: pulumi.Resource; after: pulumi.Resource[]; protect?: boolean; hostKey?: SshIdentity },
  ): Machine;
}

/** Machines of one kind, as the configuration has them. */
export interface Group extends MachineSize {
  nodes: Record<string, NodeConfig & { protect?: boolean }>;
  generation: number;
  /** The Kubernetes that the machines are made anew for; see `templateKubernetes`. */
  kubernetes?: string;
}

export interface GroupOptions {
  /** Owner of the machines. */
  parent: pulumi.Resource;
  /** How many may be away at the same time. */
  atOnce: number;
  /** In force before the first pod is placed. */
  taints?: Taint[];
  /** Whether Pulumi refuses to delete the machines. */
  protect?: boolean;
  /** Key by which the machines are known; default: each has its own. */
  hostKey?: SshIdentity;
  /** What a prepared machine waits for before it joins, and who joined before it. */
  joinsAfter: (machine: Machine, prepared: pulumi.Resource[], before: Member[]) => pulumi.Resource[];
  /** Leave one after the other. */
  leaveInTurn?: boolean;
  /** At work before a machine that exists is disturbed. */
  disturbedAfter?: pulumi.Resource[];
  /** Labels and taints of the nodes. */
  marks?: {
    /** Whether this run changes those of a node that has some. */
    changed: (node: string) => boolean;
    set: (machine: Machine, membership: remote.Command) => remote.Command;
  };
}

/** A machine that is a node of the cluster. */
export interface Member {
  machine: Machine;
  joined: remote.Command;
  /** Stands for the membership: done when the node has joined, and deleted, which lets the node leave, before its machine goes. */
  membership: remote.Command;
  /** Done when others may be disturbed. */
  settled: remote.Command;
  disturbed?: Disturbance;
}

/**
 * How machines become nodes, are restarted, and leave. Who needs the cluster asks any master that serves, through the frontend and with a
 * key for that purpose alone: none of them is special. Credentials of a join are minted at that moment, so a join can be repeated at any
 * time later, and none of them is ever in the state.
 */
export class Nodes {
  private readonly keys: Record<Role, SshIdentity>;
  /** Runs steps that need the cluster rather than a node: on any master that serves, with kubectl. */
  readonly anyMaster: Shell;
  private readonly gate: remote.Command;
  private pullsFor?: Machine;

  /**
   * @param reach where any master that serves answers
   * @param cluster what the nodes are deleted with, without leaving one by one
   * @param past what the stack holds already
   */
  constructor(
    name: string,
    private readonly esxi: Cloner,
    private readonly config: LoadedConfig,
    private readonly endpoint: string,
    private readonly reach: Reach,
    private readonly cluster: pulumi.Resource,
    private readonly past: Past,
    opts: { parent: pulumi.Resource },
  ) {
    this.anyMaster = new Shell(reach, "master");
    this.keys = {
      master: sshIdentity(`${name}-master-join-key`, opts),
      worker: sshIdentity(`${name}-worker-join-key`, opts),
    };
    const { controlPlane, workers, kubernetes } = config;
    const listed = (groups: Group[]) =>
      words(groups.flatMap((group) => byName(group).map(([node, { address }]) => `${node}=${address}`)));
    // Nothing runs at the creation of the cluster, when there is nobody to ask.
    this.gate = this.anyMaster.later(
      `${name}-gate`,
      {
        update: {
          script: "check-change",
          parameters: {
            MASTERS: listed([controlPlane]),
            WORKERS: listed(Object.values(workers)),
            VERSION: kubernetes.version,
            REPOSITORY: this.installs ? repositoryOf(config) : "",
            CLASSES: words(Object.keys(config.storage.classes).sort()),
          },
        },
      },
      // Before the cluster is founded, there is nobody to ask: whatever changes, nothing runs when it is made anew.
      { ...opts, deletedWith: cluster, replaceOnChanges: this.past.founded === undefined ? ["update"] : [] },
    );
  }

  /** Makes machines of the group nodes of the cluster, in the order in which they may be disturbed. */
  add(role: Role, configured: Group, opts: GroupOptions): Member[] {
    const members = new Map<string, Member>();
    const group = { ...configured, kubernetes: templateKubernetes(this.config, this.past) };
    const disturbed = (name: string, node: NodeConfig) => {
      const machine = this.esxi.disturbance(name, node, group);
      if (machine === "replaced" || machine === "restarted") {
        return machine;
      }
      if (this.upgrades(name).length > 0) {
        return "upgraded";
      }
      return machine ?? (opts.marks?.changed(name) ? "relabelled" : undefined);
    };
    const order = turns(byName(group), disturbed, opts.atOnce);
    this.announce(role, order, opts);
    for (const turn of order) {
      const before = [
        ...turn.after.flatMap((other) => members.get(other)?.settled ?? []),
        ...(turn.disturbed === undefined ? [] : (opts.disturbedAfter ?? [])),
      ];
      members.set(turn.name, this.member(role, turn, group, [...members.values()], before, opts));
    }
    return byName(group).flatMap(([name]) => members.get(name) ?? []);
  }

  /** What of another version this run brings to a node that has one. */
  upgrades(name: string): string[] {
    const { runtime } = this;
    const { kubernetes } = this.config;
    const changes = (past: ReadonlyMap<string, string>, version: string) => (past.get(name) ?? version) !== version;
    return [
      ...(changes(this.past.versions, kubernetes.version) ? [`Kubernetes ${kubernetes.version}`] : []),
      ...(runtime !== undefined && changes(this.past.runtimes, runtime) ? [`containerd ${runtime}`] : []),
    ];
  }

  /** Whether nodes install what they need, or have it from their template. */
  private get installs(): boolean {
    return this.config.kubernetes.install === "packages";
  }

  /** Version of containerd, where nodes install it. */
  private get runtime(): string | undefined {
    return this.installs ? runtimeVersion(this.config) : undefined;
  }

  /** Says in what order an upgrade goes, which no list of resources shows. */
  private announce(role: Role, order: Turn<NodeConfig>[], { parent, atOnce }: GroupOptions): void {
    const all = order.map(({ name }) => ({ name, what: this.upgrades(name).join(" and ") }));
    for (const what of new Set(all.flatMap((each) => each.what || []))) {
      const names = all.filter((each) => each.what === what).map(({ name }) => name);
      const several = atOnce === 1 ? ", one after the other" : `, ${String(atOnce)} at a time`;
      const pace = names.length === 1 ? "" : several;
      const when = role === "worker" ? ", when the masters have it" : "";
      void pulumi.log.info(
        `${what} is brought to ${names.join(", ")}${pace}${when}; each is emptied before, and taken back when it is well`,
        parent,
      );
    }
  }

  private member(
    role: Role,
    { name, node, disturbed }: Turn<Group["nodes"][string]>,
    group: Group,
    others: Member[],
    after: pulumi.Resource[],
    opts: GroupOptions,
  ): Member {
    const protect = node.protect ?? opts.protect;
    const { version } = this.config.kubernetes;
    const { runtime } = this;
    const shown = {
      NAME: name,
      SIZE: sizeOf(group),
      VERSION: version,
      ...(runtime !== undefined && { RUNTIME: runtime }),
    };
    const away = this.anyMaster.later(
      `${name}-away`,
      { update: { script: "drain-node", parameters: shown, timeoutSeconds: leaving } },
      {
        parent: opts.parent,
        dependsOn: [this.gate, ...after],
        deletedWith: this.cluster,
        // Whatever else changes of this resource must not empty a node, and would empty all at once.
        ignoreChanges: disturbed === "restarted" || disturbed === "upgraded" ? [] : ["*"],
      },
    );
    const machine = this.esxi.clone(role, name, node, group, {
      parent: opts.parent,
      after: [away],
      protect,
      hostKey: opts.hostKey,
    });
    const prepared = [
      machine.grown,
      this.prepare(machine, role),
      ...(role === "master" ? [this.allowJoins(machine)] : []),
    ];
    const joined = this.join(machine, role, {
      dependsOn: [...prepared, ...opts.joinsAfter(machine, prepared, others)],
      taints: opts.taints,
    });
    const membership = this.anyMaster.later(
      `${name}-membership`,
      {
        update: { script: "settle-node", parameters: shown, timeoutSeconds: 600 },
        delete: {
          script: "leave-node",
          parameters: joined.stdout.apply((printed) => ({ NAME: name, ...identities(printed) })),
          timeoutSeconds: leaving,
        },
        // The node of a replaced machine leaves before its machine goes.
        triggers: [machine.identity],
      },
      {
        parent: machine,
        dependsOn: [joined, ...(opts.leaveInTurn ? others.slice(-1).map(({ membership }) => membership) : [])],
        deletedWith: this.cluster,
        // Nothing protects the membership of a machine that is lost: it is replaced when the machine has been.
        protect: protect && !this.esxi.departed(name),
        deleteBeforeReplace: true,
      },
    );
    const settled = opts.marks?.set(machine, membership) ?? membership;
    return { machine, joined, membership, settled, disturbed };
  }

  /** Lets joining nodes ask this master for admission, and nothing else. */
  private allowJoins(master: Machine): remote.Command {
    return master.run(
      `${master.machineName}-allow-joins`,
      {
        script: "allow-joins",
        parameters: {
          JOIN_USER: this.reach.user,
          ADMIT: stepPath("admit"),
          MASTER_JOIN_KEY: this.keys.master.publicKey,
          WORKER_JOIN_KEY: this.keys.worker.publicKey,
        },
      },
      { parent: master },
    );
  }

  private join(machine: Machine, role: Role, opts: { dependsOn: pulumi.Resource[]; taints?: Taint[] }): remote.Command {
    const name = machine.machineName;
    const { ignorePreflightErrors } = this.config.kubernetes;
    const externalCloudProvider = hasType("vsphere", this.config.storage.classes);
    const node = { name, address: machine.address, taints: opts.taints, ignorePreflightErrors, externalCloudProvider };
    const { host, port, user } = this.reach;
    return machine.run(
      `${name}-join`,
      {
        script: "join-node",
        stdin: this.keys[role].privateKey,
        timeoutSeconds: 900,
        parameters: { ROLE: role, ADDRESS: machine.address, MASTERS: `ssh://${user}@${host}:${String(port)}` },
        texts: {
          CONFIG: joinConfig(this.endpoint, node, role === "master"),
          KNOWN_HOSTS: knownHost(this.reach),
        },
      },
      { parent: machine, dependsOn: opts.dependsOn },
    );
  }

  /** Makes a machine ready for kubeadm. */
  private prepare(machine: Machine, role: Role): remote.Command {
    const { kubernetes, registryMirrors } = this.config;
    const pulls = this.installs || Object.keys(registryMirrors).length > 0;
    return machine.equip(
      `${machine.machineName}-prepare`,
      {
        script: "prepare-node",
        // kubeadm gives each part of a control plane five minutes.
        timeoutSeconds: 1800,
        parameters: {
          VERSION: kubernetes.version,
          IGNORE: kubernetes.ignorePreflightErrors.join(","),
          PACKAGES: this.installs ? words(nodePackages(this.config).map(({ name }) => name)) : "",
          PULL: pulls ? role : "none",
          IMAGES: pulls ? words(this.imagesFor(machine, role)) : "",
        },
        texts: { FILES: nodeFiles(this.config) },
      },
      { parent: machine },
    );
  }

  /**
   * Images of this program that a node pulls beforehand. One worker pulls those of every component, so that a mirror without one is
   * found before a pod waits for it.
   */
  private imagesFor(machine: Machine, role: Role): string[] {
    if (role === "worker") {
      this.pullsFor ??= machine;
    }
    return this.pullsFor === machine ? componentImages(this.config) : [flannelImage, flannelCniPluginImage];
  }
}

/** Seconds for a node to be drained, whatever the policy is: the policy is read when that happens. */
export const leaving = 4 * 60 * 60;

/** URL of the repository that holds the configured Kubernetes. */
const repositoryOf = ({ packages, kubernetes }: LoadedConfig) =>
  repositories(packages, kubernetes.version).find(({ name }) => name === "kubernetes")?.url ?? "";

/** A parameter that a script takes apart again. */
export const words = (all: string[]) => all.join(" ");

/** What a join printed of its node's UID and etcd member's id, as parameters. Nothing when the run goes on without it, because it failed. */
function identities(printed = ""): Record<string, string> {
  return Object.fromEntries(
    [...printed.matchAll(/^(NODE_UID|MEMBER)=(\S+)$/gm)].map(([, key = "", value = ""]) => [key, value]),
  );
}
