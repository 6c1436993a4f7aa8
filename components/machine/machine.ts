import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as vsphere from "@pulumi/vsphere";
import type { MachineSize } from "../../config";
import { recorded, type PastMachine } from "../../config/past";
import { metadata, userdata, type NetworkSettings } from "../../render/cloud-init";
import { Shell, type Reach, type Step, type StepOptions } from "./shell";
import type { SshIdentity } from "./ssh-identity";
import type { Role } from "./steps";

/** Where a machine is cloned from and to. */
export interface Placement {
  /** Whether a machine that exists is to be elsewhere. */
  elsewhere: boolean;
  /** The stack's own, with which the machine goes at the end. */
  folder: { path: string; resource: pulumi.Resource };
  resourcePoolId: pulumi.Input<string>;
  hostSystemId: pulumi.Input<string>;
  datastoreId: pulumi.Input<string>;
  networkId: pulumi.Input<string>;
  template: pulumi.Output<vsphere.GetVirtualMachineResult>;
}

export interface MachineArgs {
  placement: Placement;
  size: MachineSize;
  /** As it is to be; another address, place or generation replaces the machine. */
  wanted: PastMachine;
  /** At work before this machine may be made, changed or replaced. */
  after?: pulumi.Resource[];
  network: NetworkSettings;
  /** Administrator that cloud-init creates. */
  user: string;
  /** The stack's key, authorized for the administrator. */
  adminKey: SshIdentity;
  /** By which every connection knows the machine. */
  hostKey: SshIdentity;
  /** What the machine may be asked to do. */
  role: Role;
  /** Refuse to delete the virtual machine. Default false. */
  protect?: boolean;
}

/**
 * One virtual machine that is ready for work: cloned, booted, reachable by SSH with a host key known beforehand.
 * Its name is the virtual machine's, the host's and the node's; renaming replaces it.
 */
export class Machine extends pulumi.ComponentResource {
  readonly machineName: string;
  readonly address: string;
  /** The address, as `ssh` has it. */
  readonly host: string;
  /** Public host key, `ssh-ed25519 AAAA…`. */
  readonly hostKey: pulumi.Output<string>;
  /** Changes when the virtual machine is replaced, and only then. */
  readonly identity: pulumi.Output<string>;

  /** Done when the machine has booted and taken in its steps. */
  readonly booted: remote.Command;

  /** Done when its file system fills its disk. */
  readonly grown: remote.Command;

  /** Done when it has the packages and settings of its role; see `equip`. */
  equipped?: remote.Command;

  private readonly shell: Shell;

  constructor(name: string, args: MachineArgs, opts: pulumi.ComponentResourceOptions) {
    super(recorded.machine, name, {}, { ...opts, transformations: [inTurn(args.after ?? [])] });
    this.machineName = name;
    this.address = args.wanted.address;
    this.host = this.address;
    this.hostKey = args.hostKey.publicKey;

    const vm = this.clone(name, args);
    this.identity = vm.uuid;
    this.shell = new Shell(
      { host: this.address, user: args.user, key: args.adminKey, hostKey: this.hostKey },
      args.role,
    );
    const triggers = [this.identity];
    const reached = this.shell.awaitBoot(`${name}-reached`, triggers, { parent: this, dependsOn: vm });
    const delivered = this.shell.deliver(`${name}-steps`, triggers, { parent: this, dependsOn: reached });
    this.booted = this.shell.takeIn(`${name}-booted`, triggers, { parent: this, dependsOn: delivered });

    this.grown = this.run(
      `${name}-disk`,
      { script: "grow-disk", parameters: { GIB: args.size.diskGiB } },
      { parent: this },
    );

    // `made` is what the next run compares with: it is written when the virtual machine is like this.
    this.registerOutputs({ address: this.address, hostKey: this.hostKey, identity: this.identity, made: args.wanted });
  }

  /** Runs a step on this machine once it has booted, and again when the machine is replaced; see `Shell.step`. */
  run(name: string, step: Step, opts: StepOptions): remote.Command {
    return this.shell.step(name, step, [this.identity], {
      ...opts,
      dependsOn: [this.booted, ...(opts.dependsOn ?? [])],
    });
  }

  /** Runs the step that gives the machine the packages and settings of its role. */
  equip(name: string, step: Step, opts: StepOptions): remote.Command {
    return (this.equipped = this.run(name, step, opts));
  }

  /**
   * Runs a step once in the life of the stack, whatever becomes of this machine.
   * @param done whether it has been run: then it waits for nothing, and nobody waits for a machine that is down
   */
  runOnce(name: string, step: Step, done: boolean, opts: StepOptions): remote.Command {
    const waits = done ? [] : [this.booted, ...(opts.dependsOn ?? [])];
    return this.shell.step(name, step, done ? [] : [this.identity], {
      ...opts,
      dependsOn: waits,
      ignoreChanges: ["*"],
    });
  }

