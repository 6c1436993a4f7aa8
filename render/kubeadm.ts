import type { Taint } from "../config/schema";
import { merge, type Document } from "./merge";
import { toYaml } from "./yaml";

/** Where on a joining node its short-lived credentials are filled in; no text that leaves the program holds them. */
export const placeholders = { token: "@TOKEN@", caHash: "@CA_HASH@", certificateKey: "@CERTIFICATE_KEY@" } as const;

const apiVersion = "kubeadm.k8s.io/v1beta4";

export interface NodeSettings {
  /** Node name, equal to the machine's host name. */
  name: string;
  /** Address that the node is reached at. */
  address: string;
  /** Taints set when the node registers; undefined leaves kubeadm's default for the role. */
  taints?: Taint[];
  /** Checks of kubeadm to skip, by kubeadm's names. */
  ignorePreflightErrors: string[];
  /** A cloud provider in the cluster says which machine the node is, and lets it take pods then. */
  externalCloudProvider?: boolean;
}

export interface ClusterSettings {
  name: string;
  /** Version without the leading v. */
  version: string;
  /** Address of the frontend, in front of all API servers. */
  endpoint: string;
  /** Further names and addresses for the API server's certificate. */
  certSANs: string[];
  podCidr: string;
  serviceCidr: string;
  /** Merged over the KubeletConfiguration. */
  kubelet: Document;
  /** Merged over the KubeProxyConfiguration. */
  kubeProxy: Document;
}

/** The configuration of `kubeadm init` on the first master. */
export function initConfig(cluster: ClusterSettings, node: NodeSettings): string {
  return documents(
    {
      apiVersion,
      kind: "InitConfiguration",
      // kubeadm insists on making a token; joins mint their own, so this one may vanish soon.
      bootstrapTokens: [{ ttl: "15m0s" }],
      localAPIEndpoint: { advertiseAddress: node.address, bindPort: 6443 },
      nodeRegistration: nodeRegistration(node),
    },
    {
      apiVersion,
      kind: "ClusterConfiguration",
      clusterName: cluster.name,
      kubernetesVersion: `v${cluster.version}`,
      controlPlaneEndpoint: `${cluster.endpoint}:6443`,
      networking: { podSubnet: cluster.podCidr, serviceSubnet: cluster.serviceCidr },
      apiServer: { certSANs: [...new Set([cluster.endpoint, ...cluster.certSANs])] },
    },
    kubeletConfig(cluster.kubelet),
    merge({ apiVersion: "kubeproxy.config.k8s.io/v1alpha1", kind: "KubeProxyConfiguration" }, cluster.kubeProxy),
  );
}

function kubeletConfig(over: Document): Document {
  const { serverTLSBootstrap, ...others } = merge(
    {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      cgroupDriver: "systemd",
      // The cluster's authority signs what kubelets are known by, once a master has judged their requests.
      serverTLSBootstrap: true,
    },
    over,
  );
  // What Kubernetes does by itself is left out: clusters that were founded that way have no word of it.
  return serverTLSBootstrap === false ? others : { ...others, serverTLSBootstrap };
}

/**
 * The configuration of `kubeadm join`, with placeholders for the credentials.
 * @param controlPlane true to join as another master
 */
export function joinConfig(endpoint: string, node: NodeSettings, controlPlane: boolean): string {
  return documents({
    apiVersion,
    kind: "JoinConfiguration",
    discovery: {
      bootstrapToken: {
        apiServerEndpoint: `${endpoint}:6443`,
        token: placeholders.token,
        caCertHashes: [placeholders.caHash],
      },
    },
    nodeRegistration: nodeRegistration(node),
    ...(controlPlane && {
      controlPlane: {
        localAPIEndpoint: { advertiseAddress: node.address, bindPort: 6443 },
        certificateKey: placeholders.certificateKey,
      },
      // etcd takes in one learner at a time, and masters join at once: on slow machines the other one takes its time.
      timeouts: { etcdAPICall: "10m0s" },
    }),
  });
}

function nodeRegistration({
  name,
  address,
  taints,
  ignorePreflightErrors,
  externalCloudProvider,
}: NodeSettings): Document {
  return {
    name,
    criSocket: "unix:///run/containerd/containerd.sock",
    kubeletExtraArgs: [
      { name: "node-ip", value: address },
      ...(externalCloudProvider ? [{ name: "cloud-provider", value: "external" }] : []),
    ],
    ...(ignorePreflightErrors.length > 0 && { ignorePreflightErrors }),
    ...(taints && { taints }),
  };
}

function documents(...all: Document[]): string {
  return all.map((document) => toYaml(document)).join("---\n");
}
