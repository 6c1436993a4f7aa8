/** What machines may be asked to do, by what they are for: files of scripts/, without `.sh`. A machine has these alone. */
export const steps = {
  frontend: ["grow-disk", "configure-haproxy", "configure-keepalived", "await-virtual-address", "await-haproxy"],
  master: [
    "grow-disk",
    "prepare-node",
    "admit",
    "allow-joins",
    "init-control-plane",
    "join-node",
    "check-change",
    "drain-node",
    "settle-node",
    "leave-node",
    "await-node",
    "label-node",
    "read-kubeconfig",
    "await-storage-class",
    "configure-consul-acl",
    "declare-consul-entries",
  ],
  worker: ["grow-disk", "prepare-node", "join-node"],
} as const;

export type Role = keyof typeof steps;
export type StepName = (typeof steps)[Role][number];
