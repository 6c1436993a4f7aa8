import { repositories } from "../config/repositories";
import type { StackConfig } from "../config/schema";
import { aptFiles } from "./apt";
import { containerdConfig, containerdProxyFiles, mirrorFiles, mirrorSettings } from "./containerd";
import { fileBundle } from "./files";

/** What of a configuration says where machines get packages and images from. */
export type Sources = Pick<StackConfig, "kubernetes" | "network" | "packages" | "registryMirrors" | "proxy">;

/** The files of a node, in one text: package sources and containerd's configuration, as far as its template does not bring them. */
export function nodeFiles({ kubernetes, network, packages, registryMirrors, proxy }: Sources): string {
  return fileBundle({
    ...mirrorFiles(registryMirrors),
    ...containerdProxyFiles(proxy, network),
    ...(kubernetes.install === "packages"
      ? {
          ...aptFiles(repositories(packages, kubernetes.version), proxy, network),
          "/etc/containerd/config.toml": containerdConfig(cgroupDriver(kubernetes)),
          "/etc/crictl.yaml": "runtime-endpoint: unix:///run/containerd/containerd.sock\n",
        }
      : mirrorSettings(registryMirrors)),
  });
}

/** The files of a HAProxy machine, likewise. */
export function frontendFiles({ kubernetes, network, packages, proxy }: Sources): string {
  const distribution = repositories(packages, kubernetes.version).filter(({ name }) => name === "distribution");
  return fileBundle(kubernetes.install === "packages" ? aptFiles(distribution, proxy, network) : {});
}

function cgroupDriver({ kubelet }: StackConfig["kubernetes"]): "systemd" | "cgroupfs" {
  return kubelet.cgroupDriver === "cgroupfs" ? "cgroupfs" : "systemd";
}
