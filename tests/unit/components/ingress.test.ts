import { mastersSshPort } from "../../../render/haproxy";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import type { ApiClient } from "../../../components/in-cluster/api-client";
import { fittingCharts } from "../../../config/versions";
import { readYaml, validConfig, vary, type RawConfig } from "../../support/configs";
import {
  consulTokenOf,
  issuedCertificate,
  issuing,
  kubeconfigText,
  readStep,
  recordOnce,
  runProgram,
  type Declared,
  type Recording,
} from "../../support/recorder";
import { stateOf } from "../../support/state";

/** The part of a chart's values that these tests look into. */
interface Values extends Record<string, unknown> {
  additionalArguments: string[];
  deployment: unknown;
  podDisruptionBudget?: unknown;
  topologySpreadConstraints?: { topologyKey: string; whenUnsatisfiable: string }[];
  ports: Record<
    "web" | "websecure",
    {
      nodePort: number;
      proxyProtocol: unknown;
      transport: unknown;
      http: { middlewares: string[]; redirections?: unknown };
    }
  >;
  providers: { file: { content: string } };
}

const values = (recording: Recording, release = "ingress") => recording.release(release).inputs.values as Values;
const names = (resources: Iterable<Declared>) => [...resources].map(({ name }) => name);
const complete = { demo: true, ingress: { domain: "apps.example.org" } };

describe.each([{ preview: false }, { preview: true }])(
  "storage, Consul, Traefik and demonstration, $preview preview",
  ({ preview }) => {
    const recorded = recordOnce(vary(validConfig(), complete), { preview });
    const before = (type: string, name: string) => names(recorded().before(recorded().get(type, name)));

    test("volumes wait for nodes to place the provisioner on", () => {
      const needed = before("Deployment", "storage-local-path-provisioner");
      expect(needed).toEqual(expect.arrayContaining(["worker-1-labels", "worker-2-labels"]));
    });

    test("Consul waits for its nodes, its volumes and its secrets", () => {
      const secrets = ["ca-cert", "server-cert", "gossip-encryption-key", "bootstrap-token"];
      const needed = ["worker-1-labels", "worker-2-labels", "storage-local-path-class", "consul-namespace"];
      expect(before("Release", "consul")).toEqual(
        expect.arrayContaining([...needed, ...secrets.map((secret) => `consul-${secret}`)]),
      );
    });

    test("tokens wait for servers, and entries for tokens", () => {
      const servers = recorded().release("consul");
      expect(recorded().before(recorded().command("consul-acl"))).toContain(servers);
      expect(recorded().directSteps(recorded().command("consul-entries"))).toContain("consul-acl");
    });

    test("a server's certificate waits until all servers trust who issued it, and whoever asks servers until they present it", () => {
      expect(before("Secret", "consul-server-cert")).toContain("consul-trusts");
      expect(before("command:remote:Command", "consul-trusts")).not.toContain("consul");
      expect(recorded().directSteps(recorded().command("consul-acl"))).toContain("consul-presents");
    });

    test("Traefik waits for the definitions of its objects, its secrets and Consul's entries", () => {
      const secrets = ["ingress-default-certificate", "ingress-dashboard-users", "ingress-consul"];
      expect(before("Release", "ingress")).toEqual(
        expect.arrayContaining([
          "ingress-definitions",
          ...secrets,
          "ingress-dashboard-login",
          "consul-entries",
          "consul-acl",
        ]),
      );
    });

    test("objects of Traefik's kinds wait for their definitions", () => {
      for (const { type, name } of recorded().resources.filter((it) => it.type.startsWith("kubernetes:traefik.io/"))) {
        expect(before(type, name), name).toContain("ingress-definitions");
      }
    });

    test("definitions wait for the API alone", () => {
      const steps = recorded().stepsBefore(recorded().release("ingress-definitions"));
      expect(steps).toContain("control-plane-kubeconfig");
      expect(steps.filter((step) => step.endsWith("-join"))).toEqual([]);
    });

    test("all of the demonstration waits for workers alone, and comes up beside Traefik", () => {
      const demo = recorded().resources.filter(({ parent }) => parent === recorded().get("Demo", "demo").urn);
      expect(names(demo).sort()).toEqual([
        "demo-application",
        "demo-ingress",
        "demo-namespace",
        "demo-page",
        "demo-service",
      ]);
      for (const { type, name } of demo) {
        expect(before(type, name), name).toEqual(expect.arrayContaining(["worker-1-labels", "worker-2-labels"]));
        expect(before(type, name), name).not.toContain("ingress");
      }
    });

    test("what the charts get is known before anything exists", () => {
      expect(
        JSON.stringify(
          recorded()
            .ofType("Release")
            .map(({ inputs }) => inputs),
        ),
      ).not.toContain("(unknown)");
    });

    test("no pod's field is left for the API server to complete: a second run that makes the object would be a conflict", () => {
      const text = JSON.stringify(recorded().resources.map(({ inputs }) => inputs));
      const fields = [...text.matchAll(/"fieldRef":(\{[^}]*\})/g)].map(
        ([, field = ""]) => JSON.parse(field) as unknown,
      );
      expect(fields.length).toBeGreaterThan(3);
      for (const field of fields) {
        expect(field).toMatchObject({ apiVersion: "v1" });
      }
    });

    test("everything in the cluster is made by its provider and gone with it", () => {
      const cluster = recorded().get("RandomId", "control-plane-identity");
      const provider = recorded().get("pulumi:providers:kubernetes", "control-plane-api");
      const inside = recorded().resources.filter(({ type }) => type.startsWith("kubernetes:"));
      expect(inside.length).toBeGreaterThan(40);
      for (const resource of inside) {
        expect(resource.deletedWith, resource.name).toBe(cluster.urn);
        expect(resource.provider.slice(0, resource.provider.lastIndexOf("::")), resource.name).toBe(provider.urn);
        // Their names are fixed.
        expect(resource.deleteBeforeReplace, resource.name).toBe(true);
      }
    });
  },
);

