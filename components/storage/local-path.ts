import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { busyboxImage, localPathProvisionerImage } from "../../config/images";
import { toYaml } from "../../render/yaml";
import type { ClassesOf } from "../../config/storage";
import { podField } from "../in-cluster/pod-field";
import { privilegedNamespace, restrictedContainer, restrictedPod } from "../in-cluster/restricted";
import { StorageType, type Provisioner, type StorageTypeArgs } from "./storage-type";

const labels = { app: "local-path-provisioner" };
const script = (line: string) => `#!/bin/sh\nset -eu\n${line}\n`;

/**
 * Volumes that are folders on the node on which their first pod is placed, and stay there. Needs nothing but the nodes' disks; what wants to
 * survive a node has to have copies of its data, as etcd and Consul do.
 */
export class LocalPathStorage extends StorageType<"local-path"> {
  constructor(
    name: string,
    args: StorageTypeArgs<"local-path">,
    opts: pulumi.ComponentResourceOptions & { parent: pulumi.Resource },
  ) {
    super("LocalPathStorage", name, args, opts);
  }

  protected override provisioner(
    name: string,
    args: StorageTypeArgs<"local-path">,
    inCluster: pulumi.CustomResourceOptions,
  ): Provisioner<"local-path"> {
    // Its helper pods mount folders of the host.
    const namespace = privilegedNamespace(`${name}-namespace`, "local-path-storage", inCluster);
    const metadata = { name: "local-path-provisioner", namespace: namespace.metadata.name };
    const account = new k8s.core.v1.ServiceAccount(`${name}-account`, { metadata }, inCluster);
    const subjects = [{ kind: "ServiceAccount", name: account.metadata.name, namespace: namespace.metadata.name }];
    const apiGroup = "rbac.authorization.k8s.io";
    const role = new k8s.rbac.v1.Role(
      `${name}-role`,
      {
        metadata,
        rules: [
          {
            apiGroups: [""],
            resources: ["pods"],
            verbs: ["get", "list", "watch", "create", "patch", "update", "delete"],
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
    const clusterRole = new k8s.rbac.v1.ClusterRole(
      `${name}-cluster-role`,
      {
        metadata: { name: metadata.name },
        rules: [
          {
            apiGroups: [""],
            resources: ["nodes", "persistentvolumeclaims", "configmaps", "pods", "pods/log"],
            verbs: ["get", "list", "watch"],
          },
          {
            apiGroups: [""],
            resources: ["persistentvolumes"],
            verbs: ["get", "list", "watch", "create", "patch", "update", "delete"],
          },
          { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
          { apiGroups: ["storage.k8s.io"], resources: ["storageclasses"], verbs: ["get", "list", "watch"] },
        ],
      },
      inCluster,
    );
    const clusterBinding = new k8s.rbac.v1.ClusterRoleBinding(
      `${name}-cluster-binding`,
      {
        metadata: { name: metadata.name },
        roleRef: { apiGroup, kind: "ClusterRole", name: clusterRole.metadata.name },
        subjects,
      },
      inCluster,
    );
    const settings = new k8s.core.v1.ConfigMap(
      `${name}-settings`,
      {
        // The provisioner looks for this name.
        metadata: { ...metadata, name: "local-path-config" },
        data: {
          "config.json": JSON.stringify({ storageClassConfigs: paths(args.classes) }),
          setup: script('mkdir -m 0777 -p "$VOL_DIR"'),
          teardown: script('rm -rf "$VOL_DIR"'),
          "helperPod.yaml": toYaml(helperPod),
        },
      },
      inCluster,
    );
    const provisioner = new k8s.apps.v1.Deployment(
      `${name}-provisioner`,
      {
        metadata: { ...metadata, labels },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: podSpec(account, settings) },
        },
      },
      { ...inCluster, dependsOn: [binding, clusterBinding] },
    );
    return {
      ready: [provisioner],
      describe: () => ({
        spec: {
          provisioner: "rancher.io/local-path",
          // A volume is made where its pod is placed, not the other way round.
          volumeBindingMode: "WaitForFirstConsumer",
        },
      }),
    };
  }
}

/** The folder of each class, on every node. */
function paths(classes: ClassesOf<"local-path">): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(classes).map(([name, { path }]) => [
      name,
      { nodePathMap: [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [path] }] },
    ]),
  );
}

/** Runs `setup` and `teardown` on the node; the provisioner mounts the folder into it. */
const helperPod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "helper-pod" },
  spec: {
    priorityClassName: "system-node-critical",
    tolerations: [{ key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" }],
    containers: [
      {
        name: "helper-pod",
        image: busyboxImage,
        imagePullPolicy: "IfNotPresent",
        resources: { requests: { cpu: "10m", memory: "16Mi" } },
      },
    ],
  },
};

function podSpec(
  account: k8s.core.v1.ServiceAccount,
  settings: k8s.core.v1.ConfigMap,
): k8s.types.input.core.v1.PodSpec {
  const configFolder = "/etc/config/";
  return {
    serviceAccountName: account.metadata.name,
    securityContext: restrictedPod,
    containers: [
      {
        name: "local-path-provisioner",
        image: localPathProvisionerImage,
        imagePullPolicy: "IfNotPresent",
        command: [
          "local-path-provisioner",
          "start",
          "--config",
          `${configFolder}config.json`,
          "--service-account-name",
          "local-path-provisioner",
        ],
        env: [
          { name: "POD_NAMESPACE", valueFrom: podField("metadata.namespace") },
          { name: "CONFIG_MOUNT_PATH", value: configFolder },
        ],
        resources: { requests: { cpu: "20m", memory: "32Mi" } },
        securityContext: restrictedContainer,
        volumeMounts: [{ name: "config", mountPath: configFolder }],
      },
    ],
    volumes: [{ name: "config", configMap: { name: settings.metadata.name } }],
  };
}
