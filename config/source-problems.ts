import { componentImages, kubernetesImages, registryOf } from "./images";
import type { Problem } from "./problem";
import { proxyFor, withoutProxy } from "./proxy";
import { repositories } from "./repositories";
import type { StackConfig } from "./schema";
import { isFingerprint } from "./sources";
import { supportedKubernetesMinors } from "./versions";

/** What is wrong with where machines get packages and images from. */
export function sourceProblems(config: StackConfig): Problem[] {
  return [...driverProblems(config), ...keyProblems(config), ...nameProblems(config)];
}

/** containerd is told the same. */
function driverProblems({ kubernetes }: StackConfig): Problem[] {
  const { cgroupDriver = "systemd" } = kubernetes.kubelet;
  return cgroupDriver === "systemd" || cgroupDriver === "cgroupfs"
    ? []
    : [{ path: "kubernetes.kubelet.cgroupDriver", got: JSON.stringify(cgroupDriver), expected: "systemd or cgroupfs" }];
}

function keyProblems({ packages, kubernetes }: StackConfig): Problem[] {
  const problems: Problem[] = [];
  for (const { name, signingKey, keyUrl } of repositories(packages, kubernetes.version)) {
    const path = `packages.${name}`;
    const configured = packages[name]?.keyUrl;
    if (signingKey === undefined && configured !== undefined) {
      problems.push({
        path: `${path}.signingKey`,
        got: "nothing",
        expected:
          "the fingerprint that the key at keyUrl has to have, because a key is never trusted just because it was there",
      });
    } else if (signingKey !== undefined && isFingerprint(signingKey) && keyUrl === undefined) {
      problems.push({
        path: `${path}.keyUrl`,
        got: "nothing",
        expected: "the URL of the key with the fingerprint signingKey, or the key itself as signingKey",
      });
    } else if (signingKey !== undefined && !isFingerprint(signingKey) && configured !== undefined) {
      problems.push({
        path: `${path}.keyUrl`,
        got: configured,
        expected: "nothing, because signingKey is the key itself",
      });
    }
  }
  return problems;
}

/** Machines without a resolver reach addresses only. */
function nameProblems(config: StackConfig): Problem[] {
  const { network, kubernetes, packages, registryMirrors, proxy } = config;
  if (network.dns.length > 0 || kubernetes.install !== "packages") {
    return [];
  }
  const minor = kubernetes.version.split(".").slice(0, 2).join(".");
  if (!supportedKubernetesMinors.some((supported) => supported === minor)) {
    return []; // nobody knows its images, and it is refused anyway
  }
  const direct = withoutProxy(proxy, network);
  // A proxy resolves what is asked of it.
  const first = (url: string) => new URL(proxyFor(url, proxy, direct) ?? url).hostname;

  const urls = repositories(packages, kubernetes.version).flatMap(({ url, signingKey, keyUrl }) =>
    signingKey !== undefined && isFingerprint(signingKey) && keyUrl !== undefined ? [url, keyUrl] : [url],
  );
  const images = [...kubernetesImages(kubernetes.version).images, ...componentImages(config)];
  for (const registry of new Set(images.map(registryOf))) {
    const mirror = registryMirrors[registry];
    urls.push(mirror === undefined || mirror.fallback ? `https://${registry}` : mirror.url);
  }
  const names = urls.map(first).filter((host) => !/^[\d.]+$/.test(host));
  if (packages.distribution === undefined) {
    names.push("the template's own package sources (packages.distribution takes their place)");
  }
  if (names.length === 0) {
    return [];
  }
  return [
    {
      path: "network.dns",
      got: "nothing",
      expected: `a resolver, because machines install packages from names: ${[...new Set(names)].join(", ")}; or addresses instead of all of them`,
    },
  ];
}
