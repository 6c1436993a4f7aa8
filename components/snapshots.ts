import * as pulumi from "@pulumi/pulumi";
import * as k8s from "@pulumi/kubernetes";
import type { LoadedConfig } from "../config";
import { snapshotMinutes } from "../config/snapshots";
import { foundingConfig } from "../render/founding";
import { snapshotFiles, type SnapshotCopy } from "../render/snapshots";
import { latestStepPath } from "../render/step";
import { recipient } from "./authority";
import type { EsxiCluster } from "./esxi-cluster";
import type { HaproxyFrontend } from "./haproxy-frontend";
import { apiClient } from "./in-cluster/api-client";
import type { K8sControlPlane } from "./k8s-control-plane";
import { addressesByName, knownHosts } from "./machine/machine";
import { sshIdentity } from "./machine/ssh-identity";

export interface SnapshotsArgs {
  esxi: EsxiCluster;
  frontend: HaproxyFrontend;
  controlPlane: K8sControlPlane;
  config: LoadedConfig;
}

/** The newest snapshot of a master. */
export interface SnapshotState {
  /** UTC, in ISO 8601. */
  taken: string;
  bytes: number;
  /** Machines that have a copy. */
  copies: string[];
}

/** Where masters say in the cluster what they have taken. */
const report = { name: "esxi-k8s-snapshots", namespace: "kube-system" };

/**
 * Snapshots of the cluster, by a timer on every master: etcd's data and the keys of the authorities, encrypted to a key of the stack and
 * copied to the HAProxy machines, or where the configuration says. What restores them, `make restore`, reads here how to reach whom.
 */
export class Snapshots extends pulumi.ComponentResource {
  /** By the names of the masters; nothing of those that have taken none yet, or when the cluster does not answer. */
  readonly newest: pulumi.Output<Record<string, SnapshotState>>;
  /** With which snapshots are decrypted, PEM, secret. */
  readonly key: pulumi.Output<string>;
  /** With which masters log in where copies go. */
  readonly publicKey: pulumi.Output<string>;

  constructor(name: string, args: SnapshotsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Snapshots", name, {}, opts);
    const { esxi, frontend, controlPlane, config } = args;
    const { keep, target } = config.controlPlane.snapshots;
    const every = snapshotMinutes(config.controlPlane.snapshots);
    const masters = controlPlane.machines.map(({ machineName }) => machineName);
    const encryption = recipient(`${name}-key`, this);
    const login = sshIdentity(`${name}-login-key`, { parent: this });
    this.key = encryption.key;
    this.publicKey = login.publicKey;

    const copies: SnapshotCopy[] = target
      ? [{ name: target.host, kind: "sftp", ...target }]
      : frontend.machines.map(({ machineName, address }) => ({
          name: machineName,
          kind: "machine",
          user: esxi.user,
          host: address,
          port: 22,
          path: "-",
        }));
    const known = knownHosts(
      target
        ? [{ host: target.host, port: unlessUsual(target.port), hostKey: pulumi.output(target.hostKey) }]
        : frontend.machines,
    );
    for (const machine of target ? [] : frontend.machines) {
      machine.run(
        `${machine.machineName}-snapshots`,
        {
          script: "allow-snapshots",
          parameters: {
            SNAPSHOT_USER: esxi.user,
            RECEIVE: latestStepPath("receive-snapshot"),
            KEEP: keep,
            SNAPSHOT_KEY: login.publicKey,
          },
        },
        { parent: machine },
      );
    }
    for (const machine of controlPlane.machines) {
      const { machineName, address } = machine;
      machine.run(
        `${machineName}-snapshots`,
        {
          script: "configure-snapshots",
          texts: {
            FILES: pulumi.all([known, encryption.certificate]).apply(([knownHosts, certificate]) =>
              snapshotFiles({
                stack: pulumi.getStack(),
                every,
                keep,
                copies,
                knownHosts,
                recipient: certificate,
                kubeadm: foundingConfig(config, pulumi.getStack(), { name: machineName, address }),
              }),
            ),
          },
          stdin: login.privateKey,
        },
        { parent: machine },
      );
    }

    const said = new k8s.core.v1.ConfigMap(
      `${name}-report`,
      { metadata: report },
      // What masters write into it.
      { ...controlPlane.api.inCluster(this), ignoreChanges: ["data"] },
    );
    // Of what the kubeconfig, a secret, was used to ask.
    this.newest = pulumi.unsecret(
      pulumi.all([controlPlane.kubeconfig, said.id]).apply(([kubeconfig]) => this.read(kubeconfig, masters, every)),
    );

    // Known whatever becomes of the cluster, and in the state as soon as this has been said: outputs of a stack are lost with a failed run.
    this.registerOutputs({
      endpoint: frontend.endpoint,
      user: esxi.user,
      adminKey: esxi.adminKey.privateKey,
      knownHosts: knownHosts([controlPlane.masters, ...frontend.machines, ...controlPlane.machines]),
      masters: addressesByName(controlPlane.machines),
      frontends: addressesByName(frontend.machines),
      certificate: encryption.certificate,
      key: encryption.key,
    });
  }

  /** What masters have said, and a warning when that is not what the configuration asks for. */
  private async read(kubeconfig: string, masters: string[], every: number): Promise<Record<string, SnapshotState>> {
    let found: { metadata?: { creationTimestamp?: string }; data?: Record<string, string> };
    try {
      const path = `/api/v1/namespaces/${report.namespace}/configmaps/${report.name}`;
      found = (await apiClient(kubeconfig)("GET", path)) as typeof found;
    } catch {
      // A cluster that does not answer is said by others, and no snapshot is missing for it.
      return {};
    }
    const newest = Object.fromEntries(
      Object.entries(found.data ?? {}).flatMap(([master, line]) => {
        const [taken = "", bytes = "", copies = ""] = line.split(" ");
        return masters.includes(master)
          ? [[master, { taken, bytes: Number(bytes), copies: copies.split(",").filter(Boolean) }]]
          : [];
      }),
    );
    const since = Object.values(newest)
      .filter(({ copies }) => copies.length > 0)
      .map(({ taken }) => taken)
      .concat(found.metadata?.creationTimestamp ?? [])
      .sort()
      .at(-1);
    if (since !== undefined && Date.now() - Date.parse(since) > 2 * every * 60_000) {
      void pulumi.log.warn(
        `no snapshot of the cluster has left its master since ${since}, and one is due every ${String(every)} minutes: 'systemctl status esxi-k8s-snapshot' on a master and /var/log/esxi-k8s/take-snapshot.log there say why`,
        this,
      );
    }
    return newest;
  }
}

/** ssh writes down the port of a host key unless it is the usual one. */
const unlessUsual = (port: number) => (port === 22 ? undefined : port);
