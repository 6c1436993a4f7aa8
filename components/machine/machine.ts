import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as vsphere from "@pulumi/vsphere";
import type { MachineSize } from "../../config";
import { metadata, userdata, type NetworkSettings } from "../../render/cloud-init";
import { stepCommand } from "../../render/step";
import { sshIdentity, type SshIdentity } from "./ssh-identity";

/** Where a machine is cloned from and to. */
export interface Placement {
  resourcePoolId: pulumi.Input<string>;
  hostSystemId: pulumi.Input<string>;
  datastoreId: pulumi.Input<string>;
  networkId: pulumi.Input<string>;
  template: pulumi.Output<vsphere.GetVirtualMachineResult>;
}

export interface MachineArgs {
  placement: Placement;
  size: MachineSize;
  /** Static IPv4 address; another one replaces the machine. */
  address: string;
  network: NetworkSettings;
  /** Administrator that cloud-init creates. */
  user: string;
  /** The stack's key, authorized for the administrator. */
  adminKey: SshIdentity;
  /** Refuse to delete the virtual machine. Default false. */
  protect?: boolean;
}

/** A step as a component gives it; the machine adds its own name. */
export interface MachineStep {
  /** File in scripts/ without `.sh`; also names the step in logs. */
  script: string;
  /** File in scripts/ without `.sh`, whose functions the script uses. */
  library?: string;
  /** Parameters that hold no secret. */
  parameters?: pulumi.Input<Record<string, pulumi.Input<string | number>>>;
  /** What the script reads from standard input; the only way for secrets. */
  stdin?: pulumi.Input<string>;
  /** False for a step that only reads, or changes the cluster alone. Default true. */
  changesNode?: boolean;
  /** Seconds after which the step has failed. Default 300. */
  timeoutSeconds?: number;
  /** What the step prints is a secret. Default false. */
  secretOutput?: boolean;
}

/**
 * One virtual machine that is ready for work: cloned, booted, reachable by SSH with a host key known beforehand.
 * Its name is the virtual machine's, the host's and the node's; renaming replaces it.
 */
export class Machine extends pulumi.ComponentResource {
  readonly machineName: string;
  readonly address: string;
  /** Public host key, `ssh-ed25519 AAAA…`. */
  readonly hostKey: pulumi.Output<string>;
  /** Changes when the virtual machine is replaced, and only then. */
  readonly identity: pulumi.Output<string>;

  private readonly connection: remote.CommandArgs["connection"];
  private readonly booted: remote.Command;

  constructor(name: string, args: MachineArgs, opts: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Machine", name, {}, opts);
    this.machineName = name;
    this.address = args.address;

    const hostIdentity = sshIdentity(`${name}-host-key`, { parent: this });
    this.hostKey = hostIdentity.publicKey;

    const vm = this.clone(name, args, hostIdentity);
    this.identity = vm.uuid;
    this.connection = {
      host: args.address,
      user: args.user,
      privateKey: args.adminKey.privateKey,
      hostKey: hostIdentity.publicKey,
      // A machine on a busy host boots for minutes: about ten minutes of attempts.
      dialErrorLimit: 100,
      perDialTimeout: 10,
    };
    this.booted = this.command(
      `${name}-booted`,
      { script: "wait-booted", changesNode: false },
      { parent: this, dependsOn: vm },
    );

    this.registerOutputs({ address: this.address, hostKey: this.hostKey, identity: this.identity });
  }

  /**
   * Runs a script of scripts/ on this machine once it has booted, and again when the machine is replaced.
   * Any other change of the step runs the script again in place: scripts guard themselves.
   */
  run(
    name: string,
    step: MachineStep,
    opts: { parent: pulumi.Resource; dependsOn?: pulumi.Resource[] },
  ): remote.Command {
    return this.command(name, step, { ...opts, dependsOn: [this.booted, ...(opts.dependsOn ?? [])] });
  }

  private command(name: string, step: MachineStep, opts: pulumi.CustomResourceOptions): remote.Command {
    const {
      script,
      library,
      parameters = {},
      stdin,
      changesNode = true,
      timeoutSeconds = 300,
      secretOutput = false,
    } = step;
    const node = this.machineName;
    return new remote.Command(
      name,
      {
        connection: this.connection,
        create: pulumi
          .output(parameters)
          .apply((resolved) =>
            stepCommand({ name: script, node, script, library, parameters: resolved, changesNode, timeoutSeconds }),
          ),
        stdin,
        triggers: [this.identity],
        // A script sees its node's state, never what an earlier run printed.
        addPreviousOutputInEnv: false,
        logging: secretOutput ? remote.Logging.None : remote.Logging.StdoutAndStderr,
      },
      { ...opts, additionalSecretOutputs: secretOutput ? ["stdout", "stderr"] : [] },
    );
  }

  private clone(name: string, args: MachineArgs, hostKey: SshIdentity): vsphere.VirtualMachine {
    const { placement, size, address, network, user, adminKey } = args;
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
      },
      {
        parent: this,
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
        ],
        replacementTrigger: address,
        // The name and the address are free only when the old machine is gone.
        deleteBeforeReplace: true,
      },
    );
  }
}

/** The lines of a known_hosts file with which `ssh` verifies these machines. */
export function knownHosts(machines: Machine[]): pulumi.Output<string> {
  return pulumi
    .all(machines.map(({ address, hostKey }) => pulumi.interpolate`${address} ${hostKey}`))
    .apply((lines) => lines.join("\n"));
}

/** Addresses of machines by their names. */
export function addressesByName(machines: Machine[]): Record<string, string> {
  return Object.fromEntries(machines.map(({ machineName, address }) => [machineName, address]));
}
