import { fileBundle } from "./files";
import { latestStepPath, shellWord } from "./step";

/** A machine that gets copies. */
export interface SnapshotCopy {
  name: string;
  /** `machine`: one of the stack's, which receives them by a program of its own. `sftp`: any server. */
  kind: "machine" | "sftp";
  user: string;
  host: string;
  port: number;
  /** Folder there; a machine has its own. */
  path: string;
}

/** What a master needs to take snapshots, and to begin a restored cluster. */
export interface SnapshotSettings {
  stack: string;
  /** Minutes. */
  every: number;
  keep: number;
  copies: SnapshotCopy[];
  /** Host keys of the machines that get copies. */
  knownHosts: string;
  /** Certificate to which snapshots are encrypted. */
  recipient: string;
  /** kubeadm's configuration, with which the cluster would be founded on this master. */
  kubeadm: string;
}

const folder = "/etc/esxi-k8s/snapshots";
const unit = "/etc/systemd/system/esxi-k8s-snapshot";

/** The files of a master, in one text. */
export function snapshotFiles({
  stack,
  every,
  keep,
  copies,
  knownHosts,
  recipient,
  kubeadm,
}: SnapshotSettings): string {
  const fresh = `find /var/lib/esxi-k8s/snapshots -maxdepth 1 -name complete -mmin -${String(every)}`;
  return fileBundle({
    [`${folder}/settings`]: `STACK=${shellWord(stack)}\nKEEP=${String(keep)}\n`,
    [`${folder}/copies`]: copies
      .map(({ name, kind, user, host, port, path }) => `${name} ${kind} ${user}@${host} ${String(port)} ${path}\n`)
      .join(""),
    [`${folder}/known_hosts`]: knownHosts,
    [`${folder}/recipient.pem`]: recipient,
    [`${folder}/kubeadm.yaml`]: kubeadm,
    [`${unit}.service`]: [
      "[Unit]",
      "Description=Snapshot of the cluster",
      "ConditionPathExists=/etc/kubernetes/manifests/etcd.yaml",
      "",
      "[Service]",
      "Type=oneshot",
      // None is due while the newest is fresh, and wherever it is to be. What failed is tried again five minutes later.
      `ExecCondition=/bin/sh -c '! ${fresh} 2>/dev/null | grep -q .'`,
      `ExecStart=${latestStepPath("take-snapshot")} EVERY=${String(every)}`,
      "TimeoutStartSec=1h",
      "Nice=10",
      "IOSchedulingClass=idle",
      // Not a line for every time that none is due.
      "LogLevelMax=notice",
      "",
    ].join("\n"),
    [`${unit}.timer`]: [
      "[Unit]",
      "Description=Looks whether a snapshot of the cluster is due",
      "",
      "[Timer]",
      "OnCalendar=*:0/5",
      // Masters do not all do it at once.
      "RandomizedDelaySec=4min",
      "FixedRandomDelay=yes",
      "",
      "[Install]",
      "WantedBy=timers.target",
      "",
    ].join("\n"),
  });
}
