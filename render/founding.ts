import { byName } from "../config/nodes";
import type { StackConfig } from "../config/schema";
import { hasType } from "../config/storage";
import { initConfig } from "./kubeadm";

/** What of a configuration a cluster is founded with. */
export type Founding = Pick<StackConfig, "kubernetes" | "network" | "frontend" | "controlPlane" | "storage">;

/** Address that clients use: the one that the HAProxy machines share, or the only machine's. Known before anything exists. */
export function frontendAddress({ virtualAddress, nodes }: StackConfig["frontend"]): string {
  return virtualAddress ?? byName({ nodes })[0]?.[1].address ?? "";
}

/**
 * kubeadm's configuration with which a cluster is founded.
 * @param stack names the cluster
 * @param master that founds it; default: the first one by name
 */
export function foundingConfig(
  { kubernetes, network, frontend, controlPlane, storage }: Founding,
  stack: string,
  master: { name: string; address: string } = firstMaster(controlPlane),
): string {
  const { version, kubelet, kubeProxy, ignorePreflightErrors, apiServerCertSANs } = kubernetes;
  const { podCidr, serviceCidr } = network;
  return initConfig(
    {
      name: stack,
      version,
      // kubeadm adds the endpoint to the names of the API's certificate; a machine's own address would make it one that cannot leave.
      endpoint: frontendAddress(frontend),
      certSANs: apiServerCertSANs,
      podCidr,
      serviceCidr,
      kubelet,
      kubeProxy,
    },
    { ...master, ignorePreflightErrors, externalCloudProvider: hasType("vsphere", storage.classes) },
  );
}

function firstMaster(controlPlane: StackConfig["controlPlane"]): { name: string; address: string } {
  const [name = "", node] = byName(controlPlane)[0] ?? [];
  return { name, address: node?.address ?? "" };
}
