import { z } from "zod";
import { dnsNameForm } from "./dns-names";
import { dockerSigningKey, kubernetesSigningKey } from "./versions";

/** Where machines get packages and container images from. Part of the schema. */

const text = z.string({ error: "a text" }).min(1, { error: "a text that is not empty" });

const pem = z
  .string()
  .regex(/^-----BEGIN CERTIFICATE-----\n[\s\S]*-----END CERTIFICATE-----\s*$/, { error: "a certificate in PEM" });

/** URL of a server on the network, without what belongs elsewhere: credentials, a query. */
const url = (protocol: RegExp, error: string) =>
  z.url({ protocol, error }).refine((value) => !/[?#@\s'"\\$`]/.test(value), { error });

const webUrl = url(/^https?$/, "an http or https URL without credentials and query");

/** `DE15 B144 …` and `de15b144…` are one fingerprint. */
const signingKey = z
  .string()
  .transform((value) => (/^[0-9a-fA-F\s]+$/.test(value) ? value.replace(/\s/g, "").toUpperCase() : value.trim()))
  .refine((value) => isFingerprint(value) || /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n[\s\S]*-----$/.test(value), {
    error: "a fingerprint of 40 hexadecimal digits, or a public key between its BEGIN PGP and END PGP lines",
  });

const suites = z
  .array(z.string().regex(/^([A-Za-z0-9._{}/-]*[A-Za-z0-9}]|\/)$/, { error: "a suite such as {codename}" }))
  .min(1, { error: "at least one suite" });
const components = z.array(z.string().regex(/^[A-Za-z0-9._/-]+$/, { error: "a component such as main" }));

/** What every package repository has. */
const repository = {
  /** The public key itself, or the fingerprint that the key at `keyUrl` has to have; it is never trusted just because it was there. */
  signingKey,
  /** Where the key is fetched from when `signingKey` is a fingerprint. */
  keyUrl: webUrl.optional(),
  /** Certificate of the authority, in PEM, that issued the repository's own, where the machines do not know it. */
  ca: pem.optional(),
};

export const packages = z
  .strictObject({
    /** kubeadm, kubelet, kubectl, cri-tools, kubernetes-cni. Default: pkgs.k8s.io. */
    kubernetes: z
      .strictObject({
        /** `{minor}` in it stands for that of `kubernetes.version`, such as 1.37. */
        url: webUrl.default("https://pkgs.k8s.io/core:/stable:/v{minor}/deb/"),
        /** Default `/`: a repository without suites. */
        suites: suites.default(["/"]),
        components: components.default([]),
        ...repository,
        signingKey: signingKey.default(kubernetesSigningKey),
      })
      .prefault({}),
    /** containerd.io. Default: download.docker.com. */
    containerd: z
      .strictObject({
        url: webUrl.default("https://download.docker.com/linux/ubuntu"),
        /** `{codename}` in one stands for that of the machine's release, such as noble. */
        suites: suites.default(["{codename}"]),
        components: components.default(["stable"]),
        ...repository,
        signingKey: signingKey.default(dockerSigningKey),
        /** Version of containerd.io, 2.0 or newer. Default: the newest of the repository. */
        version: z
          .string()
          .regex(/^[2-9]\d*\.\d+\.\d+$/, { error: 'a full version of 2 or newer in quotes such as "2.2.1"' })
          .optional(),
      })
      .prefault({}),
    /** HAProxy, keepalived, arping, conntrack and socat. Default: the sources that the template comes with; given, it takes their place. */
    distribution: z
      .strictObject({
        url: webUrl,
        suites: suites.default(["{codename}", "{codename}-updates", "{codename}-security"]),
        components: components.default(["main", "universe"]),
        ...repository,
        /** Default: the distribution's own keys, which every machine has. */
        signingKey: signingKey.optional(),
      })
      .optional(),
  })
  .prefault({});

/** Mirrors of image registries, by the registry that they stand in for: `registry.k8s.io`, `docker.io`, `ghcr.io`. */
export const registryMirrors = z
  .record(
    z.string().regex(new RegExp(`${dnsNameForm.source.replace(/\$$/, "")}(:\\d+)?$`), {
      error: "a registry's host name such as registry.k8s.io",
    }),
    z.strictObject({
      /** What stands before an image's name there, such as `https://harbor.example.org/registry.k8s.io`. */
      url: webUrl,
      /** Certificate of the authority, in PEM, that issued the mirror's own, where the machines do not know it. */
      ca: pem.optional(),
      /** Ask the registry itself for what the mirror does not have. Default false. */
      fallback: z.boolean().default(false),
    }),
  )
  .default({});

/** The way out for machines that have no other: for packages, their keys and images. */
export const proxy = z
  .strictObject({
    /** Proxy for http URLs, such as `http://proxy.example.org:3128`. */
    http: url(/^http$/, "an http URL without credentials such as http://proxy.example.org:3128").optional(),
    /** Proxy for https URLs; spoken to by http as well. */
    https: url(/^http$/, "an http URL without credentials such as http://proxy.example.org:3128").optional(),
    /** Host names, domains (`.example.org`), addresses and networks that are reached without it; the cluster's own always are. */
    noProxy: z
      .array(text.regex(/^[A-Za-z0-9.:/_-]+$/, { error: "a host name, a domain, an address or a network" }))
      .default([]),
  })
  .default({ noProxy: [] });

export type Packages = z.infer<typeof packages>;
export type RegistryMirrors = z.infer<typeof registryMirrors>;
export type Proxy = z.infer<typeof proxy>;

/** Whether a signing key is given by what it has to be recognised by, rather than by itself. */
export function isFingerprint(signingKey: string): boolean {
  return /^[0-9A-F]{40}$/.test(signingKey);
}