describe("Consul", () => {
  const recorded = recordOnce(
    vary(validConfig(), {
      consul: { storageSize: "3Gi", storageClass: "local-path", kv: { "app/a": "1", "other/b": "é" } },
    }),
  );

  test("servers have the certificate's and the secrets' names, and none of their content", () => {
    expect(values(recorded(), "consul")).toEqual({
      global: {
        name: "consul",
        datacenter: "dc1",
        tls: { enabled: true, httpsOnly: true, caCert: { secretName: "consul-ca-cert", secretKey: "ca.crt" } },
        gossipEncryption: { secretName: "consul-gossip-encryption-key", secretKey: "key" },
        acls: { manageSystemACLs: true, bootstrapToken: { secretName: "consul-bootstrap-token", secretKey: "token" } },
      },
      server: {
        replicas: 3,
        storage: "3Gi",
        storageClass: "local-path",
        serverCert: { secretName: "consul-server-cert" },
        affinity: "",
        topologySpreadConstraints: expect.any(String) as string,
      },
      ui: { enabled: true, service: { enabled: true, type: "ClusterIP" } },
      connectInject: { enabled: false },
    });
    const namesOfSecrets = recorded()
      .ofType("core/v1:Secret")
      .map(({ inputs }) => (inputs.metadata as { name: string }).name);
    expect(namesOfSecrets).toEqual(
      expect.arrayContaining([
        "consul-ca-cert",
        "consul-server-cert",
        "consul-gossip-encryption-key",
        "consul-bootstrap-token",
      ]),
    );
  });

  test("servers are spread over nodes, by the labels that the chart gives them", () => {
    const { server } = values(recorded(), "consul") as unknown as { server: { topologySpreadConstraints: string } };
    expect(parse(server.topologySpreadConstraints)).toEqual([
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: { app: "consul", component: "server", release: "consul" } },
      },
    ]);
  });

  test("a token is a UUID, and there are three", () => {
    const tokens = ["bootstrap", "editor", "reader"].map((role) => consulTokenOf(`consul-${role}-token`));
    expect(new Set(tokens).size).toBe(3);
    for (const token of tokens) {
      expect(token).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    }
    expect(recorded().exports.consulToken?.value).toBe(tokens[1]);
  });

  test("the gossip key has 32 bytes", () => {
    const { key } = recorded().get("Secret", "consul-gossip-encryption-key").inputs.stringData as { key: string };
    expect(Buffer.from(key, "base64")).toHaveLength(32);
  });

  test("the certificate covers servers by the names that servers and clients use", () => {
    const request = JSON.parse(String(recorded().get("local:Command", "consul-certificate").inputs.stdin)) as Values;
    expect(request).toMatchObject({ commonName: "server.dc1.consul", ipAddresses: ["127.0.0.1"] });
    expect(request.dnsNames).toEqual(
      expect.arrayContaining(["server.dc1.consul", "localhost", "consul-ui.consul.svc", "*.consul-server.consul.svc"]),
    );
  });

  test("a step of any master, with the functions for Consul's API, declares policies, tokens and entries", async () => {
    const acl = recorded().command("consul-acl");
    const entries = recorded().command("consul-entries");
    const { certificate } = await issuedCertificate("authority-certificate");
    for (const step of [acl, entries]) {
      expect(step.inputs.connection).toMatchObject({ port: mastersSshPort });
      expect(readStep(step).texts.CA).toBe(certificate);
    }
    expect([acl, entries].map((step) => readStep(step).script)).toEqual([
      "configure-consul-acl",
      "declare-consul-entries",
    ]);
    expect(readStep(acl).texts.POLICIES).toContain("traefik-reader");
    const [keys = "", transactions = ""] = readStep(entries).rest.split("\n\n");
    expect(keys).toBe("app/a\nother/b");
    expect(JSON.parse(transactions)).toEqual([
      { KV: { Verb: "set", Key: "app/a", Value: Buffer.from("1").toString("base64") } },
      { KV: { Verb: "set", Key: "other/b", Value: Buffer.from("é").toString("base64") } },
    ]);
  });
});

