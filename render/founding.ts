import { byName } from "../config/nodes";
import type { StackConfig } from "../config/schema";
import { initConfig } from "./kubeadm";

/** What of a configuration a cluster is founded with. */
export type Founding = Pick<StackConfig, "kubernetes" | "network" | "frontend" | "controlPlane">;

/** Address that clients use: the one that the HAProxy machines share, or the only machine's. Known before anything exists. */
export function frontendAddress({ virtualAddress, nodes }: StackConfig["frontend"]): string {
  return virtualAddress ?? byName({ nodes })[0]?.[1].address ?? "";
}

/** Every address that may end up in a client's URL; the API server's certificate covers them all. */
export function frontendAddresses(frontend: StackConfig["frontend"]): string[] {
  return [...new Set([frontendAddress(frontend), ...byName(frontend).map(([, { address }]) => address)])];
}

/**
 * kubeadm's configuration with which a cluster is founded.
 * @param stack names the cluster
 * @param master that founds it; default: the first one by name
 */
export function foundingConfig(
  { kubernetes, network, frontend, controlPlane }: Founding,
  stack: string,
  master: { name: string; address: string } = firstMaster(controlPlane),
): string {
  const { version, kubelet, kubeProxy, ignorePreflightErrors, apiServerCertSANs } = kubernetes;
  const { podCidr, serviceCidr } = network;
  const certSANs = [...frontendAddresses(frontend), ...apiServerCertSANs];
  return initConfig(
    { name: stack, version, endpoint: frontendAddress(frontend), certSANs, podCidr, serviceCidr, kubelet, kubeProxy },
    { ...master, ignorePreflightErrors },
  );
}

function firstMaster(controlPlane: StackConfig["controlPlane"]): { name: string; address: string } {
  const [name = "", node] = byName(controlPlane)[0] ?? [];
  return { name, address: node?.address ?? "" };
}
