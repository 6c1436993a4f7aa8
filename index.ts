import { EsxiCluster, HaproxyFrontend, K8sControlPlane, knownHosts, WorkerPool } from "./components";
import { loadConfig } from "./config";
import { backends } from "./config/nodes";

const config = loadConfig();

// The two ESXi hosts, below one vCenter; clones every machine that follows.
const esxi = new EsxiCluster("esxi", config);

// One address in front of everything: 6443 to the masters, 80 and 443 to the workers.
const frontend = new HaproxyFrontend("frontend", {
  esxi,
  config: config.frontend,
  subnet: config.network.subnet,
  masters: backends(config.controlPlane),
  workers: backends(...Object.values(config.workers)),
});

// The masters with stacked etcd, and the pod network.
const controlPlane = new K8sControlPlane("control-plane", {
  esxi,
  frontend,
  config: config.controlPlane,
  kubernetes: config.kubernetes,
  network: config.network,
});

// The workers, pool by pool.
const pools = Object.entries(config.workers).map(
  ([name, pool]) => new WorkerPool(name, { esxi, controlPlane, config: pool }),
);

const nodes = { masters: controlPlane.machines, workers: pools.flatMap(({ machines }) => machines) };

export const apiUrl = controlPlane.apiUrl;
export const frontendAddress = frontend.endpoint;
export const kubeconfig = controlPlane.kubeconfig;
export const masters = Object.fromEntries(nodes.masters.map(({ machineName, address }) => [machineName, address]));
export const workers = Object.fromEntries(nodes.workers.map(({ machineName, address }) => [machineName, address]));
export const statsUrl = frontend.statsUrl;
export const statsUser = frontend.statsUser;
export const statsPassword = frontend.statsPassword;
export const sshUser = esxi.user;
export const sshPrivateKey = esxi.adminKey.privateKey;
export const sshKnownHosts = knownHosts([...frontend.machines, ...nodes.masters, ...nodes.workers]);
