import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../../config";
import { classesOf, type StorageTypeName } from "../../config/storage";
import type { ClusterApi } from "../in-cluster/cluster-api";
import { LocalPathStorage } from "./local-path";
import type { StorageType, StorageTypeArgs } from "./storage-type";

export interface StorageArgs {
  api: ClusterApi;
  config: LoadedConfig["storage"];
  /** Nodes that take the provisioners' pods. */
  dependsOn: pulumi.Resource[];
}

/** The StorageClasses of the configuration, with what makes their volumes: nothing of a type that no class is of. */
export class Storage extends pulumi.ComponentResource {
  /** Done when volumes can be asked for. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: StorageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Storage", name, {}, opts);
    const { api, config, dependsOn } = args;
    const ofType = <Type extends StorageTypeName>(
      type: Type,
      Made: new (
        name: string,
        args: StorageTypeArgs<Type>,
        opts: pulumi.ComponentResourceOptions & { parent: pulumi.Resource },
      ) => StorageType<Type>,
    ) => {
      const classes = classesOf(type, config.classes);
      return Object.keys(classes).length === 0
        ? []
        : new Made(`${name}-${type}`, { api, classes, dependsOn }, { parent: this }).ready;
    };
    this.ready = [...ofType("local-path", LocalPathStorage)];
    this.registerOutputs({});
  }
}
