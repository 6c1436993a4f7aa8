import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../config";
import type { K8sControlPlane } from "./k8s-control-plane";
import type { Machine } from "./machine/machine";

export interface WorkerPoolArgs {
  controlPlane: K8sControlPlane;
  config: LoadedConfig["workers"][string];
}

/** Workers of one size with the same labels and taints. They join in parallel; no worker depends on another. */
export class WorkerPool extends pulumi.ComponentResource {
  readonly machines: Machine[];
  /** Done when every node of the pool that is new, or that this run disturbs, is Ready and labelled. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: WorkerPoolArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:WorkerPool", name, {}, opts);
    const { controlPlane, config } = args;
    const labels = { "node-role.kubernetes.io/worker": "", "esxi-k8s/pool": name, ...config.labels };
    const { machines, ready } = controlPlane.addWorkers(config, labels, { parent: this });
    this.machines = machines;
    this.ready = ready;
    this.registerOutputs({ nodes: this.machines.map(({ machineName }) => machineName) });
  }
}
