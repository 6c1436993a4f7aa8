import { isObject } from "../render/merge";
import type { StackConfig } from "../config/schema";
import type { Check } from "./matchers";
import type { Checks } from "./shapes";

/** Where routes are served that name no entry point. */
export const defaultEntryPoints = ["web", "websecure"];

/** Places that name a middleware, a service, a transport or options, which may be another source's: `name@source`. */
const references = [
  "http.middlewares.*.chain.middlewares.*",
  "http.middlewares.*.errors.service",
  "http.routers.*.middlewares.*",
  "http.routers.*.service",
  "http.routers.*.tls.options",
  "http.services.*.failover.fallback",
  "http.services.*.failover.service",
  "http.services.*.highestRandomWeight.services.*.name",
  "http.services.*.loadBalancer.serversTransport",
  "http.services.*.mirroring.mirrors.*.name",
  "http.services.*.mirroring.service",
  "http.services.*.weighted.services.*.name",
  "tcp.routers.*.middlewares.*",
  "tcp.routers.*.service",
  "tcp.routers.*.tls.options",
  "tcp.services.*.loadBalancer.serversTransport",
  "tcp.services.*.weighted.services.*.name",
  "udp.routers.*.service",
  "udp.services.*.weighted.services.*.name",
];

/** What routes may refer to in the Traefik of this stack: a route that names anything else is never served. */
export function checksOf({ ingress, consul }: Pick<StackConfig, "ingress" | "consul">): Checks {
  const { values } = ingress;
  const named = (option: RegExp) => matches(values.additionalArguments, option);
  const entryPoints = [
    ...defaultEntryPoints,
    "traefik",
    "metrics",
    ...keys(values.ports),
    ...named(/^--?entrypoints\.([^.=]+)/i),
  ];
  const providers = [
    "file",
    ...(consul.enabled ? ["consul"] : []),
    "kubernetes",
    "kubernetescrd",
    "internal",
    ...[...keys(values.providers), ...named(/^--?providers\.([^.=]+)/i)].map((name) => name.toLowerCase()),
    ...named(/^--?providers\.plugin\.([^.=]+)/i).map((name) => `plugin-${name}`),
  ];
  const experimental = isObject(values.experimental) ? values.experimental : {};
  const plugins = [
    ...keys(experimental.plugins),
    ...keys(experimental.localPlugins),
    ...named(/^--?experimental\.(?:local)?plugins\.([^.=]+)/i),
  ];

  const entryPoint: Check = (name) =>
    entryPoints.includes(name) ? undefined : `an entry point of this Traefik: ${unique(entryPoints)}`;
  const reference: Check = (name) => {
    const [, provider] = /@([^@]*)$/.exec(name) ?? [];
    return provider === undefined || providers.includes(provider)
      ? undefined
      : `a name alone, or with a source of this Traefik behind it: ${unique(providers.map((known) => `@${known}`))}`;
  };
  return {
    ...Object.fromEntries(references.map((place) => [place, reference])),
    ...Object.fromEntries(["http", "tcp", "udp"].map((kind) => [`${kind}.routers.*.entryPoints.*`, entryPoint])),
    "http.middlewares.*.plugin": (name) =>
      plugins.includes(name)
        ? undefined
        : "a plugin that ingress.values declares, under experimental.plugins of the official chart",
    // Traefik drops all default stores when there are two, and the stack has one.
    "tls.stores": (name) =>
      name === "default"
        ? "no store of this name: ingress.certificate and ingressCertificateKey set the default"
        : undefined,
  };
}

function unique(names: string[]): string {
  return [...new Set(names)].join(", ");
}

function keys(value: unknown): string[] {
  return isObject(value) ? Object.keys(value) : [];
}

/** What an expression finds in the arguments of a list. */
function matches(list: unknown, option: RegExp): string[] {
  return (Array.isArray(list) ? list : []).flatMap((argument) => option.exec(String(argument))?.[1] ?? []);
}
