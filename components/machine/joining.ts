import type { remote } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import type { Taint } from "../../config";
import { joinConfig } from "../../render/kubeadm";
import { stepPath } from "../../render/step";
import { knownHosts, type Machine } from "./machine";
import { sshIdentity, type SshIdentity } from "./ssh-identity";
import type { Role } from "./steps";

type Member = Exclude<Role, "frontend">;

/**
 * How machines become members: a joining node asks any master, over SSH and with a key that allows nothing else, for
 * a token (15 minutes) and, if it is to be a master, for the key of the uploaded certificates. They are minted at that
 * moment, so a join can be repeated at any time later, and none of them is ever in the state.
 */
export class Joining {
  private readonly keys: Record<Member, SshIdentity>;
  /** Said once for all workers, of which there may be hundreds. */
  private allMasters?: pulumi.Output<string>;

  /** @param masters every configured master; a joining node tries them in turn, so none of them is special */
  constructor(
    name: string,
    private readonly masters: Machine[],
    private readonly endpoint: string,
    private readonly user: string,
    private readonly ignorePreflightErrors: string[],
    opts: { parent: pulumi.Resource },
  ) {
    this.keys = {
      master: sshIdentity(`${name}-master-join-key`, opts),
      worker: sshIdentity(`${name}-worker-join-key`, opts),
    };
  }

  /** Lets joining nodes ask this master. */
  allow(master: Machine): remote.Command {
    return master.run(
      `${master.machineName}-allow-joins`,
      {
        script: "allow-joins",
        parameters: {
          JOIN_USER: this.user,
          ADMIT: stepPath("admit"),
          MASTER_JOIN_KEY: this.keys.master.publicKey,
          WORKER_JOIN_KEY: this.keys.worker.publicKey,
        },
      },
      { parent: master },
    );
  }

  /** Host keys of those whom a machine asks: all masters but itself. */
  private mastersFor(machine: Machine): pulumi.Output<string> {
    return this.masters.includes(machine)
      ? knownHosts(this.masters.filter((master) => master !== machine))
      : (this.allMasters ??= knownHosts(this.masters));
  }

  /** Joins a prepared machine. */
  join(machine: Machine, role: Member, opts: { dependsOn: pulumi.Resource[]; taints?: Taint[] }): remote.Command {
    const name = machine.machineName;
    const node = {
      name,
      address: machine.address,
      taints: opts.taints,
      ignorePreflightErrors: this.ignorePreflightErrors,
    };
    return machine.run(
      `${name}-join`,
      {
        script: "join-node",
        stdin: this.keys[role].privateKey,
        timeoutSeconds: 600,
        parameters: { ROLE: role, JOIN_USER: this.user },
        texts: {
          CONFIG: joinConfig(this.endpoint, node, role === "master"),
          MASTERS: this.mastersFor(machine),
        },
      },
      { parent: machine, dependsOn: opts.dependsOn },
    );
  }
}
