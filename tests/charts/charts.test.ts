import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { snapshotControllerVersion } from "../../config/versions";
import { validConfig, vary } from "../support/configs";
import { recordOnce } from "../support/recorder";
import { refusal, render, renderText, runHelm, type Chart, type KubernetesObject, type Values } from "./render";

const root = join(__dirname, "..", "..");
const full = (chart: Chart) => parse(readFileSync(join(__dirname, "values", `${chart}.yaml`), "utf8")) as Values;
const charts: Chart[] = ["consul", "traefik"];
const cases = charts.flatMap((chart) => [
  { chart, name: "its defaults", values: {} },
  { chart, name: "all kinds of values", values: full(chart) },
]);

interface Container {
  image: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string }[];
  resources: { requests?: Record<string, string> };
  securityContext: Record<string, unknown>;
  readinessProbe?: object;
  livenessProbe?: object;
}
interface Workload {
  replicas?: number;
  selector: { matchLabels: Record<string, string> };
  template: {
    metadata: { labels: Record<string, string> };
    spec: {
      affinity?: Record<string, unknown>;
      topologySpreadConstraints?: { whenUnsatisfiable: string }[];
      terminationGracePeriodSeconds: number;
      securityContext: Record<string, unknown>;
      containers: Container[];
    };
  };
}

const kinds = ["StatefulSet", "Deployment", "DaemonSet"];
function workload(objects: KubernetesObject[]): Workload {
  const found = objects.filter(({ kind }) => kinds.includes(kind));
  expect(found).toHaveLength(1);
  return found[0]?.spec as unknown as Workload;
}
const ofKind = (objects: KubernetesObject[], kind: string) => objects.filter((object) => object.kind === kind);

