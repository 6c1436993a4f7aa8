import { contains, parseNetwork } from "./addresses";
import type { Proxy } from "./sources";

/** What a cluster reaches without a proxy, whatever the configuration says. */
export interface OwnNetworks {
  subnet: string;
  podCidr: string;
  serviceCidr: string;
}

/** Everything that is reached directly: what the configuration lists, and what belongs to the machine and the cluster. */
export function withoutProxy({ noProxy }: Proxy, { subnet, podCidr, serviceCidr }: OwnNetworks): string[] {
  const own = ["localhost", "127.0.0.0/8", subnet, podCidr, serviceCidr, ".svc", ".cluster.local"];
  return [...new Set([...noProxy, ...own])];
}

/**
 * The proxy that a URL is fetched through, or undefined for none.
 * @param direct what `withoutProxy` says
 */
export function proxyFor(target: string, { http, https }: Proxy, direct: string[]): string | undefined {
  const { hostname, protocol } = new URL(target);
  return direct.some((entry) => matches(entry, hostname)) ? undefined : protocol === "https:" ? https : http;
}

/** Environment of a program that follows the usual variables; empty without a proxy. */
export function proxyEnvironment({ http, https }: Proxy, direct: string[]): Record<string, string> {
  if (http === undefined && https === undefined) {
    return {};
  }
  return {
    ...(http !== undefined && { HTTP_PROXY: http }),
    ...(https !== undefined && { HTTPS_PROXY: https }),
    NO_PROXY: direct.join(","),
  };
}

/** As Go and curl read an entry of NO_PROXY: a network, or a name and everything below it. */
function matches(entry: string, hostname: string): boolean {
  if (/^[\d.]+\/\d+$/.test(entry)) {
    return /^[\d.]+$/.test(hostname) && contains(parseNetwork(entry), hostname);
  }
  const name = entry.replace(/^\./, "").replace(/:\d+$/, "");
  return hostname.endsWith(`.${name}`) || (!entry.startsWith(".") && hostname === name);
}
