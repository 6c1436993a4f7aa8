import type { StackConfig } from "./schema";
import type { Packages } from "./sources";
import { hasType } from "./storage";

/** A package repository of the configuration: its name there, and what is to be done with it. */
export interface Repository {
  name: keyof Packages;
  url: string;
  suites: string[];
  components: string[];
  /** Fingerprint, or the key itself; undefined for keys that every machine has. */
  signingKey?: string;
  /** Where the key of that fingerprint is. */
  keyUrl?: string;
  /** Certificate of the authority of the server. */
  ca?: string;
}

/** Where the official repositories keep their key, below their URL. */
const keyNames: Record<keyof Packages, string | undefined> = {
  kubernetes: "Release.key",
  containerd: "gpg",
  distribution: undefined,
};

/**
 * The repositories of a configuration.
 * @param version of Kubernetes, without v
 */
export function repositories(packages: Packages, version: string): Repository[] {
  const minor = version.split(".").slice(0, 2).join(".");
  return (["kubernetes", "containerd", "distribution"] as const).flatMap((name) => {
    const repository = packages[name];
    if (repository === undefined) {
      return [];
    }
    const url = repository.url.replaceAll("{minor}", minor).replace(/\/*$/, "/");
    const keyName = keyNames[name];
    const { suites, components, signingKey, ca } = repository;
    const keyUrl = repository.keyUrl ?? (keyName === undefined ? undefined : url + keyName);
    return [{ name, url, suites, components, signingKey, keyUrl, ca }];
  });
}

/** A Debian package that machines install: `=` and a version with a wildcard may follow its name, as apt-get takes it. */
export interface Package {
  name: string;
  /** Where it comes from. */
  from: keyof Packages;
}

/** Version of containerd, with a wildcard as apt-get takes it. */
export function runtimeVersion({ packages }: Pick<StackConfig, "packages">): string {
  const { version } = packages.containerd;
  // The configuration that it gets is of this major version.
  return version === undefined ? "2.*" : `${version}-*`;
}

/** What a node of the cluster needs. */
export function nodePackages({
  kubernetes,
  packages,
  storage,
}: Pick<StackConfig, "kubernetes" | "packages" | "storage">): Package[] {
  const ofKubernetes = (name: string): Package => ({ name: `${name}=${kubernetes.version}-*`, from: "kubernetes" });
  return [
    ...["kubeadm", "kubelet", "kubectl"].map(ofKubernetes),
    { name: "cri-tools", from: "kubernetes" },
    { name: "kubernetes-cni", from: "kubernetes" },
    { name: `containerd.io=${runtimeVersion({ packages })}`, from: "containerd" },
    { name: "conntrack", from: "distribution" },
    { name: "socat", from: "distribution" },
    ...(hasType("nfs", storage.classes) ? [{ name: "nfs-common", from: "distribution" } as const] : []),
    ...(hasType("smb", storage.classes) ? [{ name: "cifs-utils", from: "distribution" } as const] : []),
  ];
}

/** What a HAProxy machine needs. */
export function frontendPackages({ virtualAddress }: Pick<StackConfig["frontend"], "virtualAddress">): Package[] {
  const names = virtualAddress === undefined ? ["haproxy"] : ["haproxy", "keepalived", "iputils-arping"];
  return names.map((name) => ({ name, from: "distribution" }));
}
