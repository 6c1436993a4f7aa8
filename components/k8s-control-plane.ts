import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../config";
import { componentImages, flannelCniPluginImage, flannelImage } from "../config/images";
import { byName } from "../config/nodes";
import { nodePackages } from "../config/repositories";
import { initConfig } from "../render/kubeadm";
import { nodeFiles } from "../render/sources";
import type { EsxiCluster } from "./esxi-cluster";
import { ClusterApi } from "./in-cluster/cluster-api";
import { Flannel } from "./in-cluster/flannel";
import type { HaproxyFrontend } from "./haproxy-frontend";
import { Joining } from "./machine/joining";
import type { Machine, MachineStep } from "./machine/machine";

export interface K8sControlPlaneArgs {
  esxi: EsxiCluster;
  frontend: HaproxyFrontend;
  config: LoadedConfig;
}

/**
 * The masters, each with API server, controller manager, scheduler and a member of the stacked etcd, and the pod
 * network. The first master by name runs `kubeadm init`, the others join two at a time: etcd takes in one learner after the
 * other, and kubeadm asks again until it is its turn.
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
  private readonly podNetwork: Flannel;
  private readonly config: LoadedConfig;
  private pullsFor?: Machine;

  constructor(name: string, args: K8sControlPlaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:K8sControlPlane", name, {}, opts);
    const { esxi, frontend, config } = args;
    const { kubernetes, network, controlPlane } = config;
    this.config = config;
    this.apiUrl = `https://${frontend.endpoint}:6443`;

    this.machines = byName(controlPlane).map(([node, placed]) =>
      esxi.clone("master", node, placed, controlPlane, { parent: this, protect: controlPlane.protect }),
    );
    const { ignorePreflightErrors } = kubernetes;
    this.joining = new Joining(name, this.machines, frontend.endpoint, esxi.user, ignorePreflightErrors, {
      parent: this,
    });

    const [first, ...later] = this.machines.map((master) => ({
      master,
      prepared: [this.prepare(master, "master"), this.joining.allow(master)],
    }));
    if (!first) {
      throw new Error(`control plane ${name} has no master`);
    }
    this.initialized = first.master.run(
      `${first.master.machineName}-init`,
      {
        script: "init-control-plane",
        timeoutSeconds: 600,
        parameters: { VERSION: kubernetes.version, ENDPOINT: `${frontend.endpoint}:6443` },
        texts: {
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
    // Two at a time: kubeadm asks etcd for two minutes whether it may bring its learner.
    const joined: remote.Command[] = [];
    for (const { master, prepared } of later) {
      const before = joined.at(-2) ?? this.initialized;
      joined.push(this.joining.join(master, "master", { dependsOn: [...prepared, before] }));
    }

    this.kubeconfig = first.master.run(
      `${name}-kubeconfig`,
      { script: "read-kubeconfig", secretOutput: true },
      { parent: this, dependsOn: [this.initialized] },
    ).stdout;
    this.api = new ClusterApi(name, this.kubeconfig, { parent: this });
    this.podNetwork = new Flannel(
      `${name}-flannel`,
      { api: this.api, podCidr: network.podCidr, backend: kubernetes.flannelBackend },
      { parent: this },
    );

    this.ready = first.master.run(
      `${name}-ready`,
      {
        script: "await-nodes",
        parameters: { NODES: this.machines.map(({ machineName }) => machineName).join(" ") },
      },
      { parent: this, dependsOn: [this.initialized, ...joined, this.podNetwork.daemon] },
    );

    this.registerOutputs({ apiUrl: this.apiUrl, kubeconfig: this.kubeconfig });
  }

  /** Runs a step that needs the cluster rather than a node: on the first master, with kubectl. */
  run(name: string, step: MachineStep, opts: Parameters<Machine["run"]>[2]): remote.Command {
    const [first] = this.machines as [Machine];
    return first.run(name, step, opts);
  }

  /** Makes a machine ready for kubeadm. */
  private prepare(machine: Machine, role: "master" | "worker"): remote.Command {
    const { kubernetes, registryMirrors } = this.config;
    const installs = kubernetes.install === "packages";
    const pulls = installs || Object.keys(registryMirrors).length > 0;
    return machine.run(
      `${machine.machineName}-prepare`,
      {
        script: "prepare-node",
        timeoutSeconds: 900,
        parameters: {
          VERSION: kubernetes.version,
          PACKAGES: installs ? words(nodePackages(this.config).map(({ name }) => name)) : "",
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
  private imagesFor(machine: Machine, role: "master" | "worker"): string[] {
    if (role === "worker") {
      this.pullsFor ??= machine;
    }
    return this.pullsFor === machine ? componentImages(this.config) : [flannelImage, flannelCniPluginImage];
  }

  /**
   * Joins machines as workers, as soon as the first master serves and beside the joins of later masters.
   * @param name of the pool; its step that labels nodes carries it
   * @param labels node labels
   * @param taints node taints, in force before the first pod is placed
   * @returns done when all of them are Ready and labelled
   */
  joinWorkers(
    name: string,
    machines: Machine[],
    { labels, taints }: WorkerRole,
    opts: { parent: pulumi.Resource },
  ): pulumi.Resource[] {
    const joined = machines.map((machine) =>
      this.joining.join(machine, "worker", { dependsOn: [this.prepare(machine, "worker"), this.initialized], taints }),
    );
    if (machines.length === 0) {
      return [];
    }
    const labelled = this.run(
      `${name}-labels`,
      {
        script: "label-nodes",
        parameters: {
          NODES: words(machines.map(({ machineName }) => machineName)),
          LABELS: words(Object.entries(labels).map(([key, value]) => `${key}=${value}`)),
          TAINTS: words(taints.map(({ key, value, effect }) => `${key}${value ? `=${value}` : ""}:${effect}`)),
        },
        // A replaced machine is another node, whose labels are to be set anew.
        again: machines.map(({ identity }) => identity),
      },
      // A node is Ready when it has the pod network.
      { parent: opts.parent, dependsOn: [...joined, this.podNetwork.daemon] },
    );
    return [labelled];
  }
}

/** A parameter that a script takes apart again. */
const words = (all: string[]) => all.join(" ");

type WorkerRole = Pick<LoadedConfig["workers"][string], "labels" | "taints">;
