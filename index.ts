import {
  Authority,
  CloudProvider,
  ClusterDns,
  ConsulKv,
  Demo,
  EsxiCluster,
  HaproxyFrontend,
  K8sControlPlane,
  addressesByName,
  endWithPulumi,
  knownHosts,
  loadPast,
  MetricsServer,
  Snapshots,
  Storage,
  TraefikIngress,
  WorkerPool,
} from "./components";
import { loadConfig } from "./config";
import { backends, schedulable } from "./config/nodes";
import { hasType } from "./config/storage";
import { frontendFiles } from "./render/sources";
import { hostsBySource } from "./routes/problems";
import { declaredRoutes, ownHosts } from "./routes/declared";

export = async () => {
  endWithPulumi();
  const past = await loadPast();
  const config = loadConfig(past);
  const routes = declaredRoutes(config);

  // The two ESXi hosts, below one vCenter; clones every machine that follows.
  const esxi = new EsxiCluster("esxi", config, past);

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
  const controlPlane = new K8sControlPlane("control-plane", { esxi, frontend, config, past });

  // Copies of what a lost cluster is made anew from.
  const snapshots = new Snapshots("snapshots", { esxi, frontend, controlPlane, config });

  // What is declared inside the cluster.
  const { api } = controlPlane;

  // The workers, pool by pool.
  const pools = Object.entries(config.workers).map(
    ([name, pool]) => new WorkerPool(name, { controlPlane, config: pool }),
  );
  const workerMachines = pools.flatMap(({ machines }) => machines);

  // Which virtual machine a node is, where disks of vSphere's are attached to it. Until it is known, nodes take no pods.
  const cloud = hasType("vsphere", config.storage.classes)
    ? new CloudProvider("cloud-provider", { api, config })
    : undefined;
  const workersReady = [...pools.flatMap(({ ready }) => ready), ...(cloud?.ready ?? [])];

  // Names inside the cluster, resolved on every node.
  new ClusterDns("cluster-dns", {
    api,
    nodes: backends(config.controlPlane, ...schedulable(config.workers)).length,
    kubernetes: config.kubernetes.version,
    dependsOn: [controlPlane.upgraded],
  });

  // The StorageClasses, and what makes their volumes.
  const storage = new Storage("storage", {
    api,
    anyMaster: controlPlane.anyMaster,
    config,
    worker: workerMachines[0],
    dependsOn: workersReady,
  });

  // Issues the certificates of what follows.
  const authority = new Authority("authority", { past, ...config.certificates });

  // What nodes and pods use, for kubectl top and autoscalers.
  if (config.metrics.enabled) {
    new MetricsServer("metrics", { api, authority, dependsOn: [...workersReady, ...controlPlane.approvers] });
  }

  // The store in which people edit routes.
  const consul = config.consul.enabled
    ? new ConsulKv("consul", {
        controlPlane,
        authority,
        past,
        config: config.consul,
        entries: routes.kv,
        foreignStorage: Object.keys(config.storage.classes).length === 0,
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

  return {
    apiUrl: controlPlane.apiUrl,
    frontendAddress: frontend.endpoint,
    ingressHosts: hostsBySource(config),
    demoHosts: config.demo ? ownHosts(config).demo : {},
    kubeconfig: controlPlane.kubeconfig,
    certificateAuthority: authority.certificate,
    certificatesEnd: { ...controlPlane.certificatesEnd, ...authority.ends },
    ...(consul && { consulToken: consul.editorToken, consulBootstrapToken: consul.bootstrapToken }),
    ...(consul && ingress && { consulUrl: ingress.consulUrl }),
    ...(ingress && {
      dashboardUrl: ingress.dashboardUrl,
      dashboardUser: ingress.dashboardUser,
      dashboardPassword: ingress.dashboardPassword,
    }),
    statsUrl: frontend.statsUrl,
    statsUser: frontend.statsUser,
    statsPassword: frontend.statsPassword,
    snapshots: snapshots.newest,
    snapshotKey: snapshots.key,
    snapshotPublicKey: snapshots.publicKey,
    masters: addressesByName(controlPlane.machines),
    workers: addressesByName(workerMachines),
    sshUser: esxi.user,
    sshPrivateKey: esxi.adminKey.privateKey,
    sshKnownHosts: knownHosts([
      controlPlane.masters,
      ...frontend.machines,
      ...controlPlane.machines,
      ...workerMachines,
    ]),
  };
};
