/** Every version the program installs or defaults to, each with the reason for the pin. */

/** Newest minor that the simulated lab and kubeadm's v1beta4 configuration were tested with. */
export const defaultKubernetesVersion = "1.37.2";

/** Minors with upstream patches today; kubeadm of these reads kubeadm.k8s.io/v1beta4. */
export const supportedKubernetesMinors = ["1.34", "1.35", "1.36", "1.37"] as const;

/** Last release whose Go module builds without modules that are withdrawn, so lab and real clusters run the same. */
export const flannelVersion = "0.28.0";

/** The CNI plugin that flannel's own manifest of this version pairs with it. */
export const flannelCniPluginVersion = "1.8.0-flannel1";

/** Newest whose Go module builds without modules that are withdrawn. */
export const localPathProvisionerVersion = "0.0.30";

/** Newest. */
export const metricsServerVersion = "0.9.0";

/** Newest of which an image was seen in use. The definitions in charts/snapshot-crds are of the same version: `make crds` fetches them. */
export const snapshotControllerVersion = "8.6.0";

/** A shell for what prepares volumes. */
export const busyboxVersion = "1.36";

/** The demonstration's web server: a release with long support. What the page needs is in all since 2.2. */
export const haproxyVersion = "3.2";

/**
 * Releases of the official charts that fit: they install the minor of the component that charts/ has, and take the values of this
 * program. How that was read stands in docs/decisions/0008-helm-releases.md.
 */
export const fittingCharts = {
  consul: { component: "1.22", range: "1.9", example: "1.9.10" },
  traefik: { component: "3.6", range: "39", example: "39.0.8" },
  nfs: { component: "4.13", range: "4.13", example: "4.13.4" },
  smb: { component: "1.20", range: "1.20", example: "1.20.3" },
} as const;

/** vSphere's cloud provider by Kubernetes' minor, which its releases follow. */
export const vsphereCloudProviders = {
  "1.34": "1.34.0",
  "1.35": "1.35.1",
  "1.36": "1.36.0",
  "1.37": "1.37.0",
} as const satisfies Record<(typeof supportedKubernetesMinors)[number], string>;

/** Key of the packages at pkgs.k8s.io, `isv:kubernetes OBS Project`. Its expiry is put off from time to time, under the same fingerprint. */
export const kubernetesSigningKey = "DE15B14486CD377B9E876E1A234654DA9A296436";

/** Key of the packages at download.docker.com, `Docker Release (CE deb)`. */
export const dockerSigningKey = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

/**
 * Images that kubeadm deploys beside Kubernetes' own, from a patch of a minor on: what `kubeadm config images list` of that release
 * says, read from its `cmd/kubeadm/app/constants`. `known` is the newest patch that was looked at.
 */
export const kubeadmImages = {
  "1.34": {
    known: 4,
    from: {
      0: { etcd: "3.6.4-0", coredns: "v1.12.1", pause: "3.10.1" },
      2: { etcd: "3.6.5-0", coredns: "v1.12.1", pause: "3.10.1" },
    },
  },
  "1.35": { known: 4, from: { 0: { etcd: "3.6.6-0", coredns: "v1.13.1", pause: "3.10.1" } } },
  "1.36": { known: 5, from: { 0: { etcd: "3.6.8-0", coredns: "v1.14.2", pause: "3.10.2" } } },
  "1.37": { known: 2, from: { 0: { etcd: "3.7.0-0", coredns: "v1.14.6", pause: "3.10.2" } } },
} as const satisfies Record<(typeof supportedKubernetesMinors)[number], KubeadmImages>;

interface KubeadmImages {
  known: number;
  from: Record<number, { etcd: string; coredns: string; pause: string }>;
}
