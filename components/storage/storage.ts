import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../../config";
import type { ClusterApi } from "../in-cluster/cluster-api";
import { LocalPathStorage } from "./local-path";

export interface StorageArgs {
  api: ClusterApi;
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
    const { api, config, dependsOn } = args;
    switch (config.type) {
      case "local-path": {
        const localPath = { api, path: config.path, dependsOn };
        this.ready = [new LocalPathStorage(`${name}-local-path`, localPath, { parent: this }).ready];
        break;
      }
      case "none":
        this.ready = [];
    }
    this.registerOutputs({});
  }
}
