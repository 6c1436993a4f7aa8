import * as pulumi from "@pulumi/pulumi";
import { release } from "../in-cluster/release";
import { privilegedNamespace } from "../in-cluster/restricted";
import { tryShare } from "./shares";
import { StorageType, type Provisioner, type StorageTypeArgs } from "./storage-type";

/** Volumes that are folders of an NFS share, which many pods on many nodes may use at once. */
export class NfsStorage extends StorageType<"nfs"> {
  constructor(
    name: string,
    args: StorageTypeArgs<"nfs">,
    opts: pulumi.ComponentResourceOptions & { parent: pulumi.Resource },
  ) {
    super("NfsStorage", name, args, opts);
  }

  protected override provisioner(
    name: string,
    args: StorageTypeArgs<"nfs">,
    inCluster: pulumi.CustomResourceOptions,
  ): Provisioner<"nfs"> {
    const { api, config, snapshots, dependsOn } = args;
    const chart = "csi-driver-nfs";
    const driver = release(
      `${name}-driver`,
      {
        chart,
        namespace: privilegedNamespace(`${name}-namespace`, chart, inCluster),
        api,
        config: config.storage.drivers.nfs,
        values: {
          controller: { enableSnapshotter: snapshots !== undefined },
          // A cluster has one controller of snapshots, whichever drivers take them.
          externalSnapshotter: { enabled: false },
        },
      },
      { parent: this, dependsOn: [...dependsOn, ...(snapshots ? [snapshots.definitions] : [])] },
    );
    return {
      ready: [driver],
      describe: (className, each) => ({
        spec: {
          provisioner: "nfs.csi.k8s.io",
          parameters: { server: each.server, share: each.share },
          mountOptions: each.mountOptions,
          allowVolumeExpansion: true,
        },
        dependsOn: tryShare(this, className, each, args),
      }),
    };
  }
}