describe.each(cases)("$chart with $name", ({ chart, values }) => {
  const objects = render(chart, values);
  const { selector, template } = workload(objects);
  const { containers, securityContext } = template.spec;

  test("passes Helm's lint", () => {
    const { code, text } = runHelm(["lint", "--strict"], chart, values);
    expect(code, text).toBe(0);
  });

  test("renders to what was looked at before", () => {
    expect(renderText(chart, values)).toMatchSnapshot();
  });

  test("every object is in the release's namespace, or in none where there are none", () => {
    const clusterWide = ["ClusterRole", "ClusterRoleBinding", "IngressClass"];
    for (const { kind, metadata } of objects) {
      expect([kind, metadata.namespace]).toEqual([kind, clusterWide.includes(kind) ? undefined : chart]);
    }
  });

  test("pods are what the workload selects", () => {
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
  });

  test("pods keep to the level `restricted` of pod security", () => {
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    for (const container of containers) {
      expect(container.securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      expect(container.securityContext).not.toHaveProperty("privileged");
    }
  });

  test("containers have a pinned image, requests and probes", () => {
    for (const { image, resources, readinessProbe, livenessProbe } of containers) {
      expect(image).toMatch(/^docker\.io\/[a-z/]+:v?\d+\.\d+\.\d+$/);
      expect(Object.keys(resources.requests ?? {}).sort()).toEqual(["cpu", "memory"]);
      expect([readinessProbe, livenessProbe]).not.toContain(undefined);
    }
  });

  test("no argument and no variable is a secret", () => {
    const text = JSON.stringify(containers.map(({ command, args, env }) => [command, args, env]));
    expect(text).not.toMatch(/secretKeyRef|-encrypt=|initial_management=|(token|TOKEN)=/);
  });

  test("brings no definitions of its own kinds, which Helm would never upgrade", () => {
    expect(ofKind(objects, "CustomResourceDefinition")).toEqual([]);
    expect(existsSync(join(root, "charts", chart, "crds"))).toBe(false);
  });
});

describe("what the program gives", () => {
  const recorded = recordOnce(vary(validConfig(), { ingress: { replicas: 2, redirectToHttps: true } }));
  const values = (name: string) => recorded().release(name).inputs.values as Values;

  test.each([
    ["consul", "consul"],
    ["traefik", "ingress"],
  ] as const)("is what the chart %s takes", (chart, name) => {
    expect(() => render(chart, values(name))).not.toThrow();
  });

  test("leaves a pod of Traefik that stops the time to finish", () => {
    const { template } = workload(render("traefik", values("ingress")));
    const args = template.spec.containers[0]?.args ?? [];
    for (const entryPoint of ["web", "websecure"]) {
      const seconds = ["requestAcceptGraceTimeout", "graceTimeOut"].map((key) =>
        Number(
          args.find((arg) => arg.startsWith(`--entryPoints.${entryPoint}.transport.lifeCycle.${key}=`))?.split("=")[1],
        ),
      );
      expect(Math.min(...seconds)).toBeGreaterThan(0);
      expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThan(seconds.reduce((sum, value) => sum + value));
    }
  });
});

describe("consul", () => {
  test("three servers find a place on fewer nodes", () => {
    const { affinity, topologySpreadConstraints } = workload(render("consul", {})).template.spec;
    expect(JSON.stringify(affinity ?? {})).not.toContain("required");
    expect(topologySpreadConstraints?.map(({ whenUnsatisfiable }) => whenUnsatisfiable)).toEqual(["ScheduleAnyway"]);
  });

  test.each([
    [3, 1],
    [5, 2],
  ])("of %i servers %i may be away at once", (replicas, maxUnavailable) => {
    const [budget] = ofKind(render("consul", { server: { replicas } }), "PodDisruptionBudget");
    expect(budget?.spec).toMatchObject({ maxUnavailable });
  });

  test("serves HTTPS alone, to those who have a token", () => {
    const [settings] = ofKind(render("consul", full("consul")), "ConfigMap");
    const config = JSON.parse(settings?.data?.["server.json"] ?? "") as Record<string, Record<string, unknown>>;
    expect(config.ports).toMatchObject({ http: -1, https: 8501 });
    expect(config.acl).toMatchObject({ enabled: true, default_policy: "deny" });
    expect(config.tls).toMatchObject({ internal_rpc: { verify_incoming: true, verify_server_hostname: true } });
  });

  test("another configuration makes other pods", () => {
    const pods = (extraConfig: string) => workload(render("consul", { server: { extraConfig } })).template.metadata;
    expect(pods('{"log_json": true}')).not.toEqual(pods("{}"));
  });
});

describe("traefik", () => {
  const args = (values: Values) => workload(render("traefik", values)).template.spec.containers[0]?.args ?? [];

  test("runs once on each node as a DaemonSet", () => {
    const objects = render("traefik", vary(full("traefik"), { deployment: { kind: "DaemonSet" } }));
    expect(ofKind(objects, "DaemonSet")[0]?.spec).toMatchObject({ updateStrategy: { type: "RollingUpdate" } });
    expect(ofKind(objects, "Deployment")).toEqual([]);
  });

  test("another file goes live without other pods", () => {
    const change = { providers: { file: { content: "http: {}" } } };
    const [before, after] = [full("traefik"), vary(full("traefik"), change)].map((values) => render("traefik", values));
    expect(workload(after ?? [])).toEqual(workload(before ?? []));
    expect(ofKind(after ?? [], "ConfigMap")[0]?.data).toEqual({ "config.yml": "http: {}\n" });
  });

  test("believes those who are named, redirects to the port that clients use", () => {
    expect(args(full("traefik"))).toEqual(
      expect.arrayContaining([
        "--entryPoints.web.proxyProtocol.trustedIPs=10.20.0.10/32,10.20.0.21/32",
        "--entryPoints.web.http.redirections.entryPoint.to=:443",
        "--entryPoints.web.http.middlewares=traefik-retry@kubernetescrd",
        "--entryPoints.web.transport.respondingTimeouts.readTimeout=10m",
        "--entryPoints.websecure.transport.respondingTimeouts.readTimeout=10m",
        "--entryPoints.websecure.http.tls=true",
        "--providers.consul.endpoints=consul-ui.consul.svc:443",
      ]),
    );
  });

  test("serves no metrics when told so by the null that the official chart takes", () => {
    expect(args({ metrics: { prometheus: null } }).join()).not.toContain("metrics.prometheus");
  });

  test("exposes what is to be exposed, on the node ports it is told", () => {
    const [service] = ofKind(render("traefik", full("traefik")), "Service");
    expect(service?.spec).toMatchObject({
      externalTrafficPolicy: "Local",
      ports: [
        { name: "web", port: 80, nodePort: 31080 },
        { name: "websecure", port: 443, nodePort: 31443 },
      ],
    });
  });

  test("may read what it routes by, and write nothing but the state of an Ingress", () => {
    const [role] = ofKind(render("traefik", {}), "ClusterRole");
    const rules = role?.rules ?? [];
    expect(JSON.stringify(rules)).not.toContain("*");
    const writing = rules.filter(({ verbs }) => verbs.some((verb) => !["get", "list", "watch"].includes(verb)));
    expect(writing).toEqual([{ apiGroups: ["networking.k8s.io"], resources: ["ingresses/status"], verbs: ["update"] }]);
  });
});

describe("values that are refused, by name", () => {
  const refused: [Chart, string, Values][] = [
    ["consul", "unknown", { unknown: 1 }],
    ["consul", "replica", { server: { replica: 3 } }],
    ["consul", "replicas", { server: { replicas: 0 } }],
    ["consul", "replicas", { server: { replicas: "3" } }],
    ["consul", "enabled", { connectInject: { enabled: true } }],
    ["consul", "extraConfig", { server: { extraConfig: "not JSON" } }],
    ["traefik", "unknown", { unknown: 1 }],
    ["traefik", "kind", { deployment: { kind: "StatefulSet" } }],
    ["traefik", "replicas", { deployment: { replicas: 0 } }],
    ["traefik", "nodePort", { ports: { web: { nodePort: "30080" } } }],
    ["traefik", "trustedIps", { ports: { web: { proxyProtocol: { trustedIps: [] } } } }],
    [
      "traefik",
      "redirections.entryPoint.to",
      { ports: { web: { http: { redirections: { entryPoint: { to: "nowhere" } } } } } },
    ],
    ["traefik", "maxSurges", { updateStrategy: { rollingUpdate: { maxSurges: 1 } } }],
    // Where charts before 39 had them, and how charts after 39 have them.
    ["traefik", "middlewares", { ports: { web: { middlewares: [] } } }],
    ["traefik", "tls", { ports: { websecure: { tls: { enabled: true } } } }],
    ["traefik", "redirections", { ports: { web: { redirections: {} } } }],
    ["traefik", "globalArguments", { globalArguments: [] }],
    ["traefik", "accessLog", { accessLog: { enabled: true } }],
    ["traefik", "content", { providers: { file: { content: { http: {} } } } }],
    ["traefik", "type", { volumes: [{ name: "a", mountPath: "/a", type: "hostPath" }] }],
  ];
  test.each(refused)("%s: %s", (chart, key, values) => {
    expect(refusal(chart, values)).toContain(key);
  });
});

/** What `make crds` copies into the checkout. */
function generatedFolder(): string {
  const bin = execFileSync("sim/toolchain/build", ["--print", "traefik"], { cwd: root, encoding: "utf8" }).trim();
  return dirname(bin);
}

test("the shape of Traefik's dynamic configuration is the one that its source gives", () => {
  expect(readFileSync(join(root, "routes", "traefik-dynamic.json"), "utf8")).toBe(
    readFileSync(join(generatedFolder(), "dynamic.json"), "utf8"),
  );
});

/** Files of a chart of definitions. */
const definitionsOf = (chart: Chart) => {
  const folder = join(root, "charts", chart, "definitions");
  return readdirSync(folder)
    .sort()
    .map((file) => ({ file, text: readFileSync(join(folder, file), "utf8") }));
};

describe.each<[string, Chart, string, () => string]>([
  ["Traefik's objects", "traefik-crds", "traefik.io", () => join(generatedFolder(), "crds")],
  [
    "snapshots of volumes",
    "snapshot-crds",
    "snapshot.storage.k8s.io",
    () => execFileSync("tools/snapshot-definitions", { cwd: root, encoding: "utf8" }).trim(),
  ],
])("definitions of %s", (_, chart, group, source) => {
  const definitions = definitionsOf(chart);

  test("are those that their source gives; `make crds` writes them", () => {
    const folder = source();
    const given = readdirSync(folder).filter((file) => file.startsWith(`${group}_`));
    expect(given.sort()).toEqual(definitions.map(({ file }) => file));
    for (const { file, text } of definitions) {
      expect(text).toBe(readFileSync(join(folder, file), "utf8"));
    }
  });

  test("are all in the chart, and stay when its release goes", () => {
    const rendered = render(chart, {});
    expect(rendered).toHaveLength(definitions.length);
    for (const { text } of definitions) {
      const definition = parse(text) as KubernetesObject;
      expect(rendered.find(({ metadata }) => metadata.name === definition.metadata.name)).toEqual({
        ...definition,
        metadata: {
          ...definition.metadata,
          annotations: { ...definition.metadata.annotations, "helm.sh/resource-policy": "keep" },
        },
      });
    }
  });

  test.each(definitions.map(({ file, text }) => [file, text]))("%s", (_file, text) => {
    expect(parse(text)).toMatchObject({ kind: "CustomResourceDefinition", spec: { group } });
  });
});

test("definitions of Traefik's objects hold no descriptions, which are most of their size", () => {
  for (const { text } of definitionsOf("traefik-crds")) {
    expect(text).not.toMatch(/^ +description:/m);
  }
});

test("definitions of snapshots are of the controller's version", () => {
  const { appVersion } = parse(readFileSync(join(root, "charts", "snapshot-crds", "Chart.yaml"), "utf8")) as Values;
  expect(appVersion).toBe(`v${snapshotControllerVersion}`);
});
