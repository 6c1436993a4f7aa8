import type { remote } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import type { Taint } from "../../config";
import { joinConfig } from "../../render/kubeadm";
import { scriptText } from "../../render/step";
import { knownHosts, type Machine } from "./machine";
import { sshIdentity, type SshIdentity } from "./ssh-identity";

type Role = "master" | "worker";

/**
 * How machines become members: a joining node asks any master, over SSH and with a key that allows nothing else, for
 * a token (15 minutes) and, if it is to be a master, for the key of the uploaded certificates. They are minted at that
 * moment, so a join can be repeated at any time later, and none of them is ever in the state.
 */
export class Joining {
  private readonly keys: Record<Role, SshIdentity>;

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
        stdin: scriptText("admit"),
        parameters: {
          JOIN_USER: this.user,
          MASTER_JOIN_KEY: this.keys.master.publicKey,
          WORKER_JOIN_KEY: this.keys.worker.publicKey,
        },
      },
      { parent: master },
    );
  }

  /** Joins a prepared machine. */
  join(machine: Machine, role: Role, opts: { dependsOn: pulumi.Resource[]; taints?: Taint[] }): remote.Command {
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
        parameters: {
          CONFIG: joinConfig(this.endpoint, node, role === "master"),
          JOIN_USER: this.user,
          MASTERS: knownHosts(this.masters.filter((master) => master !== machine)),
          // Later masters do not wait: the next join needs etcd healthy, which kubeadm sees to, not pods.
          AWAIT_READY: String(role === "worker"),
        },
      },
      { parent: machine, dependsOn: opts.dependsOn },
    );
  }
}
