export { EsxiCluster } from "./esxi-cluster";
export { HaproxyFrontend } from "./haproxy-frontend";
export { K8sControlPlane } from "./k8s-control-plane";
export { knownHosts } from "./machine";
export { WorkerPool } from "./worker-pool";
