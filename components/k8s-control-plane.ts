import { isDeepStrictEqual } from "node:util";
import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as k8s from "@pulumi/kubernetes";
import type { LoadedConfig } from "../config";
import { backends } from "../config/nodes";
import { recorded, type Marks, type Past } from "../config/past";
import { endsWithin, renewal, warningDays } from "../config/renewal";
import { approverUnit } from "../render/approver";
import { foundingConfig } from "../render/founding";
import { stepPath } from "../render/step";
import type { EsxiCluster } from "./esxi-cluster";
import { ClusterApi } from "./in-cluster/cluster-api";
import { Flannel } from "./in-cluster/flannel";
import { ServingCertificates } from "./in-cluster/serving-certificates";
import type { HaproxyFrontend } from "./haproxy-frontend";
import type { Machine } from "./machine/machine";
import { leaving, Nodes, words, type Member } from "./machine/nodes";
import type { Reach, Shell, Step, StepOptions } from "./machine/shell";

export interface K8sControlPlaneArgs {
  esxi: EsxiCluster;
  frontend: HaproxyFrontend;
  config: LoadedConfig;
  /** What the stack holds already. */
  past: Past;
}

/**
 * The masters, each with API server, controller manager, scheduler and a member of the stacked etcd, and the pod network. One of them
 * founds the cluster, once in its life; every other, and every one that is made anew later, is admitted by any that serves. They join two
 * at a time: from the moment that etcd has taken in one, the next one is admitted.
 */
export class K8sControlPlane extends pulumi.ComponentResource {
  /** URL of the API behind the frontend. */
  readonly apiUrl: string;
  /** When the first certificate of each master ends, in ISO 8601, by the master's name. */
  readonly certificatesEnd: Record<string, pulumi.Output<string>> = {};
  /** Administrator's kubeconfig, secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** For everything inside the cluster. */
  readonly api: ClusterApi;
  /** The masters, in the order of their names. */
  readonly machines: Machine[];
  /** Done when masters judge the kubelets' requests for serving certificates. */
  readonly approvers: pulumi.Resource[];
  /** Where any master that serves answers to SSH. */
  readonly masters: Reach;
  /** Runs steps on any master that serves. */
  readonly anyMaster: Shell;
  private readonly nodes: Nodes;
  private readonly founded: remote.Command;
  private readonly memberships: pulumi.Resource[];
  private readonly podNetwork: Flannel;
  private readonly past: Past;
  /** Done when all masters, and what they keep for the whole cluster, are of the configured Kubernetes. */
  readonly upgraded: remote.Command;
  /** Whether this run brings masters another Kubernetes, or another containerd. */
  private readonly upgradesMasters: boolean;

