import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../config/parse";
import {
  decryptedSecret,
  filledIn,
  readYaml,
  stackFile,
  validConfig,
  variant,
  vary,
  type RawConfig,
} from "../support/configs";

const fixtures = join(__dirname, "..", "fixtures");

/** A variation of valid.yaml, and for an invalid one each line that has to be said about it. */
interface Fixture {
  change?: RawConfig;
  encrypted?: string[];
  expect?: string[];
}

function fixturesIn(folder: string): [string, Fixture][] {
  return readdirSync(join(fixtures, folder)).map((file) => [
    basename(file, ".yaml"),
    readYaml(join(fixtures, folder, file)) as Fixture,
  ]);
}

/** Message of the error that parsing throws. */
function complaint(raw: RawConfig, encrypted: Iterable<string>, stack = "test"): string {
  try {
    parseConfig(raw, stack, new Set(encrypted));
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the configuration was accepted");
}

function message(stack: string, lines: string[]): string {
  const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  const head = `the configuration of stack ${stack} has ${count}; edit Pulumi.${stack}.yaml (namespace esxi-k8s), nothing was changed`;
  return [head, ...lines.map((line) => `  ${line}`)].join("\n");
}

describe("an invalid configuration is refused with one line a problem", () => {
  test.each(fixturesIn("invalid"))("%s", (_name, { change = {}, encrypted = ["vcenterPassword"], expect: lines }) => {
    const said = complaint(vary(validConfig(), change), encrypted);
    expect(said).toBe(message("test", lines ?? []));
    expect(said).not.toContain("correct-horse");
  });

  test("a key without a value is a problem of its own", () => {
    expect(complaint({ ...validConfig(), workers: null }, ["vcenterPassword"])).toBe(
      message("test", ["workers: got null, expected record"]),
    );
  });

  test("TLS without a value is none", () => {
    const routers = { db: { rule: "HostSNI(`db.example.org`)", service: "db", tls: null } };
    expect(complaint({ ...validConfig(), ingress: { dynamic: { tcp: { routers } } } }, ["vcenterPassword"])).toContain(
      "ingress.dynamic.tcp.routers.db.tls: got nothing, expected TLS",
    );
  });

  test("an entry that Consul has no room for is a problem, and so are keys that it cannot list", () => {
    const key = "notes/big";
    const big = { [key]: "x".repeat(400 * 1024) };
    expect(complaint(vary(validConfig(), { consul: { kv: big } }), ["vcenterPassword"])).toContain(
      `consul.kv.${key}: got a value of 409600 bytes, expected at most 393177, which is what Consul takes in one transaction`,
    );
    const many = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`${"k".repeat(90)}/${index}`, ""]));
    expect(complaint(vary(validConfig(), { consul: { kv: many } }), ["vcenterPassword"])).toContain(
      "consul.kv: got keys of 286890 bytes, expected at most 262144, because a list of them is one of Consul's values",
    );
  });

  test("an empty file names every required key", () => {
    expect(complaint({}, [])).toBe(
      message("test", [
        "vcenter: got nothing, expected object",
        "vcenterPassword: got nothing, expected a secret, set with: pulumi config set --secret vcenterPassword",
        "hosts: got nothing, expected record",
        "template: got nothing, expected object",
        "network: got nothing, expected object",
        "frontend: got nothing, expected object",
        "controlPlane: got nothing, expected object",
      ]),
    );
  });
});

