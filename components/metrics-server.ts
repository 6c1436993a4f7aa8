import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { metricsServerImage } from "../config/images";
import type { Authority } from "./authority";
import type { ClusterApi } from "./in-cluster/cluster-api";
import { restrictedContainer, restrictedPod } from "./in-cluster/restricted";

export interface MetricsServerArgs {
  api: ClusterApi;
  authority: Authority;
  /** Nodes, and whoever signs their kubelets' certificates. */
  dependsOn: pulumi.Resource[];
}

const namespace = "kube-system";
const labels = { "k8s-app": "metrics-server" };
const apiGroup = "rbac.authorization.k8s.io";
const port = 10250;

/** Years, because no browser sees it: the API server does. */
const certificateDays = 3650;

/** What nodes and pods use of processors and memory at the moment, for `kubectl top` and for autoscalers. */
export class MetricsServer extends pulumi.ComponentResource {
  constructor(name: string, args: MetricsServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:MetricsServer", name, {}, opts);
    const { api, authority, dependsOn } = args;
    const inCluster = api.inCluster(this, dependsOn);
    const metadata = { name: "metrics-server", namespace, labels };

    const host = `${metadata.name}.${namespace}.svc`;
    const issued = authority.issue(
      `${name}-certificate`,
      { commonName: host, dnsNames: [host], days: certificateDays },
      this,
    );
    const certificate = new k8s.core.v1.Secret(
      `${name}-certificate`,
      {
        metadata: { ...metadata, name: "metrics-server-certificate" },
        type: "kubernetes.io/tls",
        stringData: { "tls.crt": issued.certificate, "tls.key": issued.key },
      },
      inCluster,
    );
    const account = new k8s.core.v1.ServiceAccount(`${name}-account`, { metadata }, inCluster);
    const rights = this.rights(name, account, inCluster);
    const deployment = new k8s.apps.v1.Deployment(
      `${name}-deployment`,
      {
        metadata,
        spec: {
          selector: { matchLabels: labels },
          strategy: { rollingUpdate: { maxUnavailable: 0 } },
          template: { metadata: { labels }, spec: podSpec(account, certificate) },
        },
      },
      { ...inCluster, dependsOn: [...dependsOn, ...rights] },
    );
    const service = new k8s.core.v1.Service(
      `${name}-service`,
      { metadata, spec: { selector: labels, ports: [{ name: "https", port: 443, targetPort: "https" }] } },
      { ...inCluster, dependsOn: deployment },
    );
    // Last to come and first to go: an API that is declared and does not answer keeps namespaces from being deleted.
    new k8s.apiregistration.v1.APIService(
      `${name}-api`,
      {
        metadata: { name: "v1beta1.metrics.k8s.io", labels },
        spec: {
          group: "metrics.k8s.io",
          version: "v1beta1",
          groupPriorityMinimum: 100,
          versionPriority: 100,
          service: { name: service.metadata.name, namespace },
          caBundle: authority.certificate.apply((pem) => Buffer.from(pem).toString("base64")),
        },
      },
      inCluster,
    );
    this.registerOutputs({});
  }

  /** Reads what kubelets have measured, and asks the API server who may read that. */
  private rights(
    name: string,
    account: k8s.core.v1.ServiceAccount,
    inCluster: pulumi.CustomResourceOptions,
  ): pulumi.Resource[] {
    const subjects = [{ kind: "ServiceAccount", name: account.metadata.name, namespace }];
    const bind = (binding: string, role: pulumi.Input<string>) =>
      new k8s.rbac.v1.ClusterRoleBinding(
        `${name}-${binding}`,
        {
          metadata: { name: `metrics-server-${binding}` },
          roleRef: { apiGroup, kind: "ClusterRole", name: role },
          subjects,
        },
        inCluster,
      );
    const role = new k8s.rbac.v1.ClusterRole(
      `${name}-role`,
      {
        metadata: { name: "system:metrics-server", labels },
        rules: [
          { apiGroups: [""], resources: ["nodes/metrics"], verbs: ["get"] },
          { apiGroups: [""], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] },
        ],
      },
      inCluster,
    );
    new k8s.rbac.v1.ClusterRole(
      `${name}-readers`,
      {
        metadata: {
          name: "system:aggregated-metrics-reader",
          // Whoever may see pods may see what they use.
          labels: Object.fromEntries(
            ["view", "edit", "admin"].map((to) => [`rbac.authorization.k8s.io/aggregate-to-${to}`, "true"]),
          ),
        },
        rules: [{ apiGroups: ["metrics.k8s.io"], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] }],
      },
      inCluster,
    );
    const authentication = new k8s.rbac.v1.RoleBinding(
      `${name}-authentication`,
      {
        metadata: { name: "metrics-server-authentication", namespace },
        roleRef: { apiGroup, kind: "Role", name: "extension-apiserver-authentication-reader" },
        subjects,
      },
      inCluster,
    );
    return [bind("measures", role.metadata.name), bind("delegation", "system:auth-delegator"), authentication];
  }
}

function podSpec(
  account: k8s.core.v1.ServiceAccount,
  certificate: k8s.core.v1.Secret,
): k8s.types.input.core.v1.PodSpec {
  const folder = "/certificate";
  return {
    serviceAccountName: account.metadata.name,
    priorityClassName: "system-cluster-critical",
    securityContext: restrictedPod,
    containers: [
      {
        name: "metrics-server",
        image: metricsServerImage,
        imagePullPolicy: "IfNotPresent",
        args: [
          `--secure-port=${String(port)}`,
          `--tls-cert-file=${folder}/tls.crt`,
          `--tls-private-key-file=${folder}/tls.key`,
          // A kubelet's certificate is for its node's name and address, and of the cluster's authority.
          "--kubelet-preferred-address-types=InternalIP",
          "--kubelet-use-node-status-port",
          "--metric-resolution=15s",
        ],
        ports: [{ name: "https", containerPort: port }],
        // Ready once it has measured twice.
        readinessProbe: { httpGet: { path: "/readyz", port: "https", scheme: "HTTPS" }, periodSeconds: 5 },
        livenessProbe: { httpGet: { path: "/livez", port: "https", scheme: "HTTPS" }, periodSeconds: 10 },
        resources: { requests: { cpu: "100m", memory: "200Mi" } },
        securityContext: restrictedContainer,
        volumeMounts: [{ name: "certificate", mountPath: folder, readOnly: true }],
      },
    ],
    volumes: [{ name: "certificate", secret: { secretName: certificate.metadata.name } }],
  };
}