  constructor(name: string, args: K8sControlPlaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:K8sControlPlane", name, {}, opts);
    const { esxi, frontend, config } = args;
    const { kubernetes, network, controlPlane } = config;
    this.past = args.past;
    this.apiUrl = `https://${frontend.endpoint}:6443`;

    // Who reaches a master through the frontend cannot know which one answers, and who holds one of them holds the cluster.
    const hostKey = esxi.hostKey(name);
    const { host, port } = frontend.masters;
    this.masters = { host, port, user: esxi.user, key: esxi.adminKey, hostKey: hostKey.publicKey };
    const cluster = ClusterApi.identity(name, { parent: this });
    this.nodes = new Nodes(name, esxi, config, frontend.endpoint, this.masters, cluster, args.past, {
      parent: this,
    });
    this.anyMaster = this.nodes.anyMaster;

    let founded: remote.Command | undefined;
    const members = this.nodes.add("master", controlPlane, {
      parent: this,
      atOnce: 1,
      protect: controlPlane.protect,
      hostKey,
      leaveInTurn: true,
      joinsAfter: (machine, prepared, before) => {
        founded ??= this.found(name, machine, [...prepared, ...frontend.configured], args);
        // The founder's join is none. Of the others, at most one is still at it.
        const [, ...joining] = before;
        return [founded, ...joining.slice(-2, -1).map(({ joined }) => joined)];
      },
    });
    if (!founded) {
      throw new Error(`control plane ${name} has no master`);
    }
    this.founded = founded;
    this.machines = members.map(({ machine }) => machine);
    this.memberships = members.map(({ membership }) => membership);

    const { version } = kubernetes;
    // A run that ended before a master was made anew has left none to upgrade.
    const unfinished = (args.past.plane ?? version) !== version;
    this.upgradesMasters =
      unfinished || this.machines.some(({ machineName }) => this.nodes.upgrades(machineName).length > 0);
    this.upgraded = this.nodes.anyMaster.later(
      `${name}${recorded.plane}`,
      {
        update: {
          script: "finish-upgrade",
          parameters: { VERSION: version },
          timeoutSeconds: 1800,
        },
      },
      { parent: this, dependsOn: this.upgradesMasters ? this.memberships : [] },
    );

    const renewals = this.renewCertificates(members, args);
    this.kubeconfig = this.run(
      `${name}-kubeconfig`,
      { script: "read-kubeconfig", secretOutput: true, ...(renewals.asked && { again: renewals.asked }) },
      { parent: this, dependsOn: renewals.due },
    ).stdout;
    this.api = new ClusterApi(name, this.kubeconfig, cluster, { parent: this });
    this.podNetwork = new Flannel(
      `${name}-flannel`,
      { api: this.api, podCidr: network.podCidr, backend: kubernetes.flannelBackend },
      { parent: this },
    );
    const { timeout, force } = kubernetes.drain;
    const masters = Object.keys(controlPlane.nodes);
    const nodes = [...masters, ...Object.values(config.workers).flatMap((pool) => Object.keys(pool.nodes))];
    // Deletes come last, and read what this run has set: how nodes leave, and who is to be there.
    new k8s.core.v1.ConfigMap(
      `${name}-drain-policy`,
      {
        metadata: { name: "esxi-k8s-drain", namespace: "kube-system" },
        data: { timeout, force: String(force), masters: words(masters.sort()), nodes: words(nodes.sort()) },
      },
      this.api.inCluster(this),
    );

    // What kubelets may be known by. They ask for it once they are there, again and again until they have it.
    const servingCertificates = new ServingCertificates(
      `${name}-serving-certificates`,
      {
        api: this.api,
        nodes: Object.fromEntries(
          backends(controlPlane, ...Object.values(config.workers)).map((node) => [node.name, node.address]),
        ),
      },
      { parent: this },
    );
    this.approvers = members.map(({ machine, membership }) =>
      machine.run(
        `${machine.machineName}-approver`,
        {
          script: "run-approver",
          texts: { UNIT: approverUnit(stepPath("approver-login"), stepPath("approve-serving-certificates")) },
        },
        { parent: machine, dependsOn: [membership, servingCertificates] },
      ),
    );

    // Nothing needs all masters, but who brings up a stack is told when one does not become Ready.
    for (const { machine, membership } of members) {
      this.run(
        `${machine.machineName}-ready`,
        { script: "await-node", parameters: { NAME: machine.machineName }, again: machine.identity },
        { parent: machine, dependsOn: [membership, this.podNetwork.daemon] },
      );
    }

    this.registerOutputs({ apiUrl: this.apiUrl, kubeconfig: this.kubeconfig });
  }

