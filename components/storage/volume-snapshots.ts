import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { snapshotControllerImage } from "../../config/images";
import type { ClusterApi } from "../in-cluster/cluster-api";
import { definitions } from "../in-cluster/release";
import { acrossNodes } from "../in-cluster/spread";
import { restrictedContainer, restrictedNamespace, restrictedPod } from "../in-cluster/restricted";

export interface VolumeSnapshotsArgs {
  api: ClusterApi;
  /** Nodes that take the controller's pods. */
  dependsOn: pulumi.Resource[];
}

/** Of all objects that have to do with snapshots of volumes. */
export const snapshotGroup = "snapshot.storage.k8s.io";

/** The definitions of these objects, from their module by `make crds`. */
const definitionsChart = "snapshot-crds";
const controllerName = "snapshot-controller";
const labels = { "app.kubernetes.io/name": controllerName };
const apiGroup = "rbac.authorization.k8s.io";
const port = 8080;

/** What snapshots of volumes need once in a cluster, whichever drivers take them: their definitions, and who hands them to the drivers. */
export class VolumeSnapshots extends pulumi.ComponentResource {
  /** Drivers that take snapshots fall over without these. */
  readonly definitions: pulumi.Resource;
  /** Done when snapshots can be asked for. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: VolumeSnapshotsArgs, opts: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:VolumeSnapshots", name, {}, opts);
    const { api, dependsOn } = args;
    this.definitions = definitions(`${name}-definitions`, definitionsChart, api, this);
    const inCluster = api.inCluster(this, dependsOn);
    const namespace = restrictedNamespace(`${name}-namespace`, controllerName, inCluster);
    const metadata = { name: controllerName, namespace: namespace.metadata.name };
    const account = new k8s.core.v1.ServiceAccount(`${name}-account`, { metadata }, inCluster);
    const rights = this.rights(name, account, metadata, inCluster);
    this.users(name, inCluster);
    const controller = new k8s.apps.v1.Deployment(
      `${name}-controller`,
      {
        metadata: { ...metadata, labels },
        spec: {
          // One of them works; the other one takes over.
          replicas: 2,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: podSpec(account) },
        },
      },
      { ...inCluster, dependsOn: [...dependsOn, ...rights, this.definitions] },
    );
    this.ready = [controller];
    this.registerOutputs({});
  }

  /** What the controller itself may do. */
  private rights(
    name: string,
    account: k8s.core.v1.ServiceAccount,
    metadata: { name: string; namespace: pulumi.Output<string> },
    inCluster: pulumi.CustomResourceOptions,
  ): pulumi.Resource[] {
    const subjects = [{ kind: "ServiceAccount", name: account.metadata.name, namespace: metadata.namespace }];
    const clusterRole = new k8s.rbac.v1.ClusterRole(
      `${name}-cluster-role`,
      {
        metadata: { name: controllerName },
        rules: [
          { apiGroups: [""], resources: ["persistentvolumes"], verbs: ["get", "list", "watch"] },
          // A claim is kept from going while a snapshot of it is taken.
          { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: ["get", "list", "watch", "update"] },
          { apiGroups: [""], resources: ["events"], verbs: ["list", "watch", "create", "update", "patch"] },
          { apiGroups: [snapshotGroup], resources: ["volumesnapshotclasses"], verbs: ["get", "list", "watch"] },
          {
            apiGroups: [snapshotGroup],
            resources: ["volumesnapshotcontents"],
            verbs: ["get", "list", "watch", "create", "update", "patch", "delete"],
          },
          { apiGroups: [snapshotGroup], resources: ["volumesnapshotcontents/status"], verbs: ["patch"] },
          {
            apiGroups: [snapshotGroup],
            resources: ["volumesnapshots"],
            verbs: ["get", "list", "watch", "update", "patch"],
          },
          { apiGroups: [snapshotGroup], resources: ["volumesnapshots/status"], verbs: ["update", "patch"] },
        ],
      },
      inCluster,
    );
    const clusterBinding = new k8s.rbac.v1.ClusterRoleBinding(
      `${name}-cluster-binding`,
      {
        metadata: { name: controllerName },
        roleRef: { apiGroup, kind: "ClusterRole", name: clusterRole.metadata.name },
        subjects,
      },
      inCluster,
    );
    const role = new k8s.rbac.v1.Role(
      `${name}-role`,
      {
        metadata,
        rules: [
          {
            apiGroups: ["coordination.k8s.io"],
            resources: ["leases"],
            verbs: ["get", "list", "watch", "create", "update", "patch"],
          },
        ],
      },
      inCluster,
    );
    const binding = new k8s.rbac.v1.RoleBinding(
      `${name}-binding`,
      { metadata, roleRef: { apiGroup, kind: "Role", name: role.metadata.name }, subjects },
      inCluster,
    );
    return [clusterBinding, binding];
  }

  /** Whoever may make claims in a namespace may take snapshots there, and whoever may see claims may see them. */
  private users(name: string, inCluster: pulumi.CustomResourceOptions): void {
    const looking = ["get", "list", "watch"];
    for (const [role, to, verbs] of [
      ["editors", ["admin", "edit"], [...looking, "create", "update", "patch", "delete", "deletecollection"]],
      ["viewers", ["view"], looking],
    ] as const) {
      new k8s.rbac.v1.ClusterRole(
        `${name}-${role}`,
        {
          metadata: {
            name: `volume-snapshots-${role}`,
            labels: Object.fromEntries(to.map((each) => [`rbac.authorization.k8s.io/aggregate-to-${each}`, "true"])),
          },
          rules: [{ apiGroups: [snapshotGroup], resources: ["volumesnapshots"], verbs: [...verbs] }],
        },
        inCluster,
      );
    }
  }
}

function podSpec(account: k8s.core.v1.ServiceAccount): k8s.types.input.core.v1.PodSpec {
  // Answers once it has found the definitions, and then as long as it takes part in choosing who works.
  const health = { httpGet: { path: "/healthz/leader-election", port: "http" } };
  return {
    serviceAccountName: account.metadata.name,
    priorityClassName: "system-cluster-critical",
    securityContext: restrictedPod,
    topologySpreadConstraints: [acrossNodes(labels)],
    containers: [
      {
        name: controllerName,
        image: snapshotControllerImage,
        imagePullPolicy: "IfNotPresent",
        args: ["--leader-election", `--http-endpoint=:${String(port)}`, "--v=2"],
        ports: [{ name: "http", containerPort: port }],
        readinessProbe: { ...health, periodSeconds: 5 },
        livenessProbe: { ...health, initialDelaySeconds: 30, periodSeconds: 20, timeoutSeconds: 5 },
        resources: { requests: { cpu: "10m", memory: "20Mi" }, limits: { memory: "300Mi" } },
        securityContext: restrictedContainer,
      },
    ],
  };
}
