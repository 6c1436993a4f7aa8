import * as pulumi from "@pulumi/pulumi";
import * as vsphere from "@pulumi/vsphere";
import type { LoadedConfig, MachineSize, NodeConfig } from "../config";
import { byName, placedNodes, placeOf, templateKubernetes, wantedMachine } from "../config/nodes";
import { disturbance, type Disturbance, type Past } from "../config/past";
import { hasType } from "../config/storage";
import { stackFolder } from "./machine/folder";
import { Machine } from "./machine/machine";
import { SshIdentities, sshIdentity, type SshIdentity } from "./machine/ssh-identity";
import type { Role } from "./machine/steps";

/** What the machines of a group have in common; `kubernetes` is the version that they are made anew for. */
type Group = MachineSize & { generation: number; kubernetes?: string };

/** The ESXi hosts below one vCenter: looks up what exists there and clones machines onto it. */
export class EsxiCluster extends pulumi.ComponentResource {
  /** The stack's SSH key; its public half is on every machine. */
  readonly adminKey: SshIdentity;
  /** Administrator on every machine. */
  readonly user: string;

  private readonly hostKeys: SshIdentities;
  private readonly provider: vsphere.Provider;
  private readonly networkId: pulumi.Output<string>;
  private readonly template: pulumi.Output<vsphere.GetVirtualMachineResult>;
  private readonly hosts: Record<string, HostIds>;
  private readonly network: LoadedConfig["network"];
  private readonly folder: { path: string; resource: pulumi.Resource };

  /** @param past what the stack holds already */
  constructor(
    name: string,
    private readonly config: LoadedConfig,
    private readonly past: Past,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("esxi-k8s:index:EsxiCluster", name, {}, opts);
    const { vcenter, network } = config;
    this.user = config.template.user;
    this.network = network;
    this.adminKey = sshIdentity(`${name}-admin-key`, { parent: this });
    this.hostKeys = new SshIdentities(`${name}-host-keys`, { parent: this });

    this.provider = new vsphere.Provider(
      `${name}-vcenter`,
      {
        vsphereServer: vcenter.server,
        user: vcenter.user,
        password: config.vcenterPassword,
        allowUnverifiedSsl: vcenter.allowUnverifiedSsl,
      },
      { parent: this },
    );

    const lookup = { parent: this, provider: this.provider };
    const datacenterId = vsphere.getDatacenterOutput({ name: literal(vcenter.datacenter) }, lookup).id;
    this.networkId = vsphere.getNetworkOutput({ name: literal(network.portGroup), datacenterId }, lookup).id;
    this.template = vsphere.getVirtualMachineOutput({ name: literal(config.template.name), datacenterId }, lookup);
    this.hosts = mapValues(config.hosts, (host) => {
      const found = vsphere.getHostOutput({ name: literal(host.name), datacenterId }, lookup);
      return {
        place: placeOf(host),
        hostSystemId: found.id,
        resourcePoolId: found.resourcePoolId,
        datastoreId: vsphere.getDatastoreOutput({ name: literal(host.datastore), datacenterId }, lookup).id,
      };
    });

    const path = vcenter.folder ?? `${pulumi.getProject()}/${pulumi.getStack()}`;
    const resource = stackFolder(
      `${name}-folder`,
      {
        vcenter,
        password: config.vcenterPassword,
        datacenterId,
        path,
        machines: placedNodes(config).map((node) => node.name),
        held: past.virtualMachines,
        anew: this.madeAnew(),
        // Otherwise it would be deleted while a master in it cannot be.
        protect: Object.values(config.controlPlane.nodes).some(
          (master) => master.protect ?? config.controlPlane.protect,
        ),
      },
      { parent: this },
    );
    this.folder = { path, resource };

    this.registerOutputs({ user: this.user, publicKey: this.adminKey.publicKey });
  }

  /** The key by which machines are known: one of their own, or one for all of a kind. The name is a contract: another has another key. */
  hostKey(name: string): SshIdentity {
    return this.hostKeys.of(name);
  }

  /** What this run does to a machine that exists. */
  disturbance(name: string, node: NodeConfig, group: Group): Disturbance | undefined {
    return disturbance(this.past.machines.get(name), wantedMachine(this.config.hosts, node, group));
  }

  /** Names of the machines that exist and are replaced by this run, by groups. */
  private madeAnew(): { names: string[]; atOnce: number }[] {
    const { frontend, controlPlane, workers } = this.config;
    const kubernetes = templateKubernetes(this.config, this.past);
    const pools = Object.values(workers).map((pool) => ({ ...pool, kubernetes, atOnce: pool.maxUnavailable }));
    return [{ ...frontend, atOnce: 1 }, { ...controlPlane, kubernetes, atOnce: 1 }, ...pools].flatMap((group) => {
      const names = byName(group).flatMap(([name, node]) =>
        this.disturbance(name, node, group) === "replaced" ? [name] : [],
      );
      return names.length === 0 ? [] : [{ names, atOnce: group.atOnce }];
    });
  }

  /** Whether the machine by which a node has joined is gone, or has been made anew. */
  departed(name: string): boolean {
    return this.past.departed.has(name);
  }

  /**
   * Clones one machine onto the host that its configuration names.
   * @param role what it may be asked to do
   * @param name the machine's name
   * @param opts its parent is the component that owns the machine
   * @throws Error when the configuration names no known host, which a checked configuration cannot
   */
  clone(
    role: Role,
    name: string,
    node: NodeConfig,
    group: Group,
    opts: { parent: pulumi.Resource; after?: pulumi.Resource[]; protect?: boolean; hostKey?: SshIdentity },
  ): Machine {
    const host = this.hosts[node.host];
    if (!host) {
      throw new Error(`machine ${name}: no host ${node.host}`);
    }
    const was = this.past.machines.get(name)?.place;
    // A run that was interrupted may not have come to say where a machine is.
    const elsewhere = this.past.virtualMachines.has(name) && was !== host.place;
    if (elsewhere && was !== undefined) {
      void pulumi.log.info(
        `${name} is to be on ${host.place} instead of ${was}: unless it is there already, it is rebuilt`,
      );
    }
    return new Machine(
      name,
      {
        placement: { ...host, elsewhere, folder: this.folder, networkId: this.networkId, template: this.template },
        size: group,
        wanted: {
          ...wantedMachine(this.config.hosts, node, group),
          ...(role !== "frontend" &&
            hasType("vsphere", this.config.storage.classes) && { externalCloudProvider: true }),
        },
        after: opts.after,
        network: this.network,
        user: this.user,
        adminKey: this.adminKey,
        hostKey: opts.hostKey ?? this.hostKey(name),
        role,
        protect: opts.protect,
      },
      // The machine's parent is its owner, but vCenter is reached by this component's provider.
      { parent: opts.parent, providers: { vsphere: this.provider } },
    );
  }
}

/** A name as the provider looks it up, which takes some characters for patterns. */
function literal(name: string): string {
  return name.replace(/[[*?]/g, "\\$&");
}

interface HostIds {
  place: string;
  hostSystemId: pulumi.Output<string>;
  resourcePoolId: pulumi.Output<string>;
  datastoreId: pulumi.Output<string>;
}

function mapValues<A, B>(record: Record<string, A>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
