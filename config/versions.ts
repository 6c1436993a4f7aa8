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

/** A shell for what prepares volumes, and the demonstration's web server. */
export const busyboxVersion = "1.36";

/**
 * Releases of the official charts that fit: they install the minor of the component that charts/ has, and take the values of this
 * program. How that was read stands in docs/decisions/0008-helm-releases.md.
 */
export const fittingCharts = {
  consul: { component: "1.22", range: "1.9", example: "1.9.10" },
  traefik: { component: "3.6", range: "39", example: "39.0.8" },
} as const;
