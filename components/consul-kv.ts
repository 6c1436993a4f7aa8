import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../config";
import { recorded, type Past } from "../config/past";
import { consulRoot } from "../routes/declared";
import { entriesInput, policyBodies, tokenBodies } from "../render/consul";
import type { Authority } from "./authority";
import type { K8sControlPlane } from "./k8s-control-plane";
import { release } from "./in-cluster/release";
import { restrictedNamespace } from "./in-cluster/restricted";
import { seed } from "./machine/seed";

export interface ConsulKvArgs {
  controlPlane: K8sControlPlane;
  authority: Authority;
  /** What the stack holds already. */
  past: Past;
  config: LoadedConfig["consul"];
  /** Entries that the stack owns, by key. */
  entries: Record<string, string>;
  /** The StorageClass of the volumes comes from somebody else: it is waited for, by name. */
  foreignStorage: boolean;
  /** Nodes and storage. */
  dependsOn: pulumi.Resource[];
}

const namespace = "consul";
const datacenter = "dc1";

/** Years, because no browser sees it: servers, Traefik and the stack's own steps do. */
const serverCertificateDays = 3650;

/**
 * Consul as key-value store: servers that survive the loss of one, encrypted between each other and towards clients, closed to
 * everyone without a token. People edit routes in its web interface; the stack owns the entries of its configuration alone.
 */
export class ConsulKv extends pulumi.ComponentResource {
  /** Name of the Service in front of ready servers, with its namespace. */
  readonly service = { name: "consul-ui", namespace, host: `consul-ui.${namespace}.svc`, port: 443 } as const;
  /** Key below which Traefik reads routes. */
  readonly rootKey = consulRoot;
  /** Token that may do everything, secret. */
  readonly bootstrapToken: pulumi.Output<string>;
  /** Token for people: reads the whole store and writes below `rootKey`, secret. */
  readonly editorToken: pulumi.Output<string>;
  /** Token for Traefik: reads below `rootKey`, secret. */
  readonly readerToken: pulumi.Output<string>;
  /** Done when servers, tokens and the stack's own entries are there. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: ConsulKvArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:ConsulKv", name, {}, opts);
    const { controlPlane, authority, config, entries } = args;
    this.bootstrapToken = this.token(`${name}-bootstrap-token`);
    this.editorToken = this.token(`${name}-editor-token`);
    this.readerToken = this.token(`${name}-reader-token`);
    const gossipKey = seed(`${name}-gossip-key`, { parent: this }).apply((bytes) => bytes.toString("base64"));
    const certificate = authority.issue(
      `${name}-certificate`,
      {
        // The name by which servers know each other, and those of the Services in front of them.
        commonName: `server.${datacenter}.consul`,
        dnsNames: [
          `server.${datacenter}.consul`,
          "localhost",
          ...["consul-server", "*.consul-server", "consul-ui"].flatMap((host) => [
            `${host}.${namespace}`,
            `${host}.${namespace}.svc`,
            `${host}.${namespace}.svc.cluster.local`,
          ]),
        ],
        ipAddresses: ["127.0.0.1"],
        days: serverCertificateDays,
      },
      this,
    );

    const inCluster = controlPlane.api.inCluster(this, args.dependsOn);
    const space = restrictedNamespace(`${name}-namespace`, namespace, inCluster);
    // What the chart wants as Secrets, so that no value of the release is one.
    const secret = (
      suffix: string,
      type: string,
      stringData: Record<string, pulumi.Input<string>>,
      dependsOn: pulumi.Resource[] = [],
    ) =>
      new k8s.core.v1.Secret(
        `${name}-${suffix}`,
        { metadata: { name: `consul-${suffix}`, namespace: space.metadata.name }, type, stringData },
        { ...inCluster, dependsOn: [...args.dependsOn, ...dependsOn] },
      );
    const trusted = trustedBy(authority, args.past);
    const authorities = secret("ca-cert", "Opaque", { "ca.crt": trusted });
    // Servers that others do not trust yet would be alone. Where there are none yet, nothing is to be done.
    const trusts = this.taken(`${name}-trusts`, controlPlane, [authorities, "ca/tls.crt", trusted], trusted, []);
    const presented = secret(
      "server-cert",
      "kubernetes.io/tls",
      { "tls.crt": certificate.certificate, "tls.key": certificate.key },
      [trusts],
    );
    const secrets = [
      authorities,
      presented,
      secret("gossip-encryption-key", "Opaque", { key: gossipKey }),
      secret("bootstrap-token", "Opaque", { token: this.bootstrapToken }),
    ];
    const storage = args.foreignStorage ? [this.storageClass(`${name}-storage-class`, args)] : [];
    const servers = release(
      name,
      { chart: "consul", namespace: space, api: controlPlane.api, config, values: chartValues(config) },
      { parent: this, dependsOn: [...secrets, ...storage] },
    );

    const presents = this.taken(
      name + recorded.presents,
      controlPlane,
      [presented, "server/tls.crt", certificate.certificate],
      authority.certificate,
      [servers],
    );
    const acl = controlPlane.run(
      `${name}-acl`,
      {
        script: "configure-consul-acl",
        texts: { CA: authority.certificate, POLICIES: policyBodies(this.rootKey) },
        stdin: pulumi
          .all([this.readerToken, this.editorToken])
          .apply(([reader, editor]) => tokenBodies(this.rootKey, { reader, editor })),
      },
      { parent: this, dependsOn: [presents] },
    );
    const kv = controlPlane.run(
      `${name}-entries`,
      {
        script: "declare-consul-entries",
        texts: { CA: authority.certificate },
        // Not among the texts, which would show entries by their encoded transactions.
        stdin: entriesInput(entries),
        again: entries,
      },
      { parent: this, dependsOn: [acl] },
    );
    this.ready = [acl, kv];
    this.registerOutputs({});
  }

  /** Says which one is expected and by when, which pods that wait for their volumes do not. */
  private storageClass(name: string, { controlPlane, config, dependsOn }: ConsulKvArgs): pulumi.Resource {
    const { storageClass } = config;
    const wanted = storageClass === undefined ? "a default StorageClass" : `the StorageClass ${storageClass}`;
    void pulumi.log.info(
      `storage.classes is empty: Consul's volumes need ${wanted}, within five minutes once nodes are Ready`,
      this,
    );
    return controlPlane.run(
      name,
      { script: "await-storage-class", parameters: { CLASS: storageClass ?? "" }, timeoutSeconds: 400 },
      { parent: this, dependsOn },
    );
  }

