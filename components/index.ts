export { Authority } from "./authority";
export { CloudProvider } from "./cloud-provider";
export { ClusterDns } from "./in-cluster/cluster-dns";
export { ConsulKv } from "./consul-kv";
export { Demo } from "./in-cluster/demo";
export { endWithPulumi } from "./engine";
export { EsxiCluster } from "./esxi-cluster";
export { HaproxyFrontend } from "./haproxy-frontend";
export { K8sControlPlane } from "./k8s-control-plane";
export { addressesByName, knownHosts } from "./machine/machine";
export { MetricsServer } from "./metrics-server";
export { loadPast } from "./past";
export { Snapshots } from "./snapshots";
export { Storage } from "./storage/storage";
export { TraefikIngress } from "./traefik-ingress";
export { WorkerPool } from "./worker-pool";

// Pulumi notes for each of its promises where it was made, and ts-node translates every line of that to TypeScript: half of the time of a
// preview of two hundred machines. The first line is where an error is; those who search for lost promises get all of them.
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS) {
  Error.stackTraceLimit = 1;
}
