import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { parseNetwork } from "../config/addresses";
import type { LoadedConfig, NodeConfig } from "../config";
import { backends, byName, generationOf, sizeOf } from "../config/nodes";
import { frontendAddress } from "../render/founding";
import { haproxyConfig, mastersSshPort, type Backend } from "../render/haproxy";
import { keepalivedConfig, keepalivedUnit } from "../render/keepalived";
import type { EsxiCluster } from "./esxi-cluster";
import type { Machine } from "./machine/machine";
import { Shell } from "./machine/shell";
import { turns, type Turn } from "./machine/turns";

export interface HaproxyFrontendArgs {
  esxi: EsxiCluster;
  config: LoadedConfig["frontend"];
  /** Subnet in CIDR notation. */
  subnet: string;
  /** Package sources of the machines, as `frontendFiles` renders them. */
  files: string;
  /** Servers of port 6443: every master, whether it has joined yet or not. */
  masters: Backend[];
  /** Servers of ports 80 and 443. */
  workers: Backend[];
  /** The ingress controller expects the PROXY protocol. */
  proxyProtocol: boolean;
}

/** Seconds for a step that may have to wait for the system's own first updates before it can install. */
const installing = 900;
const statsPort = 8404;
const statsUser = "admin";
/** Paths on that port where HAProxy answers to everybody. */
const health = { alive: "/health", connected: "/health/servers" };
const connected = `${String(statsPort)}${health.connected}`;

/**
 * HAProxy in front and outside of the cluster, layer 4 only: 6443 to the API servers, 80 and 443 to the ingress
 * controller on the workers. Several machines share `config.virtualAddress` by VRRP.
 */
export class HaproxyFrontend extends pulumi.ComponentResource {
  /** Address that clients use: the virtual one, or the only machine's. Known before anything exists. */
  readonly endpoint: string;
  /** Where any master that serves answers to SSH. */
  readonly masters: { host: string; port: number };
  /** Statistics page, protected by `statsUser` and `statsPassword`. */
  readonly statsUrl: string;
  readonly statsUser = statsUser;
  /** Secret. */
  readonly statsPassword: pulumi.Output<string>;
  readonly machines: Machine[];
  /** Done when every machine serves its configuration. */
  readonly configured: pulumi.Resource[];

  /** The machines, in the order of their names. */
  private readonly nodes: Backend[];
  private readonly files: string;
  /** What every machine of this stack, and none of another, says of itself. */
  private readonly stack: pulumi.Output<string>;

  constructor(name: string, args: HaproxyFrontendArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:HaproxyFrontend", name, {}, opts);
    const { esxi, config } = args;
    this.files = args.files;
    this.nodes = backends(config);
    this.endpoint = frontendAddress(config);
    this.masters = { host: this.endpoint, port: mastersSshPort };
    this.stack = esxi.adminKey.publicKey.apply((key) => createHash("sha256").update(key).digest("hex").slice(0, 16));
    this.statsUrl = `http://${this.endpoint}:${String(statsPort)}/stats`;
    // Letters and digits only: haproxy.cfg has no quoting that would need to be right.
    this.statsPassword = new random.RandomPassword(
      `${name}-stats-password`,
      { length: 24, special: false },
      { parent: this },
    ).result;

    const text = haproxyConfig({
      masters: args.masters,
      workers: args.workers,
      ingressNodePorts: config.ingressNodePorts,
      proxyProtocol: args.proxyProtocol,
      stats: { port: statsPort, user: statsUser },
      health,
    });
    const made = new Map<string, { machine: Machine; configured: pulumi.Resource[] }>();
    // While one that exists is away, another one serves.
    for (const turn of turns(byName(config), (node, placed) => esxi.disturbance(node, placed, config), 1)) {
      const after = turn.after.flatMap((other) => made.get(other)?.configured ?? []);
      const relief = this.relief(turn, esxi, config, after);
      const machine = esxi.clone("frontend", turn.name, turn.node, config, {
        parent: this,
        after: [...after, ...relief],
      });
      made.set(turn.name, { machine, configured: this.configure(machine, args, text) });
    }
    const all = this.nodes.flatMap(({ name: node }) => made.get(node) ?? []);
    this.machines = all.map(({ machine }) => machine);
    this.configured = all.flatMap(({ configured }) => configured);

    this.registerOutputs({
      endpoint: this.endpoint,
      statsUrl: this.statsUrl,
      statsUser: this.statsUser,
      statsPassword: this.statsPassword,
    });
  }

