const everywhere = ["keep-access", "look-for-drift", "mend-drift", "grow-disk"] as const;

/** What machines may be asked to do, by what they are for: files of scripts/, without `.sh`. A machine has these alone. */
export const steps = {
  frontend: [
    ...everywhere,
    "configure-haproxy",
    "configure-keepalived",
    "await-virtual-address",
    "await-haproxy",
    "allow-snapshots",
    "receive-snapshot",
  ],
  master: [
    ...everywhere,
    "prepare-node",
    "admit",
    "allow-joins",
    "renew-certificates",
    "approver-login",
    "approve-serving-certificates",
    "run-approver",
    "init-control-plane",
    "join-node",
    "check-change",
    "finish-upgrade",
    "keep-class",
    "drain-node",
    "settle-node",
    "leave-node",
    "await-node",
    "label-node",
    "read-kubeconfig",
    "await-storage-class",
    "reload-consul",
    "configure-consul-acl",
    "declare-consul-entries",
    "look-at-cluster",
    "mend-cluster",
    "configure-snapshots",
    "take-snapshot",
    "save-consul",
    "open-snapshot",
    "forget-cluster",
    "restore-control-plane",
    "restore-consul",
  ],
  worker: [...everywhere, "prepare-node", "join-node", "try-share"],
} as const;

export type Role = keyof typeof steps;
export type StepName = (typeof steps)[Role][number];