  /** Runs a step when what it shows has changed, as soon as the machine, which may be booting then, can be reached. */
  whenBack(name: string, step: Step, opts: StepOptions): remote.Command {
    return this.shell.later(
      name,
      { update: step },
      { ...opts, dependsOn: [this.booted, ...(opts.dependsOn ?? [])] },
      true,
    );
  }

  private clone(name: string, args: MachineArgs): vsphere.VirtualMachine {
    const { placement, size, wanted, network, user, adminKey, hostKey } = args;
    const { address, generation } = wanted;
    const { template } = placement;
    const encode = (text: string) => Buffer.from(text).toString("base64");
    const login = pulumi
      .all([adminKey.publicKey, hostKey.privateKey, hostKey.publicKey])
      .apply(([authorizedKey, privateKey, publicKey]) =>
        userdata({ user, authorizedKey, hostKey: { privateKey, publicKey } }),
      );

    return new vsphere.VirtualMachine(
      name,
      {
        name,
        folder: placement.folder.path,
        resourcePoolId: placement.resourcePoolId,
        hostSystemId: placement.hostSystemId,
        datastoreId: placement.datastoreId,
        numCpus: size.cpus,
        memory: size.memoryMiB,
        guestId: template.guestId,
        firmware: template.firmware,
        scsiType: template.scsiType,
        enableDiskUuid: true,
        networkInterfaces: [
          { networkId: placement.networkId, adapterType: template.networkInterfaceTypes.apply(([first]) => first) },
        ],
        disks: [
          {
            label: "disk0",
            size: size.diskGiB,
            thinProvisioned: true,
          },
        ],
        clone: { templateUuid: template.id },
        extraConfig: {
          "guestinfo.metadata": encode(metadata(name, address, network)),
          "guestinfo.metadata.encoding": "base64",
          "guestinfo.userdata": login.apply(encode),
          "guestinfo.userdata.encoding": "base64",
        },
        // Whether the guest is up is asked over SSH, with the address that the configuration gave it.
        waitForGuestNetTimeout: 0,
        // Minutes that a guest has to shut down before the plug is pulled: one that hangs never does.
        shutdownWaitTimeout: 1,
      },
      {
        parent: this,
        dependsOn: [placement.folder.resource],
        deletedWith: placement.folder.resource,
        protect: args.protect,
        additionalSecretOutputs: ["extraConfig"],
        // A machine keeps what its template gave it, and cloud-init reads its part once, at the first boot: a rebuilt
        // template or a new wording must not rebuild clusters.
        // Notes are left to the people who keep them in vCenter.
        ignoreChanges: [
          "clone",
          "extraConfig",
          "guestId",
          "firmware",
          "scsiType",
          "networkInterfaces[0].adapterType",
          "annotation",
          // vSphere HA, DRS and people move machines, and a host that was away has another id: as long as the configuration says
          // what it said, a machine is where it is.
          ...(placement.elsewhere ? [] : ["hostSystemId", "resourcePoolId", "datastoreId"]),
        ],
        // Moving it while it runs takes a licence and networks for vMotion; one that somebody has moved already is left alone.
        replaceOnChanges: ["hostSystemId", "datastoreId"],
        replacementTrigger: `${address}, generation ${generation}`,
        // The name and the address are free only when the old machine is gone.
        deleteBeforeReplace: true,
      },
    );
  }
}

/**
 * Has everything that belongs to a machine name what the machine waits for. When that fails, Pulumi leaves out of a replacement, step by step,
 * what names it: otherwise the node would leave the cluster, whose deletion comes first, although its machine stays. And as all machines that
 * are yet to come fail with the first one, all of their nodes would.
 */
const inTurn =
  (after: pulumi.Resource[]): pulumi.ResourceTransformation =>
  ({ type, props, opts }) =>
    type === recorded.machine ? undefined : { props, opts: pulumi.mergeOptions(opts, { dependsOn: after }) };

/** The lines of a known_hosts file with which `ssh` verifies these machines. */
export function knownHosts(machines: Pick<Reach, "host" | "port" | "hostKey">[]): pulumi.Output<string> {
  return pulumi.all(machines.map(knownHost)).apply((lines) => lines.join("\n"));
}

/** A line of a known_hosts file. */
export function knownHost({ host, port, hostKey }: Pick<Reach, "host" | "port" | "hostKey">): pulumi.Output<string> {
  return pulumi.interpolate`${port === undefined ? host : `[${host}]:${String(port)}`} ${hostKey}`;
}

/** Addresses of machines by their names. */
export function addressesByName(machines: Machine[]): Record<string, string> {
  return Object.fromEntries(machines.map(({ machineName, address }) => [machineName, address]));
}
