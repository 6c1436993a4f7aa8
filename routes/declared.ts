import { isObject } from "../render/merge";
import type { StackConfig } from "../config/schema";

/** Dynamic configuration of Traefik as its file provider reads it: `http:`, `tcp:`, `udp:` and `tls:`. */
export type Dynamic = StackConfig["ingress"]["dynamic"];

/** Key in Consul's store below which Traefik reads routes. */
export const consulRoot = "traefik";

/** Namespace and Service of the demonstration. */
export const demo = { namespace: "demo", service: "demo" } as const;

/** Host names below `ingress.domain` that this project adds. */
export function ownHosts({ ingress: { domain } }: Pick<StackConfig, "ingress">) {
  return {
    dashboard: `traefik.${domain}`,
    consul: `consul.${domain}`,
    demo: {
      kubernetes: `demo-kubernetes.${domain}`,
      file: `demo-file.${domain}`,
      consul: `demo-consul.${domain}`,
    },
  };
}

/**
 * What the two sources that are written outside of Kubernetes declare: the stack's configuration and, where it is asked for, the
 * demonstration, whose names begin with `demo-`; where both declare one, the configuration wins.
 */
export function declaredRoutes(config: Pick<StackConfig, "ingress" | "consul" | "demo">): {
  /** For the file provider. */
  dynamic: Dynamic;
  /** For Consul, by key. */
  kv: Record<string, string>;
} {
  const { dynamic } = config.ingress;
  const { kv } = config.consul;
  if (!config.demo) {
    return { dynamic, kv };
  }
  const hosts = ownHosts(config).demo;
  const url = `http://${demo.service}.${demo.namespace}.svc.cluster.local`;
  const http = dynamic.http ?? {};
  return {
    dynamic: {
      ...dynamic,
      http: {
        ...http,
        routers: {
          "demo-file": {
            rule: `Host(\`${hosts.file}\`)`,
            service: "demo-file",
            middlewares: ["security-headers"],
          },
          ...object(http.routers),
        },
        services: { "demo-file": { loadBalancer: { servers: [{ url }] } }, ...object(http.services) },
      },
    },
    kv: {
      [`${consulRoot}/http/routers/demo-consul/rule`]: `Host(\`${hosts.consul}\`)`,
      [`${consulRoot}/http/routers/demo-consul/service`]: "demo-consul",
      // A middleware of another source.
      [`${consulRoot}/http/routers/demo-consul/middlewares/0`]: "security-headers@file",
      [`${consulRoot}/http/services/demo-consul/loadBalancer/servers/0/url`]: url,
      ...kv,
    },
  };
}

function object(value: unknown): Record<string, never> {
  return isObject(value) ? (value as Record<string, never>) : {};
}
