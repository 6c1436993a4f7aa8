import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { parse } from "yaml";
import type { LoadedConfig } from "../config";
import { ownHosts, type Dynamic } from "../routes/declared";
import { merge } from "../render/merge";
import { toYaml } from "../render/yaml";
import type { Authority } from "./authority";
import type { ConsulKv } from "./consul-kv";
import type { ClusterApi } from "./in-cluster/cluster-api";
import type { Machine } from "./machine/machine";
import { definitions, release } from "./in-cluster/release";
import { restrictedNamespace } from "./in-cluster/restricted";

export interface TraefikIngressArgs {
  api: ClusterApi;
  authority: Authority;
  /** The store that Traefik reads its third source from; without it there are two. */
  consul?: ConsulKv;
  config: LoadedConfig["ingress"];
  /** Content of the file provider, beside the files in charts/traefik/dynamic/. */
  dynamic: Dynamic;
  /** Key of `config.certificate`, secret. */
  certificateKey?: pulumi.Output<string>;
  /** Node ports that the frontend passes 80 and 443 to. */
  nodePorts: LoadedConfig["frontend"]["ingressNodePorts"];
  /** Machines whose word on a client's address is taken (PROXY protocol): the frontend's and the nodes. */
  trusted: Machine[];
  /** Nodes. */
  dependsOn: pulumi.Resource[];
}

const charts = join(__dirname, "..", "charts");
const namespace = "traefik";
/** The definitions of Traefik's objects, generated from its source by `make crds`. */
const definitionsChart = "traefik-crds";
const apiVersion = "traefik.io/v1alpha1";
const dashboardUser = "admin";
const readinessPath = "/ready";

/** Asks another pod when one cannot be reached. What has reached one is never sent again. */
const retryMiddleware = "retry";

/** How long a pod may take to accept a connection before another one is asked. */
const dialTimeout = "1s";

/** Days that browsers of all makers accept for a certificate of a private authority. */
const certificateDays = 825;

/**
 * Traefik on the workers, behind ports 80 and 443 of the frontend. Takes its routes from Kubernetes objects, from files and from
 * Consul; each of them goes on working while another is away.
 */
export class TraefikIngress extends pulumi.ComponentResource {
  /** Traefik's own pages, protected by `dashboardUser` and `dashboardPassword`. */
  readonly dashboardUrl: string;
  readonly dashboardUser = dashboardUser;
  /** Secret. */
  readonly dashboardPassword: pulumi.Output<string>;
  /** Consul's web interface. */
  readonly consulUrl?: string;
  /** Done when routes are served. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: TraefikIngressArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:TraefikIngress", name, {}, opts);
    const { api, config, consul } = args;
    const hosts = ownHosts({ ingress: config });
    const inCluster = api.inCluster(this, args.dependsOn);
    const ofObjects = definitions(`${name}-definitions`, definitionsChart, api, this);
    const space = restrictedNamespace(`${name}-namespace`, namespace, inCluster);
    const secret = (suffix: string, type: string, stringData: Record<string, pulumi.Input<string>>) =>
      new k8s.core.v1.Secret(
        `${name}-${suffix}`,
        { metadata: { name: suffix, namespace: space.metadata.name }, type, stringData },
        inCluster,
      );

    const { certificate, key } = this.certificate(`${name}-certificate`, args);
    const password = new random.RandomPassword(
      `${name}-dashboard-password`,
      { length: 24, special: false },
      { parent: this },
    );
    this.dashboardPassword = password.result;
    this.dashboardUrl = `https://${hosts.dashboard}/dashboard/`;
    const secrets = [
      secret("default-certificate", "kubernetes.io/tls", { "tls.crt": certificate, "tls.key": key }),
      secret("dashboard-users", "Opaque", { users: pulumi.interpolate`${dashboardUser}:${password.bcryptHash}` }),
      ...(consul
        ? [
            secret("consul", "Opaque", {
              token: consul.readerToken,
              "ca.crt": args.authority.certificate,
            }),
          ]
        : []),
    ];
    const login = new k8s.apiextensions.CustomResource(
      `${name}-dashboard-login`,
      {
        apiVersion,
        kind: "Middleware",
        metadata: { name: "dashboard-login", namespace: space.metadata.name },
        spec: { basicAuth: { secret: "dashboard-users", removeHeader: true } },
      },
      { ...inCluster, dependsOn: [ofObjects, ...secrets] },
    );
    const retry = new k8s.apiextensions.CustomResource(
      `${name}-retry`,
      {
        apiVersion,
        kind: "Middleware",
        metadata: { name: retryMiddleware, namespace: space.metadata.name },
        spec: { retry: { attempts: config.retryAttempts } },
      },
      { ...inCluster, dependsOn: [...args.dependsOn, ofObjects] },
    );
    const traefik = release(
      name,
      { chart: "traefik", namespace: space, api, config, values: chartValues(args) },
      { parent: this, dependsOn: [ofObjects, ...secrets, login, retry, ...(consul?.ready ?? [])] },
    );
    this.ready = [traefik];

    if (consul) {
      this.consulUrl = `https://${hosts.consul}/ui/`;
      this.ready.push(
        this.expose(name, hosts.consul, consul, { ...inCluster, dependsOn: [ofObjects, ...consul.ready] }),
      );
    }
    this.registerOutputs({ dashboardUrl: this.dashboardUrl, consulUrl: this.consulUrl });
  }

  /** The certificate of the configuration, or one that the stack's authority issues. */
  private certificate(name: string, { authority, config, certificateKey }: TraefikIngressArgs) {
    if (config.certificate !== undefined && certificateKey) {
      return { certificate: config.certificate, key: certificateKey };
    }
    const { domain } = config;
    return authority.issue(
      name,
      { commonName: domain, dnsNames: [domain, `*.${domain}`], days: certificateDays },
      this,
    );
  }

