import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as vsphere from "@pulumi/vsphere";
import type { MachineSize } from "../../config";
import { metadata, userdata, type NetworkSettings } from "../../render/cloud-init";
import { delivery, stepCommand, stepInput } from "../../render/step";
import type { SshIdentity } from "./ssh-identity";
import { steps, type Role, type StepName } from "./steps";

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
  /** The machine's own key, by which every connection knows it. */
  hostKey: SshIdentity;
  /** What the machine may be asked to do. */
  role: Role;
  /** Refuse to delete the virtual machine. Default false. */
  protect?: boolean;
}

/** A step as a component gives it. */
export interface MachineStep {
  /** File in scripts/ without `.sh`, one of the steps of the machine's role; also names the step in logs. */
  script: StepName;
  /** What its command line shows: values of one line each, no secrets. */
  parameters?: pulumi.Input<Record<string, pulumi.Input<string | number>>>;
  /** Variables of several lines, no secrets: a preview shows them, a command line does not. */
  texts?: Record<string, pulumi.Input<string>>;
  /** What the script reads from standard input; the only way for secrets. */
  stdin?: pulumi.Input<string>;
  /** The step runs again when this changes, too. */
  again?: pulumi.Input<unknown>;
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

  private readonly role: Role;
  private readonly connection: remote.CommandArgs["connection"];
  private readonly booted: remote.Command;

  constructor(name: string, args: MachineArgs, opts: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Machine", name, {}, opts);
    this.machineName = name;
    this.address = args.address;
    this.hostKey = args.hostKey.publicKey;
    this.role = args.role;

    const vm = this.clone(name, args);
    this.identity = vm.uuid;
    // One value for all steps, not one a step with everything that Pulumi keeps of it.
    this.connection = pulumi.all([args.adminKey.privateKey, this.hostKey]).apply(([privateKey, hostKey]) => ({
      host: args.address,
      user: args.user,
      privateKey,
      hostKey,
      // A machine on a busy host boots for minutes: about ten minutes of attempts.
      dialErrorLimit: 100,
      perDialTimeout: 10,
    }));
    const { command, stdin } = delivery(steps[this.role], 900);
    this.booted = this.command(`${name}-booted`, { create: command, stdin: pulumi.secret(stdin) }, [this.identity], {
      parent: this,
      dependsOn: vm,
    });

    this.registerOutputs({ address: this.address, hostKey: this.hostKey, identity: this.identity });
  }

  /**
   * Runs a step on this machine once it has booted, and again when the machine is replaced, or a text of the step. Any other change runs
   * it again in place: scripts guard themselves.
   * @throws Error when the machine's role does not have the step
   */
  run(
    name: string,
    step: MachineStep,
    opts: { parent: pulumi.Resource; dependsOn?: pulumi.Resource[] },
  ): remote.Command {
    const { script, parameters = {}, stdin, again, timeoutSeconds = 300, secretOutput = false } = step;
    if (!steps[this.role].some((known) => known === script)) {
      throw new Error(`machine ${this.machineName}: a ${this.role} has no step ${script}`);
    }
    const texts = step.texts && pulumi.output(step.texts);
    return this.command(
      name,
      {
        create: pulumi.output(parameters).apply((resolved) => stepCommand(script, resolved, timeoutSeconds)),
        // A secret as a whole, so that what it holds in base64 is not shown beside the texts themselves.
        ...((texts ?? stdin) !== undefined && {
          stdin: pulumi.secret(pulumi.all([texts ?? {}, stdin ?? ""]).apply(([all, rest]) => stepInput(all, rest))),
        }),
      },
      // Nothing else of a command shows a text in a preview, and lets it change the command.
      [this.identity, ...[texts, again].filter((shown) => shown !== undefined)],
      {
        ...opts,
        dependsOn: [this.booted, ...(opts.dependsOn ?? [])],
        additionalSecretOutputs: secretOutput ? ["stdout", "stderr"] : [],
      },
    );
  }

  private command(
    name: string,
    what: Pick<remote.CommandArgs, "create" | "stdin">,
    triggers: pulumi.Input<unknown>[],
    opts: pulumi.CustomResourceOptions,
  ): remote.Command {
    return new remote.Command(
      name,
      {
        connection: this.connection,
        ...what,
        triggers,
        // A script sees its node's state, never what an earlier run printed.
        addPreviousOutputInEnv: false,
        // An error quotes what a step printed; said a second time beside it, it would only be longer.
        logging: remote.Logging.None,
      },
      opts,
    );
  }

  private clone(name: string, args: MachineArgs): vsphere.VirtualMachine {
    const { placement, size, address, network, user, adminKey, hostKey } = args;
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
