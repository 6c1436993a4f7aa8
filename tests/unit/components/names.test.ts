import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { stackFile } from "../../support/configs";
import { certificatesEnd, consulTokenOf, issuedCertificate, randomText, recordOnce } from "../../support/recorder";
import { tokens } from "../../support/vsphere";

const sim = stackFile("sim").raw;
const recorded = recordOnce(sim, { stack: "sim" });
const previewed = recordOnce(sim, { stack: "sim", preview: true });

test("names, types and parents are what existing stacks were built with", async () => {
  // A changed line replaces that resource in every existing stack, unless an alias keeps its old name.
  await expect(recorded().tree()).toMatchFileSnapshot("../__snapshots__/resources-of-sim.txt");
});

test("a preview before anything exists shows the same resources", () => {
  expect(previewed().tree()).toBe(recorded().tree());
});

test("a preview before anything exists knows all but what is yet to be made", () => {
  const known = Object.entries(previewed().exports)
    .filter(([, exported]) => exported.known)
    .map(([name]) => name);
  expect(known.sort()).toEqual(
    [
      ...["apiUrl", "consulUrl", "dashboardUrl", "dashboardUser", "demoHosts", "frontendAddress", "ingressHosts"],
      ...["masters", "sshUser", "statsUrl", "statsUser", "workers"],
    ].sort(),
  );
});

test("the stack's outputs", async () => {
  const { kubeconfig, sshKnownHosts, sshPrivateKey, statsPassword, ...others } = recorded().exports;
  const {
    certificateAuthority,
    certificatesEnd: ends,
    consulToken,
    consulBootstrapToken,
    dashboardPassword,
    snapshotKey,
    snapshotPublicKey,
    ...plain
  } = others;
  expect(Object.fromEntries(Object.entries(plain).map(([name, { value }]) => [name, value]))).toEqual({
    apiUrl: "https://10.20.0.10:6443",
    frontendAddress: "10.20.0.10",
    masters: { "master-1": "10.20.0.21", "master-2": "10.20.0.22", "master-3": "10.20.0.23" },
    workers: { "worker-1": "10.20.0.31", "worker-2": "10.20.0.32" },
    statsUrl: "http://10.20.0.10:8404/stats",
    statsUser: "admin",
    sshUser: "k8s",
    snapshots: {},
    consulUrl: "https://consul.lab.localhost/ui/",
    dashboardUrl: "https://traefik.lab.localhost/dashboard/",
    dashboardUser: "admin",
    demoHosts: {
      kubernetes: "demo-kubernetes.lab.localhost",
      file: "demo-file.lab.localhost",
      consul: "demo-consul.lab.localhost",
    },
    ingressHosts: {
      kubernetes: ["traefik.lab.localhost", "consul.lab.localhost", "demo-kubernetes.lab.localhost"],
      file: ["demo-file.lab.localhost"],
      consul: ["demo-consul.lab.localhost"],
    },
  });
  expect(String(kubeconfig?.value)).toContain("kind: Config");
  expect(String(sshPrivateKey?.value)).toContain("BEGIN OPENSSH PRIVATE KEY");
  expect(statsPassword?.value).toBe(randomText("frontend-stats-password"));
  expect(dashboardPassword?.value).toBe(randomText("ingress-dashboard-password"));
  expect(consulToken?.value).toBe(consulTokenOf("consul-editor-token"));
  expect(consulBootstrapToken?.value).toBe(consulTokenOf("consul-bootstrap-token"));
  const own = ["authority", "consul", "ingress", "metrics"].map((name) => `${name}-certificate`);
  const validTo = own.map(async (name) => new X509Certificate((await issuedCertificate(name)).certificate).validTo);
  const expected = (await Promise.all(validTo)).map((end, index) => [own[index], new Date(end).toISOString()]);
  expect(ends?.value).toEqual({
    ...Object.fromEntries(expected),
    ...Object.fromEntries(
      recorded()
        .masters()
        .map((name) => [name, certificatesEnd]),
    ),
  });
  expect(certificateAuthority?.value).toBe((await issuedCertificate("authority-certificate")).certificate);
  expect(snapshotKey?.value).toBe((await issuedCertificate("snapshots-key")).key);
  expect(String(snapshotPublicKey?.value)).toMatch(/^ssh-ed25519 AAAA/);
  const machines = recorded().ofType("Machine");
  const lines = machines.map(({ outputs }) => `${String(outputs?.address)} ${String(outputs?.hostKey)}`);
  const cluster = `[10.20.0.10]:6022 ${String(recorded().get("Machine", "master-1").outputs?.hostKey)}`;
  expect(String(sshKnownHosts?.value).split("\n").sort()).toEqual([cluster, ...lines].sort());
});

test("every component is of this project's types and registers its outputs", () => {
  const components = recorded().resources.filter(({ type }) => type.startsWith("esxi-k8s:"));
  expect([...new Set(components.map(({ type }) => type))].sort()).toEqual(
    [
      ...["Authority", "ClusterDns", "ConsulKv", "Demo", "EsxiCluster", "Flannel", "HaproxyFrontend"],
      ...[
        "K8sControlPlane",
        "LocalPathStorage",
        "Machine",
        "MetricsServer",
        "ServingCertificates",
        "Snapshots",
        "Storage",
        "TraefikIngress",
        "WorkerPool",
      ],
    ].map((name) => `esxi-k8s:index:${name}`),
  );
  // Without it Pulumi shows a component as unfinished for ever.
  expect(components.filter(({ outputs }) => outputs === undefined).map(({ name }) => name)).toEqual([]);
});

test("components register what others may want to read", () => {
  expect(recorded().get("EsxiCluster", "esxi").outputs).toMatchObject({ user: "k8s" });
  expect(recorded().get("HaproxyFrontend", "frontend").outputs).toMatchObject({ endpoint: "10.20.0.10" });
  expect(recorded().get("K8sControlPlane", "control-plane").outputs).toMatchObject({
    apiUrl: "https://10.20.0.10:6443",
  });
  expect(recorded().get("WorkerPool", "general").outputs).toEqual({ nodes: ["worker-1", "worker-2"] });
  expect(recorded().get("Machine", "worker-2").outputs).toMatchObject({
    address: "10.20.0.32",
    identity: "uuid of worker-2",
  });
  const { certificate } = recorded().get("Authority", "authority").outputs ?? {};
  expect(certificate).toBe(recorded().exports.certificateAuthority?.value);
  expect(recorded().get("TraefikIngress", "ingress").outputs).toEqual({
    dashboardUrl: "https://traefik.lab.localhost/dashboard/",
    consulUrl: "https://consul.lab.localhost/ui/",
  });
  expect(recorded().get("Demo", "demo").outputs).toEqual({ host: "demo-kubernetes.lab.localhost" });
});

test("only components have no parent", () => {
  const orphans = recorded().resources.filter(({ parent }) => parent === "");
  expect(orphans.map(({ name }) => name)).toEqual([
    "esxi",
    "frontend",
    "control-plane",
    "snapshots",
    "general",
    "cluster-dns",
    "storage",
    "authority",
    "metrics",
    "consul",
    "ingress",
    "demo",
  ]);
});

test("the stand-in for the vSphere SDK offers nothing that the program does not use", () => {
  const used = [...recorded().resources.map(({ type }) => type), ...recorded().calls.map(({ token }) => token)];
  expect(Object.values(tokens).filter((token) => !used.includes(token))).toEqual([]);
});
