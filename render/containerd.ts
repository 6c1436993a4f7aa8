import { proxyEnvironment, withoutProxy, type OwnNetworks } from "../config/proxy";
import type { Proxy, RegistryMirrors } from "../config/sources";
import type { Files } from "./files";

/** Filled in on the machine: its kubeadm knows which pause image belongs to it. */
export const pauseImagePlaceholder = "@PAUSE_IMAGE@";

const hosts = "/etc/containerd/certs.d";

/**
 * containerd's own configuration; files in /etc/containerd/conf.d may add to it.
 * @param cgroupDriver of the kubelet: both have to ask the same of systemd
 */
export function containerdConfig(cgroupDriver: "systemd" | "cgroupfs"): string {
  return `version = 3
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${pauseImagePlaceholder}"

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "${hosts}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = ${String(cgroupDriver === "systemd")}
`;
}

/** What tells containerd of mirrors, which it reads anew for every image. */
export function mirrorFiles(mirrors: RegistryMirrors): Files {
  const files: Files = {};
  for (const [registry, mirror] of Object.entries(mirrors)) {
    const { server, overridesPath } = mirrorServer(mirror.url);
    const ca = `${hosts}/${registry}/ca.crt`;
    const how = [
      'capabilities = ["pull", "resolve"]',
      ...(overridesPath ? ["override_path = true"] : []),
      ...(mirror.ca === undefined ? [] : [`ca = "${ca}"`]),
    ];
    files[`${hosts}/${registry}/hosts.toml`] = mirror.fallback
      ? [`server = "${registryServer(registry)}"`, "", `[host."${server}"]`, ...how.map((line) => `  ${line}`)].join(
          "\n",
        )
      : [`server = "${server}"`, ...how].join("\n");
    if (mirror.ca !== undefined) {
      files[ca] = mirror.ca;
    }
  }
  return files;
}

/**
 * What has the containerd of a template look for mirrors. Its own default, two folders in one text, it does not find itself by the way that
 * it pulls images by default (read in 2.4.2); and `containerd config default` writes just that.
 */
export function mirrorSettings(mirrors: RegistryMirrors): Files {
  return Object.keys(mirrors).length === 0
    ? {}
    : {
        "/etc/containerd/conf.d/esxi-k8s-mirrors.toml": [
          "version = 3",
          "",
          '[plugins."io.containerd.cri.v1.images".registry]',
          `  config_path = "${hosts}"`,
        ].join("\n"),
      };
}

/** Lets containerd pull through a proxy. Nothing without one. */
export function containerdProxyFiles(proxy: Proxy, own: OwnNetworks): Files {
  const environment = Object.entries(proxyEnvironment(proxy, withoutProxy(proxy, own)));
  if (environment.length === 0) {
    return {};
  }
  const lines = environment.map(([name, value]) => `Environment="${name}=${value.replaceAll("%", "%%")}"`);
  return { "/etc/systemd/system/containerd.service.d/esxi-k8s-proxy.conf": ["[Service]", ...lines].join("\n") };
}

/** The API of a mirror whose images have a path in front of their names is below /v2 and that path. */
function mirrorServer(url: string): { server: string; overridesPath: boolean } {
  const { origin, pathname } = new URL(url);
  const path = pathname.replace(/\/+$/, "");
  if (path === "") {
    return { server: origin, overridesPath: false };
  }
  return { server: origin + (/^\/v2(\/|$)/.test(path) ? path : `/v2${path}`), overridesPath: true };
}

/** Where a registry answers: only Docker's does so under another name than its images carry. */
function registryServer(registry: string): string {
  return registry === "docker.io" ? "https://registry-1.docker.io" : `https://${registry}`;
}