describe("Traefik", () => {
  const recorded = recordOnce(
    vary(validConfig(), {
      demo: true,
      frontend: {
        virtualAddress: "10.20.0.5",
        nodes: { "haproxy-2": { host: "esxi-2", address: "10.20.0.11" } },
        ingressNodePorts: { http: 31080, https: 31443 },
      },
      ingress: {
        domain: "apps.example.org",
        dynamic: {
          http: {
            routers: { app: { rule: "Host(`app.example.org`)", service: "app" } },
            services: { app: { loadBalancer: { servers: [{ url: "http://app" }] } } },
          },
        },
      },
    }),
  );

  test("runs once on every node, if the configuration says no number", () => {
    expect(values(recorded()).deployment).toEqual({ kind: "DaemonSet", readinessPath: "/ready" });
    expect(values(recorded())).not.toHaveProperty("podDisruptionBudget");
    expect(values(recorded())).not.toHaveProperty("topologySpreadConstraints");
  });

  test("takes the word of HAProxy machines and nodes on a client's address, and of nobody else", () => {
    const trustedIPs = [
      "10.20.0.10",
      "10.20.0.11",
      "10.20.0.21",
      "10.20.0.22",
      "10.20.0.23",
      "10.20.0.31",
      "10.20.0.32",
    ];
    const expected = { trustedIPs: trustedIPs.map((address) => `${address}/32`) };
    const { web, websecure } = values(recorded()).ports;
    expect([web.proxyProtocol, websecure.proxyProtocol]).toEqual([expected, expected]);
    expect(values(recorded())).toMatchObject({ service: { spec: { externalTrafficPolicy: "Local" } } });
  });

  test("listens where HAProxy passes connections on to", () => {
    const { web, websecure } = values(recorded()).ports;
    expect([web.nodePort, websecure.nodePort]).toEqual([31080, 31443]);
    const text = String(readStep(recorded().command("haproxy-2-haproxy")).texts.CONFIG);
    expect(text).toContain("server worker-1 10.20.0.31:31080 check send-proxy-v2\n");
    expect(text).toContain("server worker-1 10.20.0.31:31443 check send-proxy-v2\n");
  });

  test("leaves it to Traefik how long a request may take, if the configuration says nothing", () => {
    const { web, websecure } = values(recorded()).ports;
    for (const { transport } of [web, websecure]) {
      expect(transport).toEqual({ lifeCycle: { requestAcceptGraceTimeout: 10, graceTimeOut: 20 } });
    }
  });

  test("answers in clear too, if the configuration does not say otherwise", () => {
    expect(values(recorded()).ports.web.http).not.toHaveProperty("redirections");
  });

  test("reads routes of the configuration and of the demonstration beside the files of the chart", () => {
    const content = parse(values(recorded()).providers.file.content) as { http: Record<string, object> };
    expect(Object.keys(content.http.routers ?? {}).sort()).toEqual(["app", "demo-file"]);
    expect(Object.keys(content.http.middlewares ?? {}).sort()).toEqual(["security-headers"]);
  });

  test("asks another pod when one does not answer, on every route", () => {
    const { additionalArguments, ports } = values(recorded());
    expect(additionalArguments).toContain("--serversTransport.forwardingTimeouts.dialTimeout=1s");
    const { metadata, spec } = recorded().get("Middleware", "ingress-retry").inputs;
    expect({ metadata, spec }).toEqual({
      metadata: { name: "retry", namespace: "traefik" },
      spec: { retry: { attempts: 4 } },
    });
    for (const { http } of [ports.web, ports.websecure]) {
      expect(http.middlewares).toEqual(["traefik-retry@kubernetescrd"]);
    }
  });

  test("a pod is asked for pages once it has read the routes of Kubernetes", () => {
    const { deployment, ingressRoute } = values(recorded());
    expect(ingressRoute).toMatchObject({ healthcheck: { enabled: true, matchRule: "Path(`/ready`)" } });
    expect(deployment).toMatchObject({ readinessPath: "/ready" });
  });

  test("reads Consul with a certificate to check and a token in a file", () => {
    const { additionalArguments, env, volumes } = values(recorded());
    expect(additionalArguments.filter((argument) => argument.startsWith("--providers"))).toEqual([
      "--providers.consul.endpoints=consul-ui.consul.svc:443",
      "--providers.consul.rootKey=traefik",
      "--providers.consul.tls.ca=/etc/traefik/consul/ca.crt",
    ]);
    expect(env).toEqual([{ name: "CONSUL_HTTP_TOKEN_FILE", value: "/etc/traefik/consul/token" }]);
    expect(volumes).toEqual([{ name: "consul", mountPath: "/etc/traefik/consul", type: "secret" }]);
    const { stringData } = recorded().get("Secret", "ingress-consul").inputs;
    expect(Object.keys(stringData as object).sort()).toEqual(["ca.crt", "token"]);
  });

  test("its certificate covers the domain and the names below it, as long as browsers accept", () => {
    const request: unknown = JSON.parse(String(recorded().get("local:Command", "ingress-certificate").inputs.stdin));
    expect(request).toMatchObject({ dnsNames: ["apps.example.org", "*.apps.example.org"], days: 825 });
  });

  test("its dashboard and Consul's web interface have host names of their own", () => {
    expect(values(recorded())).toMatchObject({
      ingressRoute: {
        dashboard: {
          matchRule: "Host(`traefik.apps.example.org`) && (PathPrefix(`/dashboard`) || PathPrefix(`/api`))",
          middlewares: [{ name: "dashboard-login" }],
        },
      },
    });
    expect(recorded().get("IngressRoute", "ingress-consul-route").inputs).toMatchObject({
      metadata: { namespace: "consul" },
      spec: {
        entryPoints: ["websecure"],
        routes: [
          {
            match: "Host(`consul.apps.example.org`)",
            services: [{ name: "consul-ui", port: 443, scheme: "https", serversTransport: "consul" }],
          },
        ],
      },
    });
    expect(recorded().get("ServersTransport", "ingress-consul-transport").inputs.spec).toEqual({
      serverName: "consul-ui.consul.svc",
      rootCAs: [{ secret: "consul-ca-cert" }],
      disableHTTP2: true,
      forwardingTimeouts: { dialTimeout: "1s" },
    });
  });

  test("the demonstration has a route of each source", () => {
    expect(recorded().get("Ingress", "demo-ingress").inputs.spec).toMatchObject({
      ingressClassName: "traefik",
      rules: [{ host: "demo-kubernetes.apps.example.org" }],
    });
    expect(values(recorded()).providers.file.content).toContain("Host(`demo-file.apps.example.org`)");
    const { rest } = readStep(recorded().command("consul-entries"));
    expect(rest.split("\n\n")[0]).toContain("traefik/http/routers/demo-consul/rule");
    expect(rest).toContain(Buffer.from("Host(`demo-consul.apps.example.org`)").toString("base64"));
  });
});

