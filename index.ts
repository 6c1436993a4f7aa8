import {
  Authority,
  ClusterDns,
  ConsulKv,
  Demo,
  EsxiCluster,
  HaproxyFrontend,
  K8sControlPlane,
  addressesByName,
  knownHosts,
  Storage,
  TraefikIngress,
  WorkerPool,
} from "./components";
import { loadConfig } from "./config";
import { backends, schedulable } from "./config/nodes";
import { frontendFiles } from "./render/sources";
import { hostsBySource } from "./routes/problems";
import { declaredRoutes, ownHosts } from "./routes/declared";

const config = loadConfig();
const routes = declaredRoutes(config);

// The two ESXi hosts, below one vCenter; clones every machine that follows.
const esxi = new EsxiCluster("esxi", config);

// One address in front of everything: 6443 to the masters, 80 and 443 to Traefik on the workers.
const frontend = new HaproxyFrontend("frontend", {
  esxi,
  config: config.frontend,
  subnet: config.network.subnet,
  files: frontendFiles(config),
  masters: backends(config.controlPlane),
  workers: backends(...schedulable(config.workers)),
  proxyProtocol: config.ingress.enabled,
});

// The masters with stacked etcd, and the pod network.
const controlPlane = new K8sControlPlane("control-plane", { esxi, frontend, config });

// What is declared inside the cluster.
const { api } = controlPlane;

// The workers, pool by pool.
const pools = Object.entries(config.workers).map(
  ([name, pool]) => new WorkerPool(name, { esxi, controlPlane, config: pool }),
);
const workerMachines = pools.flatMap(({ machines }) => machines);
const workersReady = pools.flatMap(({ ready }) => ready);

// Names inside the cluster, resolved on every node.
new ClusterDns("cluster-dns", {
  api,
  nodes: backends(config.controlPlane, ...schedulable(config.workers)).length,
});

// The default StorageClass.
const storage = new Storage("storage", { api, config: config.storage, dependsOn: workersReady });

// Issues the certificates of Consul and Traefik.
const authority = new Authority("authority");

// The store in which people edit routes.
const consul = config.consul.enabled
  ? new ConsulKv("consul", {
      controlPlane,
      authority,
      config: config.consul,
      entries: routes.kv,
      foreignStorage: config.storage.type === "none",
      dependsOn: [...workersReady, ...storage.ready],
    })
  : undefined;

// The ingress controller: routes from Kubernetes, from files and from Consul.
const ingress = config.ingress.enabled
  ? new TraefikIngress("ingress", {
      api,
      authority,
      consul,
      config: config.ingress,
      dynamic: routes.dynamic,
      certificateKey: config.ingressCertificateKey,
      nodePorts: config.frontend.ingressNodePorts,
      trusted: [...frontend.machines, ...controlPlane.machines, ...workerMachines],
      dependsOn: workersReady,
    })
  : undefined;

// One application behind three host names, one of each source.
if (config.demo && ingress) {
  new Demo("demo", { api, config, dependsOn: workersReady });
}

export const apiUrl = controlPlane.apiUrl;
export const frontendAddress = frontend.endpoint;
export const ingressHosts = hostsBySource(config);
export const demoHosts = config.demo ? ownHosts(config).demo : {};
export const kubeconfig = controlPlane.kubeconfig;
export const certificateAuthority = authority.certificate;
export const consulUrl = ingress?.consulUrl;
export const consulToken = consul?.editorToken;
export const consulBootstrapToken = consul?.bootstrapToken;
export const dashboardUrl = ingress?.dashboardUrl;
export const dashboardUser = ingress?.dashboardUser;
export const dashboardPassword = ingress?.dashboardPassword;
export const statsUrl = frontend.statsUrl;
export const statsUser = frontend.statsUser;
export const statsPassword = frontend.statsPassword;
export const masters = addressesByName(controlPlane.machines);
export const workers = addressesByName(workerMachines);
export const sshUser = esxi.user;
export const sshPrivateKey = esxi.adminKey.privateKey;
export const sshKnownHosts = knownHosts([...frontend.machines, ...controlPlane.machines, ...workerMachines]);
