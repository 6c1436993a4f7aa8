import { describe, expect, test } from "vitest";
import { hostsBySource } from "../../routes/problems";
import { backends, schedulable } from "../../config/nodes";
import { conform, dynamicShape } from "../../routes/shapes";
import { declaredRoutes, ownHosts } from "../../routes/declared";
import { variant } from "../support/configs";

const off = { enabled: false };
const router = (host: string) => ({ rule: `Host(\`${host}\`)`, service: "app" });
const app = { app: { loadBalancer: { servers: [{ url: "http://app" }] } } };

describe("host names by source", () => {
  const of = (change = {}) => hostsBySource(variant(change));

  test("are those of this project, if the configuration declares none", () => {
    expect(of()).toEqual({ kubernetes: ["traefik.k8s.internal", "consul.k8s.internal"], file: [], consul: [] });
    expect(of({ consul: off }).kubernetes).toEqual(["traefik.k8s.internal"]);
    expect(of({ consul: off, ingress: off }).kubernetes).toEqual([]);
  });

  test("follow the domain", () => {
    expect(of({ ingress: { domain: "a.example" } }).kubernetes).toEqual(["traefik.a.example", "consul.a.example"]);
  });

  test("include those of the demonstration, one of each source", () => {
    const { kubernetes, file, consul } = of({ demo: true, ingress: { domain: "a.example" } });
    expect([kubernetes.at(-1), ...file, ...consul]).toEqual([
      "demo-kubernetes.a.example",
      "demo-file.a.example",
      "demo-consul.a.example",
    ]);
  });

  test("come out of rules, each once, whatever else the rules ask for", () => {
    const hosts = of({
      ingress: {
        dynamic: {
          http: {
            routers: {
              both: { rule: "Host(`b.example`) || Host(`c.example`) && PathPrefix(`/c`)", service: "app" },
              again: router("b.example"),
            },
            services: app,
          },
          tcp: { routers: { db: { rule: "HostSNI(`db.example`)", service: "db", tls: {} } } },
        },
      },
      consul: {
        kv: {
          "traefik/http/routers/d/rule": "Host(`d.example`)",
          "traefik/http/routers/d/service": "app@file",
          "elsewhere/http/routers/e/rule": "Host(`e.example`)",
        },
      },
    });
    expect(hosts.file).toEqual(["b.example", "c.example", "db.example"]);
    expect(hosts.consul).toEqual(["d.example"]);
  });
});

describe("declared routes", () => {
  test("are those of the configuration alone without the demonstration", () => {
    const config = variant({
      ingress: { dynamic: { http: { routers: { a: router("a.example") } } } },
      consul: { kv: { "app/a": "1" } },
    });
    expect(declaredRoutes(config)).toEqual({ dynamic: config.ingress.dynamic, kv: { "app/a": "1" } });
  });

  test("of the demonstration lead to its service, beside those of the configuration", () => {
    const config = variant({
      demo: true,
      ingress: {
        dynamic: { http: { routers: { a: router("a.example") }, services: app }, tls: { options: { x: {} } } },
      },
      consul: { kv: { "app/a": "1" } },
    });
    const { dynamic, kv } = declaredRoutes(config);
    const url = "http://demo.demo.svc.cluster.local";
    expect(dynamic).toEqual({
      http: {
        routers: {
          a: router("a.example"),
          "demo-file": {
            rule: `Host(\`${ownHosts(config).demo.file}\`)`,
            service: "demo-file",
            middlewares: ["security-headers"],
          },
        },
        services: { ...app, "demo-file": { loadBalancer: { servers: [{ url }] } } },
      },
      tls: { options: { x: {} } },
    });
    expect(kv).toMatchObject({
      "traefik/http/routers/demo-consul/rule": "Host(`demo-consul.k8s.internal`)",
      "traefik/http/services/demo-consul/loadBalancer/servers/0/url": url,
      "app/a": "1",
    });
    // Traefik would refuse the whole source for a section that is there and empty.
    expect(dynamic.http).not.toHaveProperty("middlewares");
  });

  test("of the demonstration give way to entries of the configuration", () => {
    const key = "traefik/http/routers/demo-consul/middlewares/0";
    const routers = { "demo-file": { rule: "Path(`/`)", service: "other" } };
    const { kv, dynamic } = declaredRoutes(
      variant({ demo: true, consul: { kv: { [key]: "other@file" } }, ingress: { dynamic: { http: { routers } } } }),
    );
    expect(kv[key]).toBe("other@file");
    expect(dynamic.http?.routers).toEqual(routers);
  });
});

describe("what has no value", () => {
  const judged = (tree: unknown) => {
    const refused: string[] = [];
    const refuse = (keys: string[]) => refused.push(keys.join("."));
    return { tree: conform(dynamicShape(), tree, [], { mapping: "a mapping", refuse }), refused };
  };

  test("is left out", () => {
    const router = { rule: "Path(`/`)", priority: null };
    expect(judged({ http: { routers: { app: router } }, tcp: null })).toEqual({
      tree: { http: { routers: { app: { rule: "Path(`/`)" } } } },
      refused: [],
    });
  });

  test.each([
    [{ tcp: { routers: null } }, "tcp"],
    [{ http: { routers: { app: null } } }, "http.routers"],
    [{ http: { routers: { app: null, web: { rule: "Path(`/`)" } } } }, "http.routers.app"],
    [
      { http: { services: { app: { loadBalancer: { servers: [null] } } } } },
      "http.services.app.loadBalancer.servers.0",
    ],
    [
      { http: { middlewares: { a: { chain: { middlewares: ["b", null] } } } } },
      "http.middlewares.a.chain.middlewares.1",
    ],
  ])("is refused where something has to be: %j", (tree, place) => {
    expect(judged(tree).refused).toEqual([place]);
  });
});

describe("nodes that take pods", () => {
  const pool = (effect?: string) => ({
    nodes: {
      "node-10": { host: "esxi-1", address: "10.20.0.110" },
      "node-9": { host: "esxi-1", address: "10.20.0.109" },
    },
    ...(effect && { taints: [{ key: "k", effect }] }),
    ...{ cpus: 2, memoryMiB: 2048, diskGiB: 20 },
  });
  const found = (effect?: string) =>
    backends(...schedulable(variant({ workers: { extra: pool(effect) } }).workers)).map(({ name }) => name);

  test.each([
    [undefined, true],
    ["PreferNoSchedule", true],
    ["NoSchedule", false],
    ["NoExecute", false],
  ])("with the taint %s: %s", (effect, taken) => {
    const expected = ["worker-1", "worker-2", ...(taken ? ["node-9", "node-10"] : [])];
    expect(found(effect)).toEqual(expected);
  });
});
