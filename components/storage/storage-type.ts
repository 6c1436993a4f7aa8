import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../../config";
import type { ClassesOf, ClassOf, StorageTypeName } from "../../config/storage";
import type { ClusterApi } from "../in-cluster/cluster-api";
import type { Machine } from "../machine/machine";
import type { Shell } from "../machine/shell";
import { snapshotGroup, type VolumeSnapshots } from "./volume-snapshots";

export interface StorageTypeArgs<Type extends StorageTypeName> {
  api: ClusterApi;
  /** Asks any master that serves. */
  anyMaster: Shell;
  config: LoadedConfig;
  /** The classes of this type, by name. */
  classes: ClassesOf<Type>;
  /** A worker that tries what nodes will do, if there is one. */
  worker?: Machine;
  /** What snapshots need, if the driver takes any. */
  snapshots?: VolumeSnapshots;
  /** Nodes that take the provisioner's pods. */
  dependsOn: pulumi.Resource[];
}

/** What makes the volumes of a type. */
export interface Provisioner<Type extends StorageTypeName> {
  /** Done when it does. */
  ready: pulumi.Resource[];
  /** What a class says to it, and what has to be there before. */
  describe: (name: string, config: ClassOf<Type>) => { spec: ClassSpec; dependsOn?: pulumi.Resource[] };
}

export type ClassSpec = Pick<
  k8s.storage.v1.StorageClassArgs,
  "provisioner" | "parameters" | "volumeBindingMode" | "allowVolumeExpansion" | "allowedTopologies" | "mountOptions"
>;

/** One type of storage: what makes its volumes, once for all of its classes, and the classes. */
export abstract class StorageType<Type extends StorageTypeName> extends pulumi.ComponentResource {
  /** Done when volumes can be asked for. */
  readonly ready: pulumi.Resource[];

  /** @param component token of the type; with the names of the classes a contract: another one replaces all that is in it */
  constructor(
    component: string,
    name: string,
    args: StorageTypeArgs<Type>,
    opts: pulumi.ComponentResourceOptions & { parent: pulumi.Resource },
  ) {
    super(`esxi-k8s:index:${component}`, name, {}, opts);
    const { snapshots } = args;
    const inCluster = args.api.inCluster(this, args.dependsOn);
    const { ready, describe } = this.provisioner(name, args, inCluster);
    this.ready = Object.entries(args.classes).map(([className, config]) => {
      const { spec, dependsOn = [] } = describe(className, config);
      const made = new k8s.storage.v1.StorageClass(
        `storage-${className}-class`,
        {
          // By its label the gate knows those that this program has declared.
          metadata: metadata(className, config.default, "storageclass.kubernetes.io"),
          reclaimPolicy: config.reclaimPolicy,
          ...spec,
        },
        { ...inCluster, dependsOn: [...ready, ...dependsOn] },
      );
      const ofSnapshots = snapshots
        ? [
            new k8s.apiextensions.CustomResource(
              `storage-${className}-snapshots`,
              {
                apiVersion: `${snapshotGroup}/v1`,
                kind: "VolumeSnapshotClass",
                metadata: metadata(className, config.default, "snapshot.storage.kubernetes.io"),
                driver: spec.provisioner,
                deletionPolicy: config.reclaimPolicy,
              },
              { ...inCluster, dependsOn: [...ready, ...snapshots.ready] },
            ),
          ]
        : [];
      // Deleted before the classes, which stay when this fails. With the whole cluster, all just go.
      args.anyMaster.later(
        `storage-${className}-volumes`,
        { delete: { script: "keep-class", parameters: { CLASS: className } } },
        { parent: this, dependsOn: [made, ...ofSnapshots], deletedWith: inCluster.deletedWith },
      );
      return made;
    });
    this.registerOutputs({});
  }

  /** Declares what makes the volumes. */
  protected abstract provisioner(
    name: string,
    args: StorageTypeArgs<Type>,
    inCluster: pulumi.CustomResourceOptions,
  ): Provisioner<Type>;
}

/** Of a class of volumes or of snapshots, of which the group says in an annotation which one is the default. */
function metadata(name: string, isDefault: boolean, group: string) {
  return {
    name,
    labels: { "app.kubernetes.io/part-of": "esxi-k8s" },
    ...(isDefault && { annotations: { [`${group}/is-default-class`]: "true" } }),
  };
}