  /**
   * Has servers that run take a file of a Secret.
   * @param CA whom to trust to be one of them, once they have
   */
  private taken(
    name: string,
    controlPlane: K8sControlPlane,
    [secret, file, content]: [k8s.core.v1.Secret, string, pulumi.Output<string>],
    CA: pulumi.Output<string>,
    dependsOn: pulumi.Resource[],
  ): pulumi.Resource {
    return controlPlane.run(
      name,
      {
        script: "reload-consul",
        parameters: {
          SECRET: secret.metadata.name,
          FILE: `/consul/tls/${file}`,
          SUM: content.apply((text) => createHash("sha256").update(text).digest("hex")),
        },
        texts: { CA },
        timeoutSeconds: 900,
      },
      { parent: this, dependsOn: [secret, ...dependsOn] },
    );
  }

  /** A token is a UUID to Consul. */
  private token(name: string): pulumi.Output<string> {
    return seed(name, { parent: this }).apply((bytes) =>
      bytes
        .toString("hex")
        .slice(0, 32)
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    );
  }
}

/**
 * Certificates of authorities, in PEM: the stack's own, and the one before it as long as servers present what that issued. So each of them is
 * known to the others whenever it takes its new one.
 */
function trustedBy({ certificate }: Authority, { consulAuthority }: Past): pulumi.Output<string> {
  return certificate.apply((own) => [...new Set([own, consulAuthority ?? own])].join(""));
}

function chartValues(config: LoadedConfig["consul"]): Record<string, unknown> {
  return {
    global: {
      name: "consul",
      datacenter,
      tls: {
        enabled: true,
        httpsOnly: true,
        caCert: { secretName: "consul-ca-cert", secretKey: "ca.crt" },
      },
      gossipEncryption: { secretName: "consul-gossip-encryption-key", secretKey: "key" },
      acls: { manageSystemACLs: true, bootstrapToken: { secretName: "consul-bootstrap-token", secretKey: "token" } },
    },
    server: {
      replicas: config.replicas,
      storage: config.storageSize,
      ...(config.storageClass !== undefined && { storageClass: config.storageClass }),
      serverCert: { secretName: "consul-server-cert" },
      // Spread as far as there are nodes. The official chart's own affinity wants a worker for each server.
      affinity: "",
      topologySpreadConstraints: spread,
    },
    ui: { enabled: true, service: { enabled: true, type: "ClusterIP" } },
    connectInject: { enabled: false },
  };
}

const spread = `- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      app: consul
      component: server
      release: consul
`;