describe("a number of Traefik's pods, HTTPS for all and long uploads", () => {
  const recorded = recordOnce(
    vary(validConfig(), { ingress: { replicas: 2, redirectToHttps: true, readTimeout: "10m", retryAttempts: 1 } }),
  );

  test("give uploads the time that the configuration says, on both ports", () => {
    const { web, websecure } = values(recorded()).ports;
    for (const { transport } of [web, websecure]) {
      expect(transport).toMatchObject({ lifeCycle: {}, respondingTimeouts: { readTimeout: "10m" } });
    }
  });

  test("ask no second pod if the configuration says so", () => {
    expect(recorded().get("Middleware", "ingress-retry").inputs.spec).toEqual({ retry: { attempts: 1 } });
  });

  test("make a Deployment, one pod on a node at most, of which one may be away", () => {
    const { deployment, topologySpreadConstraints, podDisruptionBudget } = values(recorded());
    expect(deployment).toMatchObject({ kind: "Deployment", replicas: 2 });
    expect(topologySpreadConstraints).toEqual([
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: { "app.kubernetes.io/name": "traefik" } },
        matchLabelKeys: ["pod-template-hash"],
      },
    ]);
    expect(podDisruptionBudget).toEqual({ enabled: true, maxUnavailable: 1 });
  });

  test("send a client from port 80 to port 443", () => {
    expect(values(recorded()).ports.web.http.redirections).toEqual({
      entryPoint: { to: "websecure", scheme: "https", permanent: true },
    });
    expect(values(recorded()).ports.websecure.http).not.toHaveProperty("redirections");
  });
});

