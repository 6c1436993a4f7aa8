import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { merge, type Document } from "../render/merge";
import type { StackConfig } from "./schema";
import { hasType, takesSnapshots } from "./storage";
import {
  busyboxVersion,
  flannelCniPluginVersion,
  flannelVersion,
  haproxyVersion,
  kubeadmImages,
  localPathProvisionerVersion,
  metricsServerVersion,
  snapshotControllerVersion,
  vsphereCloudProviders,
} from "./versions";

export const flannelImage = `ghcr.io/flannel-io/flannel:v${flannelVersion}`;
export const flannelCniPluginImage = `ghcr.io/flannel-io/flannel-cni-plugin:v${flannelCniPluginVersion}`;
export const localPathProvisionerImage = `docker.io/rancher/local-path-provisioner:v${localPathProvisionerVersion}`;
export const metricsServerImage = `registry.k8s.io/metrics-server/metrics-server:v${metricsServerVersion}`;
export const snapshotControllerImage = `registry.k8s.io/sig-storage/snapshot-controller:v${snapshotControllerVersion}`;
export const busyboxImage = `docker.io/library/busybox:${busyboxVersion}`;
export const haproxyImage = `docker.io/library/haproxy:${haproxyVersion}`;

/** What decides which images a stack has. */
export type ImageSettings = Pick<StackConfig, "kubernetes" | "storage" | "metrics" | "consul" | "ingress" | "demo">;

/** Images that the components of a stack run, beside those of kubeadm. */
export function componentImages({ kubernetes, storage, metrics, consul, ingress, demo }: ImageSettings): string[] {
  const images = [flannelImage, flannelCniPluginImage];
  if (hasType("local-path", storage.classes)) {
    images.push(localPathProvisionerImage, busyboxImage);
  }
  for (const type of ["nfs", "smb"] as const) {
    const { chart, values } = storage.drivers[type];
    if (hasType(type, storage.classes) && chart === undefined) {
      images.push(...driverImages(`csi-driver-${type}`, values));
    }
  }
  if (hasType("vsphere", storage.classes)) {
    const { daemonset } = chartValues("vsphere-cpi", {}) as { daemonset: { image: string } };
    const minor = kubernetes.version.split(".").slice(0, 2).join(".") as keyof typeof vsphereCloudProviders;
    images.push(`${daemonset.image}:v${vsphereCloudProviders[minor]}`, ...driverImages("vsphere-csi", {}));
  }
  if (Object.values(storage.classes).some(({ type }) => takesSnapshots(type))) {
    images.push(snapshotControllerImage);
  }
  if (metrics.enabled) {
    images.push(metricsServerImage);
  }
  if (demo) {
    images.push(haproxyImage);
  }
  // What an official chart deploys, the chart decides.
  if (consul.enabled && consul.chart === undefined) {
    const { global } = chartValues("consul", consul.values) as { global: { image: string } };
    images.push(global.image);
  }
  if (ingress.enabled && ingress.chart === undefined) {
    const { image } = chartValues("traefik", ingress.values) as {
      image: { registry: string; repository: string; tag: string };
    };
    images.push(`${image.registry}/${image.repository}:${image.tag || appVersion("traefik")}`);
  }
  return [...new Set(images.map(wholeName))];
}

/**
 * Images that kubeadm of a version deploys, as `kubeadm config images list` says.
 * @returns with `certain` false when the release is newer than those that were looked at
 */
export function kubernetesImages(version: string): { images: string[]; certain: boolean } {
  const [major = "", minor = "", patch = ""] = version.split(".");
  const { known, from } = kubeadmImages[`${major}.${minor}` as keyof typeof kubeadmImages];
  const since = Math.max(
    ...Object.keys(from)
      .map(Number)
      .filter((first) => first <= Number(patch)),
  );
  const others = (from as Record<number, { etcd: string; coredns: string; pause: string }>)[since];
  return {
    certain: Number(patch) <= known,
    images: [
      ...["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"].map(
        (name) => `registry.k8s.io/${name}:v${version}`,
      ),
      `registry.k8s.io/coredns/coredns:${String(others?.coredns)}`,
      `registry.k8s.io/pause:${String(others?.pause)}`,
      `registry.k8s.io/etcd:${String(others?.etcd)}`,
    ],
  };
}

/** The name that a registry knows an image by: what Docker's has without a user is in `library`. */
function wholeName(image: string): string {
  return image.replace(/^docker\.io\/([^/]+)$/, "docker.io/library/$1");
}

/** Registry of an image's whole name. */
export function registryOf(image: string): string {
  return image.split("/")[0] ?? "";
}

function chartFile(chart: string, file: string): Document {
  return parse(readFileSync(join(__dirname, "..", "charts", chart, file), "utf8")) as Document;
}

function chartValues(chart: string, over: Document): Document {
  return merge(chartFile(chart, "values.yaml"), over);
}

/** Those of a chart of a driver, which names them one beside the other. */
function driverImages(chart: string, over: Document): string[] {
  const { image } = chartValues(chart, over) as { image: Record<string, { repository: string; tag: string }> };
  return Object.values(image).map(({ repository, tag }) => `${repository}:${tag || appVersion(chart)}`);
}

function appVersion(chart: string): string {
  return String(chartFile(chart, "Chart.yaml").appVersion);
}
