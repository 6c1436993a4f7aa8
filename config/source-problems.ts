import type { Problem } from "./problem";
import { repositories } from "./repositories";
import type { StackConfig } from "./schema";
import { isFingerprint } from "./sources";

/** What is wrong with where machines get packages and images from. */
export function sourceProblems(config: StackConfig): Problem[] {
  return [...driverProblems(config), ...keyProblems(config)];
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
