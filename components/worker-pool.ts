import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../config";
import { byName } from "../config/nodes";
import type { EsxiCluster } from "./esxi-cluster";
import type { K8sControlPlane } from "./k8s-control-plane";
import type { Machine } from "./machine/machine";

export interface WorkerPoolArgs {
  esxi: EsxiCluster;
  controlPlane: K8sControlPlane;
  config: LoadedConfig["workers"][string];
}

/** Workers of one size with the same labels and taints. They join in parallel; no worker depends on another. */
export class WorkerPool extends pulumi.ComponentResource {
  readonly machines: Machine[];
  /** Done when every node of the pool is Ready and labelled. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: WorkerPoolArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:WorkerPool", name, {}, opts);
    const { esxi, controlPlane, config } = args;
    const labels = { "node-role.kubernetes.io/worker": "", "esxi-k8s/pool": name, ...config.labels };
    this.machines = byName(config).map(([node, placed]) =>
      esxi.clone("worker", node, placed, config, { parent: this }),
    );
    this.ready = controlPlane.joinWorkers(name, this.machines, { labels, taints: config.taints }, { parent: this });
    this.registerOutputs({ nodes: this.machines.map(({ machineName }) => machineName) });
  }
}
