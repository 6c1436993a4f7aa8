import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../../config";
import { classesOf, takesSnapshots, type StorageTypeName } from "../../config/storage";
import type { ClusterApi } from "../in-cluster/cluster-api";
import type { Machine } from "../machine/machine";
import type { Shell } from "../machine/shell";
import { LocalPathStorage } from "./local-path";
import { NfsStorage } from "./nfs";
import { SmbStorage } from "./smb";
import type { StorageType, StorageTypeArgs } from "./storage-type";
import { VolumeSnapshots } from "./volume-snapshots";
import { VsphereStorage } from "./vsphere";

export interface StorageArgs {
  api: ClusterApi;
  /** Asks any master that serves. */
  anyMaster: Shell;
  config: LoadedConfig;
  /** A worker that tries what nodes will do, if there is one. */
  worker?: Machine;
  /** Nodes that take the provisioners' pods. */
  dependsOn: pulumi.Resource[];
}

/** The StorageClasses of the configuration, with what makes their volumes: nothing of a type that no class is of. */
export class Storage extends pulumi.ComponentResource {
  /** Done when volumes can be asked for. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: StorageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Storage", name, {}, opts);
    const { classes: all } = args.config.storage;
    const snapshots = Object.values(all).some(({ type }) => takesSnapshots(type))
      ? new VolumeSnapshots(`${name}-snapshots`, args, { parent: this })
      : undefined;
    const ofType = <Type extends StorageTypeName>(
      type: Type,
      Made: new (
        name: string,
        args: StorageTypeArgs<Type>,
        opts: pulumi.ComponentResourceOptions & { parent: pulumi.Resource },
      ) => StorageType<Type>,
    ) => {
      const classes = classesOf(type, all);
      return Object.keys(classes).length === 0
        ? []
        : new Made(
            `${name}-${type}`,
            { ...args, classes, snapshots: takesSnapshots(type) ? snapshots : undefined },
            { parent: this },
          ).ready;
    };
    this.ready = [
      ...ofType("local-path", LocalPathStorage),
      ...ofType("nfs", NfsStorage),
      ...ofType("smb", SmbStorage),
      ...ofType("vsphere", VsphereStorage),
    ];
    this.registerOutputs({});
  }
}
