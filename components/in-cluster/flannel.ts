import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { flannelCniPluginImage, flannelImage } from "../../config/images";
import type { ClusterApi } from "./cluster-api";
import { podField } from "./pod-field";

export interface FlannelArgs {
  api: ClusterApi;
  /** Addresses of pods, as kubeadm was told. */
  podCidr: string;
  /** `vxlan` or `host-gw`. */
  backend: string;
}

const labels = { app: "flannel" };
const cniConfig = {
  name: "cbr0",
  // What flannel's plugin of every release speaks.
  cniVersion: "0.3.1",
  plugins: [
    { type: "flannel", delegate: { hairpinMode: true, isDefaultGateway: true } },
    { type: "portmap", capabilities: { portMappings: true } },
  ],
};

/** The pod network: flannel, one subnet a node, as a DaemonSet. */
export class Flannel extends pulumi.ComponentResource {
  /** Nodes become Ready once it is declared. */
  readonly daemon: pulumi.Resource;

  constructor(name: string, args: FlannelArgs, opts: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Flannel", name, {}, opts);
    const inCluster = args.api.inCluster(this);

    const namespace = new k8s.core.v1.Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: "kube-flannel",
          // It sets up the hosts' network, which the default pod security level does not allow.
          labels: { "pod-security.kubernetes.io/enforce": "privileged" },
        },
      },
      inCluster,
    );
    const metadata = { name: "flannel", namespace: namespace.metadata.name };
    const account = new k8s.core.v1.ServiceAccount(`${name}-account`, { metadata }, inCluster);
    const role = new k8s.rbac.v1.ClusterRole(
      `${name}-role`,
      {
        metadata: { name: "flannel" },
        rules: [
          { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
          { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
          { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
        ],
      },
      inCluster,
    );
    const binding = new k8s.rbac.v1.ClusterRoleBinding(
      `${name}-binding`,
      {
        metadata: { name: "flannel" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
        subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace: namespace.metadata.name }],
      },
      inCluster,
    );
    const settings = new k8s.core.v1.ConfigMap(
      `${name}-settings`,
      {
        metadata,
        data: {
          "cni-conf.json": JSON.stringify(cniConfig, null, 2),
          "net-conf.json": JSON.stringify({ Network: args.podCidr, Backend: { Type: args.backend } }, null, 2),
        },
      },
      inCluster,
    );
    // Pods read their settings once: another text has to make other pods.
    const checksum = settings.data.apply((data) => createHash("sha256").update(JSON.stringify(data)).digest("hex"));
    this.daemon = new k8s.apps.v1.DaemonSet(
      `${name}-daemon`,
      {
        metadata: {
          ...metadata,
          labels,
          // It is complete only when the last node has joined, and nodes wait for it, not the other way round.
          annotations: { "pulumi.com/skipAwait": "true" },
        },
        spec: { selector: { matchLabels: labels }, template: podTemplate(settings, checksum, account) },
      },
      { ...inCluster, dependsOn: [binding] },
    );
    this.registerOutputs({});
  }
}

function podTemplate(
  settings: k8s.core.v1.ConfigMap,
  checksum: pulumi.Input<string>,
  account: k8s.core.v1.ServiceAccount,
): k8s.types.input.core.v1.PodTemplateSpec {
  const image = flannelImage;
  const cniDirectory = { name: "cni", mountPath: "/etc/cni/net.d" };
  const settingsDirectory = { name: "settings", mountPath: "/etc/kube-flannel" };
  return {
    metadata: { labels, annotations: { "esxi-k8s/settings": checksum } },
    spec: {
      hostNetwork: true,
      priorityClassName: "system-node-critical",
      serviceAccountName: account.metadata.name,
      // Nodes stay NotReady until it runs, whatever their taints.
      tolerations: [{ operator: "Exists" }],
      initContainers: [
        {
          name: "install-cni-plugin",
          image: flannelCniPluginImage,
          command: ["cp", "-f", "/flannel", "/opt/cni/bin/flannel"],
          volumeMounts: [{ name: "cni-plugins", mountPath: "/opt/cni/bin" }],
        },
        {
          name: "install-cni-config",
          image,
          command: ["cp", "-f", "/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist"],
          volumeMounts: [cniDirectory, settingsDirectory],
        },
      ],
      containers: [
        {
          name: "flannel",
          image,
          command: ["/opt/bin/flanneld", "--ip-masq", "--kube-subnet-mgr"],
          env: [
            { name: "POD_NAME", valueFrom: podField("metadata.name") },
            { name: "POD_NAMESPACE", valueFrom: podField("metadata.namespace") },
            { name: "EVENT_QUEUE_DEPTH", value: "5000" },
          ],
          resources: { requests: { cpu: "50m", memory: "50Mi" } },
          securityContext: { privileged: false, capabilities: { add: ["NET_ADMIN", "NET_RAW"] } },
          volumeMounts: [
            { name: "run", mountPath: "/run/flannel" },
            settingsDirectory,
            { name: "xtables-lock", mountPath: "/run/xtables.lock" },
          ],
        },
      ],
      volumes: [
        { name: "run", hostPath: { path: "/run/flannel", type: "DirectoryOrCreate" } },
        { name: "cni-plugins", hostPath: { path: "/opt/cni/bin", type: "DirectoryOrCreate" } },
        { name: "cni", hostPath: { path: "/etc/cni/net.d", type: "DirectoryOrCreate" } },
        { name: "xtables-lock", hostPath: { path: "/run/xtables.lock", type: "FileOrCreate" } },
        { name: "settings", configMap: { name: settings.metadata.name } },
      ],
    },
  };
}
