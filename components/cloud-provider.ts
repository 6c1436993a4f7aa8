import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../config";
import { vsphereCloudProviders } from "../config/versions";
import { cpiConfig, cpiLogin } from "../render/vsphere";
import type { ClusterApi } from "./in-cluster/cluster-api";
import { release } from "./in-cluster/release";
import { privilegedNamespace } from "./in-cluster/restricted";

export interface CloudProviderArgs {
  api: ClusterApi;
  config: LoadedConfig;
}

/**
 * vSphere's cloud provider: tells Kubernetes which virtual machine a node is, without which no disk can be attached to it. Nodes take no
 * pods until it has done so.
 */
export class CloudProvider extends pulumi.ComponentResource {
  /** Done when nodes are known, and take pods. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, { api, config }: CloudProviderArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:CloudProvider", name, {}, opts);
    const { vcenter, storage, storageVcenterPassword, kubernetes } = config;
    const inCluster = api.inCluster(this);
    const chart = "vsphere-cpi";
    // Its pods are in their nodes' network.
    const namespace = privilegedNamespace(`${name}-namespace`, chart, inCluster);
    const login = new k8s.core.v1.Secret(
      `${name}-login`,
      {
        metadata: { name: "vsphere-cloud-secret", namespace: namespace.metadata.name },
        stringData: pulumi
          .output(storageVcenterPassword)
          .apply((password = "") => cpiLogin({ server: vcenter.server, user: storage.vcenter?.user ?? "", password })),
      },
      inCluster,
    );
    const settings = new k8s.core.v1.ConfigMap(
      `${name}-settings`,
      {
        metadata: { name: "cloud-config", namespace: namespace.metadata.name },
        data: { "vsphere.conf": cpiConfig(vcenter, { name: "vsphere-cloud-secret", namespace: chart }) },
      },
      inCluster,
    );
    const minor = kubernetes.version.split(".").slice(0, 2).join(".") as keyof typeof vsphereCloudProviders;
    this.ready = [
      release(
        name,
        {
          chart,
          namespace,
          api,
          config: { values: {} },
          values: { daemonset: { tag: `v${vsphereCloudProviders[minor]}` } },
        },
        { parent: this, dependsOn: [login, settings] },
      ),
    ];
    this.registerOutputs({});
  }
}