describe("a certificate of one's own", () => {
  test("is what Traefik presents, and none is issued for it", async () => {
    const own = await issuedCertificate("one's own");
    const recording = await runProgram(
      vary(validConfig(), { ingress: { certificate: own.certificate }, ingressCertificateKey: own.key }),
    );
    expect(recording.get("Secret", "ingress-default-certificate").inputs).toMatchObject({
      type: "kubernetes.io/tls",
      stringData: { "tls.crt": own.certificate, "tls.key": own.key },
    });
    expect(names(issuing(recording)).sort()).toEqual([
      "authority-certificate",
      "consul-certificate",
      "metrics-certificate",
      "snapshots-key",
    ]);
    const clear = recording.resources.filter(({ inputs, secrets }) => {
      const open = Object.entries(inputs).filter(([key]) => !secrets.includes(key));
      return JSON.stringify(open).includes(own.key.split("\n")[1] ?? "");
    });
    expect(names(clear)).toEqual([]);
  });
});

describe("what is disabled", () => {
  const off = { enabled: false };
  const kinds = ({ resources }: Recording) => new Set(resources.map(({ type }) => type.split(":").at(-1)));

  test("without Consul Traefik has two sources, and nothing that belongs to the third", async () => {
    const recording = await runProgram(vary(validConfig(), { consul: off }));
    for (const key of ["env", "volumes"]) {
      expect(values(recording)).not.toHaveProperty(key);
    }
    expect(values(recording).additionalArguments.join()).not.toContain("consul");
    expect(names(recording.resources).filter((name) => name.includes("consul"))).toEqual([]);
    const urls = ["consulUrl", "consulToken", "consulBootstrapToken"].map((name) => recording.exports[name]?.value);
    expect(urls).toEqual([undefined, undefined, undefined]);
    expect(recording.exports.dashboardUrl?.value).toBe("https://traefik.k8s.internal/dashboard/");
  });

  test("without Traefik HAProxy tells nobody of clients, and Consul has no host name", async () => {
    const recording = await runProgram(vary(validConfig(), { ingress: off }));
    expect(String(readStep(recording.command("haproxy-1-haproxy")).texts.CONFIG)).not.toContain("send-proxy");
    expect(kinds(recording)).not.toContain("TraefikIngress");
    expect(recording.exports.consulUrl?.value).toBeUndefined();
    expect(recording.exports.consulToken?.value).toBe(consulTokenOf("consul-editor-token"));
    expect(recording.exports.ingressHosts?.value).toEqual({ kubernetes: [], file: [], consul: [] });
  });

  test("without both there is no release, and no history of one is asked for", async () => {
    const asked: string[] = [];
    const recording = await runProgram(vary(validConfig(), { consul: off, ingress: off }), { api: history(asked) });
    expect(recording.ofType("Release")).toEqual([]);
    expect(asked).toEqual([]);
  });

  test("without storage of its own the cluster has no StorageClass, and Consul waits for workers and somebody else's", async () => {
    const recording = await runProgram(vary(validConfig(), { storage: { classes: {} } }));
    expect(kinds(recording)).not.toContain("LocalPathStorage");
    expect(kinds(recording)).not.toContain("StorageClass");
    expect(recording.get("Storage", "storage").outputs).toEqual({});
    const needed = names(recording.before(recording.release("consul")));
    expect(needed).toEqual(expect.arrayContaining(["worker-1-labels", "worker-2-labels", "consul-storage-class"]));
    const step = recording.command("consul-storage-class");
    expect(readStep(step)).toMatchObject({ script: "await-storage-class", parameters: { CLASS: "" } });
    expect(recording.stepsBefore(step)).toContain("worker-2-labels");
  });

  test("without the demonstration none of its host names is declared", async () => {
    const recording = await runProgram(validConfig());
    expect(kinds(recording)).not.toContain("Demo");
    expect(recording.exports.demoHosts?.value).toEqual({});
    expect(readStep(recording.command("consul-entries")).rest.trim()).toBe("");
    expect(values(recording).providers.file.content).not.toContain("demo");
  });
});

