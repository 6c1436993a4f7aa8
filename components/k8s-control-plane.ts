import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../config";
import { byName } from "../config/nodes";
import { initConfig } from "../render/kubeadm";
import type { EsxiCluster } from "./esxi-cluster";
import { ClusterApi } from "./in-cluster/cluster-api";
import { Flannel } from "./in-cluster/flannel";
import type { HaproxyFrontend } from "./haproxy-frontend";
import { Joining } from "./machine/joining";
import type { Machine, MachineStep } from "./machine/machine";

export interface K8sControlPlaneArgs {
  esxi: EsxiCluster;
  frontend: HaproxyFrontend;
  config: LoadedConfig["controlPlane"];
  kubernetes: LoadedConfig["kubernetes"];
  network: LoadedConfig["network"];
}

/**
 * The masters, each with API server, controller manager, scheduler and a member of the stacked etcd, and the pod
 * network. The first master by name runs `kubeadm init`, the others join one at a time: etcd takes in one learner at
 * a time.
 */
export class K8sControlPlane extends pulumi.ComponentResource {
  /** URL of the API behind the frontend. */
  readonly apiUrl: string;
  /** Administrator's kubeconfig, secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** For everything inside the cluster. */
  readonly api: ClusterApi;
  /** The masters, in the order of their names. */
  readonly machines: Machine[];
  /** Done when workers may join. */
  readonly initialized: remote.Command;
  /** Done when all masters are Ready. */
  readonly ready: remote.Command;

  private readonly joining: Joining;
  private readonly kubernetes: LoadedConfig["kubernetes"];

  constructor(name: string, args: K8sControlPlaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:K8sControlPlane", name, {}, opts);
    const { esxi, frontend, config, kubernetes, network } = args;
    this.kubernetes = kubernetes;
    this.apiUrl = `https://${frontend.endpoint}:6443`;

    this.machines = byName(config).map(([node, placed]) =>
      esxi.clone(node, placed, config, { parent: this, protect: config.protect }),
    );
    const { ignorePreflightErrors } = kubernetes;
    this.joining = new Joining(name, this.machines, frontend.endpoint, esxi.user, ignorePreflightErrors, {
      parent: this,
    });

    const [first, ...later] = this.machines.map((master) => ({
      master,
      prepared: [this.prepare(master), this.joining.allow(master)],
    }));
    if (!first) {
      throw new Error(`control plane ${name} has no master`);
    }
    this.initialized = first.master.run(
      `${first.master.machineName}-init`,
      {
        script: "init-control-plane",
        timeoutSeconds: 600,
        parameters: {
          ENDPOINT: `${frontend.endpoint}:6443`,
          CONFIG: initConfig(
            {
              name: pulumi.getStack(),
              version: kubernetes.version,
              endpoint: frontend.endpoint,
              certSANs: [...frontend.addresses, ...kubernetes.apiServerCertSANs],
              podCidr: network.podCidr,
              serviceCidr: network.serviceCidr,
              kubelet: kubernetes.kubelet,
              kubeProxy: kubernetes.kubeProxy,
            },
            { name: first.master.machineName, address: first.master.address, ignorePreflightErrors },
          ),
        },
      },
      { parent: first.master, dependsOn: [...first.prepared, ...frontend.configured] },
    );
    const joined = later.reduce<remote.Command[]>((done, { master, prepared }) => {
      const previous = done.at(-1) ?? this.initialized;
      return [...done, this.joining.join(master, "master", { dependsOn: [...prepared, previous] })];
    }, []);

    this.kubeconfig = first.master.run(
      `${name}-kubeconfig`,
      { script: "read-kubeconfig", changesNode: false, secretOutput: true },
      { parent: this, dependsOn: [this.initialized] },
    ).stdout;
    this.api = new ClusterApi(name, this.kubeconfig, { parent: this });
    new Flannel(
      `${name}-flannel`,
      { api: this.api, podCidr: network.podCidr, backend: kubernetes.flannelBackend },
      { parent: this },
    );

    this.ready = first.master.run(
      `${name}-ready`,
      {
        script: "await-nodes",
        changesNode: false,
        parameters: { NODES: this.machines.map(({ machineName }) => machineName).join(" ") },
      },
      { parent: this, dependsOn: [this.initialized, ...joined] },
    );

    this.registerOutputs({ apiUrl: this.apiUrl, kubeconfig: this.kubeconfig });
  }

  /** Runs a step that needs the cluster rather than a node: on the first master, with kubectl. */
  run(name: string, step: Omit<MachineStep, "changesNode">, opts: Parameters<Machine["run"]>[2]): remote.Command {
    const [first] = this.machines as [Machine];
    return first.run(name, { ...step, changesNode: false }, opts);
  }

  /** Makes a machine ready for kubeadm. */
  prepare(machine: Machine): remote.Command {
    const { install, version } = this.kubernetes;
    return machine.run(
      `${machine.machineName}-prepare`,
      { script: "prepare-node", timeoutSeconds: 900, parameters: { INSTALL: install, VERSION: version } },
      { parent: machine },
    );
  }

  /**
   * Joins a machine as a worker, as soon as the first master serves and beside the joins of later masters.
   * @param labels node labels
   * @param taints node taints, in force before the first pod is placed
   */
  joinWorker(machine: Machine, { labels, taints }: WorkerRole): remote.Command {
    const joined = this.joining.join(machine, "worker", {
      dependsOn: [this.prepare(machine), this.initialized],
      taints,
    });
    const name = machine.machineName;
    return this.run(
      `${name}-label`,
      {
        script: "label-node",
        parameters: {
          TARGET: name,
          LABELS: Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(" "),
          TAINTS: taints.map(({ key, value, effect }) => `${key}${value ? `=${value}` : ""}:${effect}`).join(" "),
          // A replaced machine is another node, whose labels are to be set anew.
          IDENTITY: machine.identity,
        },
      },
      { parent: machine, dependsOn: [joined] },
    );
  }
}

type WorkerRole = Pick<LoadedConfig["workers"][string], "labels" | "taints">;
