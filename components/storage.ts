import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../config";
import type { K8sControlPlane } from "./k8s-control-plane";
import { LocalPathStorage } from "./local-path-storage";

export interface StorageArgs {
  controlPlane: K8sControlPlane;
  config: LoadedConfig["storage"];
  /** Nodes that take the provisioner's pods. */
  dependsOn: pulumi.Resource[];
}

/** The default StorageClass that the configuration chose. */
export class Storage extends pulumi.ComponentResource {
  /** Done when volumes can be asked for. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: StorageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Storage", name, {}, opts);
    const { controlPlane, config, dependsOn } = args;
    switch (config.type) {
      case "local-path": {
        const localPath = { controlPlane, path: config.path, dependsOn };
        this.ready = [new LocalPathStorage(`${name}-local-path`, localPath, { parent: this }).ready];
        break;
      }
      case "none":
        this.ready = [];
    }
    this.registerOutputs({});
  }
}