  /** Routes a host name to Consul's web interface. Whoever opens it needs a token. */
  private expose(name: string, host: string, consul: ConsulKv, opts: pulumi.CustomResourceOptions): pulumi.Resource {
    const { service } = consul;
    const metadata = { name: "consul", namespace: service.namespace };
    const transport = new k8s.apiextensions.CustomResource(
      `${name}-consul-transport`,
      {
        apiVersion,
        kind: "ServersTransport",
        metadata,
        spec: {
          serverName: service.host,
          rootCAs: [{ secret: "consul-ca-cert" }],
          // By HTTP/2 an answer may come before Traefik's middleware that tries again knows that its request was sent: it is dropped then,
          // and the client gets an empty one, with status 200.
          disableHTTP2: true,
          forwardingTimeouts: { dialTimeout },
        },
      },
      opts,
    );
    return new k8s.apiextensions.CustomResource(
      `${name}-consul-route`,
      {
        apiVersion,
        kind: "IngressRoute",
        metadata,
        spec: {
          entryPoints: ["websecure"],
          routes: [
            {
              kind: "Rule",
              match: `Host(\`${host}\`)`,
              services: [
                {
                  name: service.name,
                  port: service.port,
                  scheme: "https",
                  serversTransport: transport.metadata.name,
                },
              ],
            },
          ],
        },
      },
      opts,
    );
  }
}