  /**
   * Keeps the certificates that kubeadm makes on masters in force: those that are due are renewed on one master after the other, whose API
   * server and etcd start again.
   * @returns what asked for it, last or now, and the steps that this run waits for
   */
  private renewCertificates(
    members: Member[],
    { config, past }: K8sControlPlaneArgs,
  ): { asked: string; due: remote.Command[] } {
    const asked: string[] = [];
    const due: remote.Command[] = [];
    for (const { machine, membership } of members) {
      const name = `${machine.machineName}${recorded.renewal}`;
      const known = past.certificates.get(name);
      const end = renewal(known, config.certificates.renewBeforeDays);
      const step = machine.run(
        name,
        { script: "renew-certificates", parameters: { DUE: end }, timeoutSeconds: 600 },
        { parent: machine, dependsOn: [membership, ...due] },
      );
      asked.push(end);
      if (known !== undefined && end !== known.due) {
        due.push(step);
      }
      const until = step.stdout.apply((printed) => /^UNTIL=(\S+)$/m.exec(printed)?.[1] ?? "");
      this.certificatesEnd[machine.machineName] = until;
      until.apply((when) => {
        if (endsWithin(warningDays, when)) {
          void pulumi.log.warn(
            `certificates of ${machine.machineName} are valid until ${when}: run pulumi up to renew them`,
            this,
          );
        }
      });
    }
    return { asked: asked.sort().at(-1) ?? "", due };
  }

  /** Makes the cluster, once in its life: nothing that changes later, and no machine that is made anew, runs this again. */
  private found(
    name: string,
    machine: Machine,
    dependsOn: pulumi.Resource[],
    { frontend, config, past }: K8sControlPlaneArgs,
  ): remote.Command {
    const { kubernetes } = config;
    const { machineName, address } = machine;
    return machine.runOnce(
      `${name}-founded`,
      {
        script: "init-control-plane",
        timeoutSeconds: 600,
        parameters: { VERSION: kubernetes.version, ENDPOINT: `${frontend.endpoint}:6443` },
        texts: {
          CONFIG: foundingConfig(config, pulumi.getStack(), { name: machineName, address }),
        },
      },
      past.founded !== undefined,
      { parent: this, dependsOn },
    );
  }

  /** Runs a step that needs the cluster rather than a node: on any master that serves, with kubectl. */
  run(name: string, step: Step, opts: StepOptions): remote.Command {
    const taken = this.machines.map(({ booted }) => booted);
    return this.nodes.anyMaster.step(name, step, [], {
      ...opts,
      dependsOn: [this.founded, ...taken, ...(opts.dependsOn ?? [])],
    });
  }

  /**
   * Joins machines as workers, as soon as the cluster is founded and beside the joins of later masters.
   * @param labels node labels
   * @param pool its taints are in force before the first pod is placed
   * @returns the machines; ready when those that are new, or that this run disturbs, are Ready and labelled
   */
  addWorkers(
    pool: LoadedConfig["workers"][string],
    labels: Record<string, string>,
    opts: { parent: pulumi.Resource },
  ): { machines: Machine[]; ready: pulumi.Resource[] } {
    const { taints, maxUnavailable } = pool;
    const marks: Marks = {
      LABELS: lines(Object.entries(labels).map(([key, value]) => `${key}=${value}`)),
      TAINTS: lines(taints.map(({ key, value, effect }) => `${key}${value ? `=${value}` : ""}:${effect}`)),
    };
    const members = this.nodes.add("worker", pool, {
      parent: opts.parent,
      atOnce: maxUnavailable,
      taints,
      // No kubelet is newer than the masters.
      joinsAfter: () => [this.founded, ...(this.upgradesMasters ? this.memberships : [])],
      disturbedAfter: [...this.memberships, this.upgraded],
      marks: {
        changed: (node) => !isDeepStrictEqual(this.past.marks.get(node) ?? marks, marks),
        set: (machine, membership) =>
          this.run(
            `${machine.machineName}-labels`,
            {
              script: "label-node",
              parameters: { NAME: machine.machineName },
              texts: { ...marks },
              // A replaced machine is another node, whose labels are to be set anew.
              again: machine.identity,
              timeoutSeconds: leaving,
            },
            // A node is Ready when it has the pod network.
            { parent: machine, dependsOn: [membership, this.podNetwork.daemon] },
          ),
      },
    });
    // Nobody waits for a node that was there before and stays as it is: it may be down.
    const awaited = members.filter(({ machine, disturbed }) => disturbed || !this.past.marks.has(machine.machineName));
    return { machines: members.map(({ machine }) => machine), ready: awaited.map(({ settled }) => settled) };
  }
}

const lines = (all: string[]) => all.join("\n");