describe("charts", () => {
  test("come from this project, and a changed one is told by its description", async () => {
    const recording = await runProgram(validConfig());
    for (const [name, chart] of [
      ["consul", "consul"],
      ["ingress", "traefik"],
    ] as const) {
      const { inputs } = recording.release(name);
      expect(inputs).toMatchObject({ chart: `./charts/${chart}`, name: chart, namespace: chart, skipCrds: true });
      expect(inputs.description).toMatch(new RegExp(`^charts/${chart} [0-9a-f]{12}$`));
      expect(inputs).not.toHaveProperty("repositoryOpts");
      expect(inputs).not.toHaveProperty("version");
    }
  });

  test.each(["consul", "traefik"] as const)("of %s: those that fit are known for the minor that is pinned", (chart) => {
    const path = join(__dirname, "..", "..", "..", "charts", chart, "Chart.yaml");
    const { appVersion } = readYaml(path) as { appVersion: string };
    const { component, range, example } = fittingCharts[chart];
    expect(appVersion.replace(/^v/, "")).toMatch(new RegExp(`^${component.replaceAll(".", "[.]")}[.][0-9]+$`));
    expect(example.startsWith(`${range}.`)).toBe(true);
  });

  test("are the official ones where the configuration says so, with the same values", async () => {
    const official: RawConfig = {
      consul: { chart: { repository: "https://helm.releases.hashicorp.com", version: "1.9.10" } },
      ingress: { chart: { repository: "https://traefik.github.io/charts", version: "39.0.8" } },
    };
    const [ours, theirs] = [await runProgram(validConfig()), await runProgram(vary(validConfig(), official))];
    expect(theirs.release("consul").inputs).toMatchObject({
      chart: "consul",
      version: "1.9.10",
      repositoryOpts: { repo: "https://helm.releases.hashicorp.com" },
    });
    expect(theirs.release("ingress").inputs).toMatchObject({
      chart: "traefik",
      version: "39.0.8",
      repositoryOpts: { repo: "https://traefik.github.io/charts" },
    });
    for (const name of ["consul", "ingress"]) {
      expect(theirs.release(name).inputs).not.toHaveProperty("description");
      expect(theirs.release(name).inputs.values).toEqual(ours.release(name).inputs.values);
    }
  });

  test("get what the configuration merges over the values", async () => {
    const over = vary(validConfig(), {
      consul: { values: { server: { priorityClassName: "high" } } },
      ingress: { values: { logs: { general: { level: "DEBUG" } }, additionalArguments: ["--log.compress=true"] } },
    });
    const recording = await runProgram(over);
    expect(values(recording, "consul").server).toMatchObject({ replicas: 3, priorityClassName: "high" });
    expect(values(recording)).toMatchObject({
      logs: { general: { level: "DEBUG" }, access: { enabled: true, format: "json" } },
      additionalArguments: expect.arrayContaining([
        "--providers.consul.rootKey=traefik",
        "--log.compress=true",
      ]) as string[],
    });
  });
});

/** Collects what is asked about releases. */
function history(asked: string[]): ApiClient {
  return (method, path) => {
    if (!path.startsWith("/api/v1/namespaces/kube-system/")) {
      asked.push(`${method} ${path.replace(/\?.*/, "")}`);
    }
    return Promise.resolve({ items: [] });
  };
}