  /** Waits until another machine serves, before one that exists goes away for a while; of a single one nothing can. */
  private relief(
    { name, node, disturbed }: Turn<NodeConfig>,
    esxi: EsxiCluster,
    config: LoadedConfig["frontend"],
    dependsOn: pulumi.Resource[],
  ): pulumi.Resource[] {
    const other = this.nodes.find((machine) => machine.name !== name);
    if (!other) {
      return [];
    }
    const { user, adminKey: key } = esxi;
    const shell = new Shell(
      { host: other.address, user, key, hostKey: esxi.hostKey(other.name).publicKey },
      "frontend",
    );
    const made = [name, sizeOf(config), node.host, node.address, generationOf(node, config)].join(" ");
    return [
      shell.later(
        `${name}-relief`,
        { update: { script: "await-haproxy", parameters: { FOR: made, HEALTH: connected } } },
        {
          parent: this,
          dependsOn,
          // Whatever else changes of this resource is no reason to ask.
          ignoreChanges: disturbed === "restarted" || disturbed === "replaced" ? [] : ["*"],
        },
      ),
    ];
  }

  /** Gives a machine all that it needs to serve. */
  private configure(machine: Machine, { config, subnet }: HaproxyFrontendArgs, text: string): pulumi.Resource[] {
    const name = machine.machineName;
    const index = this.nodes.findIndex((node) => node.name === name);
    const haproxy = machine.run(
      `${name}-haproxy`,
      {
        script: "configure-haproxy",
        parameters: { ...this.identification, AFTER: this.nodes[index - 1]?.address ?? "" },
        texts: { CONFIG: text, FILES: this.files },
        stdin: this.statsPassword,
        timeoutSeconds: installing,
      },
      { parent: machine, dependsOn: [machine.grown] },
    );
    const { virtualAddress } = config;
    const keepalived =
      virtualAddress === undefined ? [] : [this.shareVirtualAddress(machine, subnet, virtualAddress, config, haproxy)];
    const back = machine.whenBack(
      `${name}-back`,
      {
        script: "await-haproxy",
        parameters: { FOR: `${name} ${sizeOf(config)}`, HEALTH: connected },
      },
      { parent: machine, dependsOn: [haproxy, ...keepalived] },
    );
    return [haproxy, ...keepalived, back];
  }

  /** How steps tell HAProxy machines of this stack from everybody else. */
  private get identification() {
    return { HEALTH: `${String(statsPort)}${health.alive}`, STACK: this.stack };
  }

  /** @param haproxy done when the machine has something to serve */
  private shareVirtualAddress(
    machine: Machine,
    subnet: string,
    virtualAddress: string,
    { virtualRouterId }: LoadedConfig["frontend"],
    haproxy: pulumi.Resource,
  ): pulumi.Resource {
    const peers = this.nodes.filter(({ name }) => name !== machine.machineName).map(({ address }) => address);
    const url = (path: string) => `http://127.0.0.1:${String(statsPort)}${path}`;
    const settings = {
      address: machine.address,
      peers,
      virtualAddress,
      prefix: parseNetwork(subnet).prefix,
      virtualRouterId,
      priority: 100 - this.nodes.findIndex(({ name }) => name === machine.machineName),
      health: { alive: url(health.alive), connected: url(health.connected) },
    };
    return machine.run(
      `${machine.machineName}-keepalived`,
      {
        script: "configure-keepalived",
        parameters: {
          ...this.identification,
          ADDRESS: machine.address,
          VIRTUAL_ADDRESS: virtualAddress,
          PEERS: peers.join(" "),
        },
        texts: { CONFIG: keepalivedConfig(settings), UNIT: keepalivedUnit(settings), FILES: this.files },
        timeoutSeconds: installing,
      },
      { parent: machine, dependsOn: [haproxy] },
    );
  }
}
