import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterApi } from "./cluster-api";

export interface ClusterDnsArgs {
  api: ClusterApi;
  /** Nodes that take CoreDNS's pods: masters, and workers without taints that repel pods (NoSchedule, NoExecute). */
  nodes: number;
  /** Version of Kubernetes: kubeadm writes the objects anew when it brings another one. */
  kubernetes: string;
  /** Done when it has. */
  dependsOn: pulumi.Resource[];
}

/**
 * CoreDNS on every node that takes it, each asked by the pods of its own node. kubeadm leaves both of its pods on the first master, the only
 * node there is at that time: without it no pod could resolve a name (docs/decisions/0011).
 */
export class ClusterDns extends pulumi.ComponentResource {
  constructor(name: string, args: ClusterDnsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:ClusterDns", name, {}, opts);
    const { api, nodes, kubernetes, dependsOn } = args;
    const inCluster = api.inCluster(this, dependsOn);
    const metadata = (object: string) => ({
      name: object,
      namespace: "kube-system",
      annotations: {
        // kubeadm made the object and owns its fields.
        "pulumi.com/patchForce": "true",
        // The Deployment is complete only when the last node has joined, and a node that is down is no reason to wait.
        "pulumi.com/skipAwait": "true",
        // Nothing else of these patches changes when the objects have lost them.
        "esxi-k8s/kubernetes": kubernetes,
      },
    });
    new k8s.core.v1.ServicePatch(
      `${name}-service`,
      { metadata: metadata("kube-dns"), spec: { trafficDistribution: "PreferSameNode" } },
      inCluster,
    );
    new k8s.apps.v1.DeploymentPatch(
      `${name}-deployment`,
      {
        metadata: metadata("coredns"),
        spec: { replicas: nodes, template: { spec: { affinity: { podAntiAffinity: onePerNode } } } },
      },
      inCluster,
    );
    this.registerOutputs({});
  }
}

const onePerNode: k8s.types.input.core.v1.PodAntiAffinityPatch = {
  requiredDuringSchedulingIgnoredDuringExecution: [
    {
      topologyKey: "kubernetes.io/hostname",
      labelSelector: { matchLabels: { "k8s-app": "kube-dns" } },
      // Of one revision: the next one starts beside it.
      matchLabelKeys: ["pod-template-hash"],
    },
  ],
};