describe("a valid configuration is accepted", () => {
  test.each(fixturesIn("valid"))("%s", (_name, { change = {} }) => {
    const raw = vary(validConfig(), change);
    expect(variant(change)).toMatchObject(raw);
  });

  test("what is left out has the documented default", () => {
    const config = variant({
      vcenter: { allowUnverifiedSsl: null },
      kubernetes: null,
    });
    expect(config.vcenter.allowUnverifiedSsl).toBe(false);
    expect(config.template.user).toBe("k8s");
    expect(config.network).toMatchObject({ podCidr: "10.244.0.0/16", serviceCidr: "10.96.0.0/12" });
    expect(config.frontend).toMatchObject({ virtualRouterId: 51, ingressNodePorts: { http: 30080, https: 30443 } });
    expect(config.controlPlane).toMatchObject({ allowNonHa: false, protect: true });
    expect(config.workers.general).toMatchObject({ labels: {}, taints: [] });
    expect(config.kubernetes).toEqual({
      version: "1.37.2",
      install: "packages",
      flannelBackend: "vxlan",
      drain: { timeout: "10m", force: false },
      apiServerCertSANs: [],
      ignorePreflightErrors: [],
      kubelet: {},
      kubeProxy: {},
    });
    expect(config.packages).toEqual({
      kubernetes: {
        url: "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/",
        suites: ["/"],
        components: [],
        signingKey: "DE15B14486CD377B9E876E1A234654DA9A296436",
      },
      containerd: {
        url: "https://download.docker.com/linux/ubuntu",
        suites: ["{codename}"],
        components: ["stable"],
        signingKey: "9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
      },
    });
    expect(config.registryMirrors).toEqual({});
    expect(config.proxy).toEqual({ noProxy: [] });
    expect(config.storage).toEqual({
      classes: {
        "local-path": {
          type: "local-path",
          default: true,
          reclaimPolicy: "Delete",
          path: "/var/lib/local-path-provisioner",
        },
      },
      drivers: { nfs: { values: {} }, smb: { values: {} } },
    });
    expect(config.consul).toEqual({ enabled: true, replicas: 3, storageSize: "1Gi", kv: {}, values: {} });
    expect(config.ingress).toEqual({
      enabled: true,
      domain: "k8s.internal",
      redirectToHttps: false,
      retryAttempts: 4,
      dynamic: {},
      values: {},
    });
    expect(config.demo).toBe(false);
  });

  test("two thousand long keys, or a value of 383 KiB, are no problem of Consul's", () => {
    const kv = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`app/${"k".repeat(60)}/${String(index).padStart(4, "0")}`, "1"]),
    );
    expect(variant({ consul: { kv: { ...kv, big: "x".repeat(383 * 1024) } } }).consul.kv).toMatchObject(kv);
  });

  // Traefik drops every route of a file that has an empty section.
  test("one section of Traefik's dynamic configuration brings no other into being", () => {
    const dynamic = { http: { middlewares: { compress: { compress: {} } } } };
    expect(variant({ ingress: { dynamic } }).ingress.dynamic).toEqual(dynamic);
  });
});

describe("the stacks of the repository", () => {
  test("the simulated lab's is complete", () => {
    const { raw, encrypted } = stackFile("sim");
    expect(parseConfig(raw, "sim", encrypted)).toMatchObject({ ...raw, vcenterPassword: decryptedSecret });
    expect([...encrypted]).toEqual(["vcenterPassword"]);
  });

  const placeholders = [
    "vcenter.server: got a placeholder, expected host name or address of vCenter",
    "vcenter.user: got a placeholder, expected a vCenter account such as k8s@vsphere.local",
    "vcenter.datacenter: got a placeholder, expected name of the datacenter in vCenter",
    "hosts.esxi-1.name: got a placeholder, expected name of the first ESXi host as vCenter shows it",
    "hosts.esxi-1.datastore: got a placeholder, expected a datastore of the first host",
    "hosts.esxi-2.name: got a placeholder, expected name of the second ESXi host as vCenter shows it",
    "hosts.esxi-2.datastore: got a placeholder, expected a datastore of the second host",
  ];
  const thirdHost = [
    "hosts.esxi-3.name: got a placeholder, expected name of the third ESXi host as vCenter shows it",
    "hosts.esxi-3.datastore: got a placeholder, expected a datastore of the third host",
  ];
  test.each([
    ["lab", placeholders, "k8s.home.arpa"],
    ["prod", [...placeholders, ...thirdHost], "k8s.example.org"],
  ])("that of %s lacks exactly what only its owner knows", (stack, first, domain) => {
    const { raw, encrypted } = stackFile(stack);
    expect(complaint(raw, encrypted, stack)).toBe(
      message(stack, [
        ...first,
        "template.name: got a placeholder, expected name of an Ubuntu Server LTS template with cloud-init",
        "network.portGroup: got a placeholder, expected port group of the VLAN",
        `ingress.domain: got a placeholder, expected a domain whose names lead to the frontend, such as ${domain}`,
        "vcenterPassword: got nothing, expected a secret, set with: pulumi config set --secret vcenterPassword",
      ]),
    );
  });

  test.each(["lab", "prod"])("that of %s is complete once that is filled in", (stack) => {
    const filled = filledIn(stack);
    expect(parseConfig(filled, stack, new Set(["vcenterPassword"]))).toMatchObject(filled);
  });

  test("that of prod survives the loss of any of its hosts", () => {
    const { hosts, controlPlane, frontend, workers } = parseConfig(
      filledIn("prod"),
      "prod",
      new Set(["vcenterPassword"]),
    );
    const without = (lost: string, nodes: Record<string, { host: string }>) =>
      Object.values(nodes).filter(({ host }) => host !== lost).length;
    expect(Object.keys(hosts)).toHaveLength(3);
    for (const lost of Object.keys(hosts)) {
      expect(without(lost, controlPlane.nodes)).toBeGreaterThanOrEqual(3);
      expect(without(lost, frontend.nodes)).toBeGreaterThanOrEqual(1);
      expect(without(lost, workers.general?.nodes ?? {})).toBeGreaterThanOrEqual(2);
    }
  });
});
