import { local } from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { hostsOf } from "../../config/storage";
import { csiConfig, csiFile } from "../../render/vsphere";
import { release } from "../in-cluster/release";
import { privilegedNamespace } from "../in-cluster/restricted";
import { StorageType, type Provisioner, type StorageTypeArgs } from "./storage-type";

/** Volumes that are disks in vSphere's datastores, and follow their pod to another node. */
export class VsphereStorage extends StorageType<"vsphere"> {
  constructor(
    name: string,
    args: StorageTypeArgs<"vsphere">,
    opts: pulumi.ComponentResourceOptions & { parent: pulumi.Resource },
  ) {
    super("VsphereStorage", name, args, opts);
  }

  protected override provisioner(
    name: string,
    { api, config, classes, snapshots, dependsOn }: StorageTypeArgs<"vsphere">,
    inCluster: pulumi.CustomResourceOptions,
  ): Provisioner<"vsphere"> {
    const { vcenter, storage, hosts, storageVcenterPassword, controlPlane } = config;
    const account = pulumi.output(storageVcenterPassword).apply((password = "") => ({
      ...vcenter,
      user: storage.vcenter?.user ?? "",
      password,
    }));
    const category = storage.vcenter?.topologyCategory;
    const datastores = Object.values(classes).flatMap(({ datastore }) => datastore ?? []);
    const policies = Object.values(classes).flatMap(({ storagePolicy }) => storagePolicy ?? []);
    // With the drivers' own account: one that does not work is found here, and so is a name that is not there.
    const found = new local.Command(
      `${name}-datastores`,
      {
        create: "node vcenter/storage.mjs",
        stdin: pulumi.secret(
          pulumi.jsonStringify(pulumi.output(account).apply((known) => ({ ...known, datastores, policies }))),
        ),
        addPreviousOutputInEnv: false,
        logging: local.Logging.Stderr,
      },
      { parent: this, additionalSecretOutputs: ["stdin"] },
    );
    const urls = found.stdout.apply((text) => JSON.parse(text) as Record<string, string>);

    const chart = "vsphere-csi";
    const namespace = privilegedNamespace(`${name}-namespace`, chart, inCluster);
    const settings = new k8s.core.v1.Secret(
      `${name}-settings`,
      {
        metadata: { name: "vsphere-config-secret", namespace: namespace.metadata.name },
        stringData: account.apply((known) => ({
          [csiFile]: csiConfig(known, `${pulumi.getProject()}-${pulumi.getStack()}`, category),
        })),
      },
      inCluster,
    );
    const driver = release(
      `${name}-driver`,
      {
        chart,
        namespace,
        api,
        config: { values: {} },
        values: {
          topology: category !== undefined,
          controller: { replicas: Math.min(Object.keys(controlPlane.nodes).length, 3) },
        },
      },
      { parent: this, dependsOn: [...dependsOn, settings, ...(snapshots ? [snapshots.definitions] : [])] },
    );
    return {
      ready: [driver],
      describe: (_, each) => {
        const { datastore, storagePolicy, fsType } = each;
        const own = hostsOf(each, hosts);
        return {
          spec: {
            provisioner: "csi.vsphere.vmware.com",
            parameters: {
              "csi.storage.k8s.io/fstype": fsType,
              ...(datastore !== undefined && { datastoreurl: urls.apply((known) => known[datastore] ?? "") }),
              ...(storagePolicy !== undefined && { storagepolicyname: storagePolicy }),
            },
            allowVolumeExpansion: true,
            // A disk is made where its pod can be, not the other way round.
            volumeBindingMode: "WaitForFirstConsumer",
            ...(own !== undefined &&
              category !== undefined && {
                allowedTopologies: [
                  { matchLabelExpressions: [{ key: `topology.csi.vmware.com/${category}`, values: own }] },
                ],
              }),
          },
          dependsOn: [found],
        };
      },
    };
  }
}
