import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClassesOf, ClassOf, StorageTypeName } from "../../config/storage";
import type { ClusterApi } from "../in-cluster/cluster-api";

export interface StorageTypeArgs<Type extends StorageTypeName> {
  api: ClusterApi;
  /** The classes of this type, by name. */
  classes: ClassesOf<Type>;
  /** Nodes that take the provisioner's pods. */
  dependsOn: pulumi.Resource[];
}

/** What a type says of one of its classes. */
export type ClassSpec = Pick<
  k8s.storage.v1.StorageClassArgs,
  "provisioner" | "parameters" | "volumeBindingMode" | "allowVolumeExpansion" | "mountOptions"
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
    const inCluster = args.api.inCluster(this, args.dependsOn);
    const provisioner = this.provisioner(name, args, inCluster);
    this.ready = Object.entries(args.classes).map(
      ([className, config]) =>
        new k8s.storage.v1.StorageClass(
          `storage-${className}-class`,
          {
            metadata: {
              name: className,
              ...(config.default && { annotations: { "storageclass.kubernetes.io/is-default-class": "true" } }),
            },
            reclaimPolicy: config.reclaimPolicy,
            ...this.classSpec(config),
          },
          { ...inCluster, dependsOn: provisioner },
        ),
    );
    this.registerOutputs({});
  }

  /** Declares what makes the volumes, and returns what is done when it can. */
  protected abstract provisioner(
    name: string,
    args: StorageTypeArgs<Type>,
    inCluster: pulumi.CustomResourceOptions,
  ): pulumi.Resource[];

  protected abstract classSpec(config: ClassOf<Type>): ClassSpec;
}
