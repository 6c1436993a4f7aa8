import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterApi } from "./cluster-api";

export interface ServingCertificatesArgs {
  api: ClusterApi;
  /** Addresses of the nodes by their names: what each may have a certificate for. */
  nodes: Record<string, string>;
}

const signer = "kubernetes.io/kubelet-serving";
const namespace = "kube-system";
const apiGroup = "rbac.authorization.k8s.io";

/**
 * What the masters' approver of serving certificates goes by: the nodes' names and addresses, and an account that may read these and
 * judge requests to this one signer, and nothing else (docs/decisions/0020).
 */
export class ServingCertificates extends pulumi.ComponentResource {
  constructor(name: string, args: ServingCertificatesArgs, opts: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:ServingCertificates", name, {}, opts);
    const inCluster = args.api.inCluster(this);
    const nodes = { name: "esxi-k8s-nodes", namespace };
    new k8s.core.v1.ConfigMap(`${name}-nodes`, { metadata: nodes, data: args.nodes }, inCluster);

    const account = { name: "esxi-k8s-approver", namespace };
    const subjects = [{ kind: "ServiceAccount", ...account }];
    new k8s.core.v1.ServiceAccount(
      `${name}-account`,
      { metadata: account, automountServiceAccountToken: false },
      inCluster,
    );
    const clusterRole = new k8s.rbac.v1.ClusterRole(
      `${name}-cluster-role`,
      {
        metadata: { name: account.name },
        rules: [
          {
            apiGroups: ["certificates.k8s.io"],
            resources: ["certificatesigningrequests"],
            verbs: ["get", "list", "watch"],
          },
          {
            apiGroups: ["certificates.k8s.io"],
            resources: ["certificatesigningrequests/approval"],
            verbs: ["update"],
          },
          { apiGroups: ["certificates.k8s.io"], resources: ["signers"], resourceNames: [signer], verbs: ["approve"] },
        ],
      },
      inCluster,
    );
    new k8s.rbac.v1.ClusterRoleBinding(
      `${name}-cluster-binding`,
      {
        metadata: { name: account.name },
        roleRef: { apiGroup, kind: "ClusterRole", name: clusterRole.metadata.name },
        subjects,
      },
      inCluster,
    );
    const role = new k8s.rbac.v1.Role(
      `${name}-role`,
      {
        metadata: account,
        rules: [{ apiGroups: [""], resources: ["configmaps"], resourceNames: [nodes.name], verbs: ["get"] }],
      },
      inCluster,
    );
    new k8s.rbac.v1.RoleBinding(
      `${name}-binding`,
      { metadata: account, roleRef: { apiGroup, kind: "Role", name: role.metadata.name }, subjects },
      inCluster,
    );
    this.registerOutputs({});
  }
}