describe("revisions that an interrupted run left pending", () => {
  test("are asked for on every update, with the cluster's kubeconfig", async () => {
    const asked: string[] = [];
    const recording = await runProgram(validConfig(), { api: history(asked) });
    expect(new Set(recording.apiClients)).toEqual(new Set([kubeconfigText]));
    expect(asked.sort()).toEqual(
      ["consul", "traefik-crds", "traefik"].flatMap((namespace) =>
        ["configmaps", "secrets"].map((kind) => `GET /api/v1/namespaces/${namespace}/${kind}`),
      ),
    );
  });

  test.each([{ built: false }, { built: true }])("are no business of a preview, built: $built", async ({ built }) => {
    const asked: string[] = [];
    const recording = await runProgram(validConfig(), { preview: true, built, api: history(asked) });
    const { kubeconfig } = recording.get("pulumi:providers:kubernetes", "control-plane-api").inputs;
    expect(kubeconfig === kubeconfigText).toBe(built);
    expect(asked).toEqual([]);
  });

  test("keep nothing waiting when the API server does not answer: whoever needs it says so", async () => {
    const recording = await runProgram(validConfig(), { api: () => Promise.reject(new Error("connection refused")) });
    expect(values(recording).deployment).toMatchObject({ kind: "DaemonSet" });
  });
});

describe("the end of a certificate", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.each([
    { days: 29, warned: ["authority-certificate", "consul-certificate", "ingress-certificate", "metrics-certificate"] },
    { days: 31, warned: [] },
  ])("is announced a month before: $days days", async ({ days, warned }) => {
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    await runProgram(validConfig(), { certificateDays: days });
    const said = warn.mock.calls.map(([message]) => message);
    expect(said.map((message) => /^the certificate (\S+) is valid until/.exec(message)?.[1]).sort()).toEqual(warned);
    for (const name of warned) {
      expect(said.join("\n")).toContain(`pulumi up --replace '**::${name}'`);
    }
  });
});

describe("another authority of the stack", () => {
  const trusted = (recording: Recording) => {
    const { stringData } = recording.get("Secret", "consul-ca-cert").inputs as { stringData: { "ca.crt": string } };
    return stringData["ca.crt"];
  };

  test("is trusted beside the one before it until servers present what it issued", async () => {
    const recording = await runProgram(validConfig());
    const { certificate } = await issuedCertificate("authority-certificate");
    expect(trusted(recording)).toBe(certificate);
    const state = stateOf(recording);
    const [urn = ""] = Object.keys(state).filter((each) => each.endsWith("::consul-presents"));
    const presents = state[urn];
    expect(presents?.outputs.triggers).toEqual([{ CA: certificate }]);
    const earlier = { ...presents, type: String(presents?.type), outputs: { triggers: [{ CA: "an earlier one\n" }] } };
    const rotating = await runProgram(validConfig(), { state: { ...state, [urn]: earlier } });
    expect(trusted(rotating)).toBe(`${certificate}an earlier one\n`);
    const sums = ["trusts", "presents"].map((step) => readStep(rotating.command(`consul-${step}`)).parameters.SUM);
    expect(new Set(sums).size).toBe(2);
    expect(trusted(await runProgram(validConfig(), { state }))).toBe(certificate);
  });
});

test("another command line issues nothing anew", async () => {
  const commands = issuing(await runProgram(validConfig()));
  expect(commands.length).toBeGreaterThan(2);
  for (const { name, ignoreChanges } of commands) {
    expect(ignoreChanges, name).toContain("create");
  }
});

describe("pods that tolerate no taint", () => {
  const gpu = {
    nodes: { "gpu-1": { host: "esxi-2", address: "10.20.0.41" } },
    taints: [{ key: "gpu", effect: "NoSchedule" }],
    cpus: 2,
    memoryMiB: 4096,
    diskGiB: 40,
  };
  const recorded = recordOnce(vary(validConfig(), { workers: { gpu } }));

  test("are not looked for behind nodes that repel them, whose word still counts", () => {
    expect(String(readStep(recorded().command("haproxy-1-haproxy")).texts.CONFIG)).not.toContain("gpu-1");
    expect(JSON.stringify(values(recorded()).ports.web.proxyProtocol)).toContain("10.20.0.41/32");
  });

  test("of CoreDNS have a place on all other nodes", () => {
    expect(recorded().get("DeploymentPatch", "cluster-dns-deployment").inputs.spec).toMatchObject({ replicas: 5 });
  });

  test("are not counted on either", async () => {
    const run = runProgram(vary(validConfig(), { workers: { gpu }, ingress: { replicas: 3 } }));
    await expect(run).rejects.toThrow("ingress.replicas: got 3");
  });
});