function chartValues({ config, consul, dynamic, nodePorts, trusted }: TraefikIngressArgs): Record<string, unknown> {
  // On every route, because pods of a node that stopped are only known to be gone after 50 s. Kubernetes' object, not one of the
  // file provider: without it no route of any source would be served, and a file is refused whole for one mistake in it.
  const middlewares = [`${namespace}-${retryMiddleware}@kubernetescrd`];
  const proxyProtocol = { trustedIPs: trusted.map(({ address }) => `${address}/32`) };
  const entryPoint = (nodePort: number, http: object) => ({
    nodePort,
    // Serves routes that name no entry point.
    asDefault: true,
    proxyProtocol,
    transport: {
      // Seconds. A pod that is told to stop serves on until nobody sends it anything new, then ends what it has begun.
      lifeCycle: { requestAcceptGraceTimeout: 10, graceTimeOut: 20 },
      ...(config.readTimeout !== undefined && { respondingTimeouts: { readTimeout: config.readTimeout } }),
    },
    http: { middlewares, ...http },
  });
  return {
    global: { checkNewVersion: false },
    deployment: {
      ...(config.replicas === undefined ? { kind: "DaemonSet" } : { kind: "Deployment", replicas: config.replicas }),
      readinessPath,
    },
    // The new pod serves before the old one goes.
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    ...(config.replicas !== undefined && {
      topologySpreadConstraints: [spread],
      podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
    }),
    // It takes a moment from the first routes to all of them.
    readinessProbe: { initialDelaySeconds: 3, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 2 },
    ingressClass: { enabled: true, isDefaultClass: true, name: "traefik" },
    ingressRoute: {
      // A route of Kubernetes like any other: a pod that answers here has read its routes.
      healthcheck: { enabled: true, matchRule: `Path(\`${readinessPath}\`)` },
      dashboard: {
        enabled: true,
        matchRule: `Host(\`${ownHosts({ ingress: config }).dashboard}\`) && (PathPrefix(\`/dashboard\`) || PathPrefix(\`/api\`))`,
        entryPoints: ["websecure"],
        middlewares: [{ name: "dashboard-login" }],
      },
    },
    providers: {
      kubernetesCRD: { enabled: true },
      kubernetesIngress: { enabled: true },
      file: { enabled: true, watch: true, content: literal(toYaml(merge(dynamicFiles(), dynamic))) },
    },
    tlsStore: { default: { defaultCertificate: { secretName: "default-certificate" } } },
    logs: { general: { format: "json" }, access: { enabled: true, format: "json" } },
    ports: {
      web: entryPoint(
        nodePorts.http,
        config.redirectToHttps
          ? { redirections: { entryPoint: { to: "websecure", scheme: "https", permanent: true } } }
          : {},
      ),
      websecure: entryPoint(nodePorts.https, { tls: { enabled: true } }),
    },
    service: {
      type: "NodePort",
      // A connection goes to the pod of the node that it arrives at: HAProxy's own address stays visible.
      spec: { externalTrafficPolicy: "Local" },
    },
    ...(consul && consulAccess),
    additionalArguments: [
      `--serversTransport.forwardingTimeouts.dialTimeout=${dialTimeout}`,
      ...(consul ? consulArguments(consul) : []),
    ],
  };
}

const consulFolder = "/etc/traefik/consul";

/** Neither the official chart nor this project's has values for Consul: both take arguments, volumes and environment. */
function consulArguments({ service, rootKey }: ConsulKv): string[] {
  return [
    `--providers.consul.endpoints=${service.host}:${String(service.port)}`,
    `--providers.consul.rootKey=${rootKey}`,
    `--providers.consul.tls.ca=${consulFolder}/ca.crt`,
  ];
}

const consulAccess = {
  // Read by Consul's client library. As an argument or a variable it could be read by others.
  env: [{ name: "CONSUL_HTTP_TOKEN_FILE", value: `${consulFolder}/token` }],
  volumes: [{ name: "consul", mountPath: consulFolder, type: "secret" }],
};

const spread = {
  maxSkew: 1,
  topologyKey: "kubernetes.io/hostname",
  whenUnsatisfiable: "DoNotSchedule",
  labelSelector: { matchLabels: { "app.kubernetes.io/name": "traefik" } },
  // Of one revision: the next one starts beside it, even where every worker has a pod.
  matchLabelKeys: ["pod-template-hash"],
};

/** Traefik reads its files as Go templates: what begins one stands for itself here. */
function literal(text: string): string {
  return text.replaceAll("{{", '{{ "{{" }}');
}

/** What charts/traefik/dynamic/ holds. */
function dynamicFiles(): Record<string, unknown> {
  return yamlFiles<Record<string, unknown>>(join(charts, "traefik", "dynamic")).reduce(merge, {});
}

/** What the files of a folder hold, in the order of their names. */
function yamlFiles<T>(folder: string): T[] {
  return readdirSync(folder)
    .sort()
    .map((file) => parse(readFileSync(join(folder, file), "utf8")) as T);
}
