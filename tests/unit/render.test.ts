import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { approverUnit } from "../../render/approver";
import { metadata, userdata } from "../../render/cloud-init";
import { haproxyConfig, type HaproxySettings } from "../../render/haproxy";
import { keepalivedConfig, keepalivedUnit } from "../../render/keepalived";
import { initConfig, joinConfig, placeholders, type ClusterSettings } from "../../render/kubeadm";
import { merge, mergeValues } from "../../render/merge";
import { sshKeyPair } from "../../render/ssh-key";

const haproxy: HaproxySettings = {
  masters: [
    { name: "master-1", address: "192.0.2.21" },
    { name: "master-2", address: "192.0.2.22" },
    { name: "master-3", address: "192.0.2.23" },
  ],
  workers: [
    { name: "worker-1", address: "192.0.2.31" },
    { name: "worker-2", address: "192.0.2.32" },
  ],
  ingressNodePorts: { http: 30080, https: 30443 },
  proxyProtocol: true,
  stats: { port: 8404, user: "admin" },
  health: { alive: "/health", connected: "/health/servers" },
};

const keepalived = {
  address: "192.0.2.10",
  peers: ["192.0.2.11", "192.0.2.12"],
  virtualAddress: "192.0.2.5",
  prefix: 24,
  virtualRouterId: 51,
  priority: 100,
  health: { alive: "http://127.0.0.1:8404/health", connected: "http://127.0.0.1:8404/health/servers" },
};

const cluster: ClusterSettings = {
  name: "prod",
  version: "1.37.2",
  endpoint: "192.0.2.5",
  certSANs: ["192.0.2.5", "api.example.org"],
  podCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/12",
  kubelet: { cgroupDriver: "cgroupfs", featureGates: { KubeletInUserNamespace: true } },
  kubeProxy: { conntrack: { maxPerCore: 0, min: 0 } },
};
const master = { name: "master-1", address: "192.0.2.21", ignorePreflightErrors: ["SystemVerification"] };
const worker = { name: "worker-1", address: "192.0.2.31", ignorePreflightErrors: [] };

const network = { subnet: "192.0.2.0/24", gateway: "192.0.2.1", dns: ["192.0.2.1", "192.0.2.2"] };
const access = {
  user: "k8s",
  authorizedKey: "ssh-ed25519 public-key-of-the-administrator",
  // No real key: a private one in a repository alarms whoever searches for leaks.
  hostKey: { privateKey: "the private key,\nin several lines\n", publicKey: "ssh-ed25519 public-key-of-the-host" },
};

describe("rendered files read as before", () => {
  test.each([
    ["haproxy.cfg", () => haproxyConfig(haproxy)],
    ["haproxy-without-workers.cfg", () => haproxyConfig({ ...haproxy, workers: [] })],
    ["haproxy-without-proxy-protocol.cfg", () => haproxyConfig({ ...haproxy, proxyProtocol: false })],
    ["keepalived.conf", () => keepalivedConfig(keepalived)],
    ["keepalived-alone.conf", () => keepalivedConfig({ ...keepalived, peers: [] })],
    // The script's name holds a hash of its text, which changes for other reasons.
    ["keepalived.service", () => keepalivedUnit(keepalived).replace(/(?<=await-virtual-address-)[0-9a-f]{12}/, "HASH")],
    ["approver.service", () => approverUnit("/lib/approver-login", "/lib/approve-serving-certificates")],
    ["kubeadm-init.yaml", () => initConfig(cluster, master)],
    [
      "kubeadm-join-master.yaml",
      () => joinConfig("192.0.2.5", { ...master, name: "master-2", address: "192.0.2.22" }, true),
    ],
    ["kubeadm-join-worker.yaml", () => joinConfig("192.0.2.5", { ...worker, taints: [] }, false)],
    [
      "kubeadm-join-worker-with-taints.yaml",
      () =>
        joinConfig(
          "192.0.2.5",
          {
            ...worker,
            taints: [
              { key: "accelerator", value: "a2", effect: "NoSchedule" },
              { key: "dedicated", effect: "NoExecute" },
            ],
          },
          false,
        ),
    ],
    ["cloud-init-metadata.yaml", () => metadata("master-1", "192.0.2.21", network)],
    ["cloud-init-metadata-without-dns.yaml", () => metadata("master-1", "192.0.2.21", { ...network, dns: [] })],
    ["cloud-init-userdata.yaml", () => userdata(access)],
  ])("%s", async (file, render) => {
    await expect(render()).toMatchFileSnapshot(`./__snapshots__/${file}`);
  });
});

describe("haproxy.cfg", () => {
  const text = haproxyConfig(haproxy);

  test("every backend that a frontend passes to exists", () => {
    const sections = (kind: string) => [...text.matchAll(new RegExp(`^${kind} (\\S+)$`, "gm"))].map(([, name]) => name);
    const wanted = [...text.matchAll(/default_backend (\S+)/g)].map(([, name]) => name);
    expect(wanted).toEqual(["kube-apiserver", "masters", "http", "https"]);
    expect(sections("backend")).toEqual(wanted);
  });

  test("masters are asked over TLS whether they are ready, for their API and for SSH", () => {
    const masters = text.split("\n").filter((line) => line.startsWith("    server master-"));
    expect(masters).toHaveLength(6);
    for (const line of masters) {
      expect(line).toMatch(/:6443 check check-ssl|:22 check check-ssl verify none port 6443$/);
    }
    expect(text).toContain("option httpchk GET /readyz\n");
  });

  test("clients of a master that is down go to another one, those of the only one stay", () => {
    // A master that is not ready for a moment, as when etcd takes in another, must not cut off who works on it by SSH.
    const closing = (masters: HaproxySettings["masters"]) =>
      [
        ...haproxyConfig({ ...haproxy, masters }).matchAll(/^ {4}server (\S+) .* on-marked-down shutdown-sessions$/gm),
      ].map(([, name]) => name);
    expect(closing(haproxy.masters)).toEqual(haproxy.masters.map(({ name }) => name));
    expect(closing(haproxy.masters.slice(0, 1))).toEqual([]);
  });

  test("the ingress controller alone is told of clients, and only when it expects that", () => {
    const told = (proxyProtocol: boolean) =>
      [...haproxyConfig({ ...haproxy, proxyProtocol }).matchAll(/^ {4}server (\S+) \S+:(\d+) .*send-proxy-v2\b/gm)].map(
        ([, name, port]) => `${String(name)} ${String(port)}`,
      );
    expect(told(true)).toEqual(["worker-1 30080", "worker-2 30080", "worker-1 30443", "worker-2 30443"]);
    expect(told(false)).toEqual([]);
  });
});

describe("cloud-init", () => {
  test("user data starts with the line by which cloud-init knows it", () => {
    expect(userdata(access).split("\n")[0]).toBe("#cloud-config");
  });

  test("keys arrive unbroken, however YAML wraps them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const hostKey = sshKeyPair(Buffer.from(bytes));
        const read = parse(userdata({ user: "k8s", authorizedKey: hostKey.publicKey, hostKey })) as {
          users: { ssh_authorized_keys: string[] }[];
          ssh_keys: Record<string, string>;
        };
        expect(read.users[0]?.ssh_authorized_keys).toEqual([hostKey.publicKey]);
        expect(read.ssh_keys).toEqual({ ed25519_private: hostKey.privateKey, ed25519_public: hostKey.publicKey });
      }),
      { numRuns: 30 },
    );
  });

  test("there is no way in but by key", () => {
    expect(parse(userdata(access))).toMatchObject({
      ssh_pwauth: false,
      disable_root: true,
      users: [{ lock_passwd: true }],
      ssh_genkeytypes: [],
    });
  });

  test("a name stays a text, whatever it looks like", () => {
    const name = fc.oneof(
      fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/),
      fc.constantFrom("1e3", "null", "true", "on", "no", "y"),
    );
    fc.assert(
      fc.property(name, (it) => {
        // cloud-init and kubeadm read YAML 1.1, in which more words are truth values.
        expect(parse(metadata(it, "192.0.2.21", network), { version: "1.1" })).toMatchObject({
          "instance-id": it,
          "local-hostname": it,
        });
      }),
    );
  });

  test("the address has the prefix of its subnet", () => {
    const read = parse(metadata("a", "10.4.9.9", { ...network, subnet: "10.4.0.0/20" })) as {
      network: { ethernets: { lan: { addresses: string[] } } };
    };
    expect(read.network.ethernets.lan.addresses).toEqual(["10.4.9.9/20"]);
  });
});

describe("kubeadm", () => {
  const documents = (text: string) => parseAllDocuments(text).map((it) => it.toJS() as Record<string, unknown>);

  test("init has one document of each kind", () => {
    expect(documents(initConfig(cluster, master)).map(({ kind }) => kind)).toEqual([
      "InitConfiguration",
      "ClusterConfiguration",
      "KubeletConfiguration",
      "KubeProxyConfiguration",
    ]);
  });

  test("the endpoint is in the certificate, and nothing is twice", () => {
    const sans = (certSANs: string[]) => documents(initConfig({ ...cluster, certSANs }, master))[1]?.apiServer;
    expect(sans([])).toEqual({ certSANs: ["192.0.2.5"] });
    expect(sans(["a.example", "192.0.2.5", "a.example"])).toEqual({ certSANs: ["192.0.2.5", "a.example"] });
  });

  test("a worker's taints of none differ from leaving the default", () => {
    const registration = (taints?: []) =>
      documents(joinConfig("192.0.2.5", { ...worker, taints }, false))[0]?.nodeRegistration;
    expect(registration([])).toHaveProperty("taints", []);
    expect(registration()).not.toHaveProperty("taints");
  });

  test("a name stays a text, whatever it looks like", () => {
    for (const name of ["on", "no", "y", "1e3", "null"]) {
      const read = parse(joinConfig("192.0.2.5", { ...worker, name }, false), { version: "1.1" }) as unknown;
      expect(read).toMatchObject({ nodeRegistration: { name } });
    }
  });

  test("each placeholder stands exactly where a joining master fills it in", () => {
    const text = joinConfig("192.0.2.5", master, true);
    for (const placeholder of Object.values(placeholders)) {
      expect(text.split(placeholder)).toHaveLength(2);
    }
    expect(joinConfig("192.0.2.5", worker, false)).not.toContain(placeholders.certificateKey);
  });
});

describe("merging", () => {
  const document = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.jsonValue());

  test("over nothing, or with nothing, changes nothing", () => {
    fc.assert(
      fc.property(document, (it) => {
        expect(merge(it, {})).toEqual(it);
        expect(merge({}, it)).toEqual(it);
        expect(merge(it, it)).toEqual(it);
      }),
    );
  });

  test("keeps what is not overridden and leaves both sides alone", () => {
    fc.assert(
      fc.property(document, document, (base, over) => {
        const before = structuredClone([base, over]);
        const merged = merge(base, over);
        expect([base, over]).toEqual(before);
        expect(new Set(Object.keys(merged))).toEqual(new Set([...Object.keys(base), ...Object.keys(over)]));
        for (const key of Object.keys(base).filter((it) => !(it in over))) {
          expect(merged[key]).toEqual(base[key]);
        }
      }),
    );
  });

  test("goes into objects and replaces all else whole", () => {
    expect(merge({ a: { b: 1, c: [1, 2] }, d: 1 }, { a: { c: [3] }, d: { e: 1 } })).toEqual({
      a: { b: 1, c: [3] },
      d: { e: 1 },
    });
  });
});

describe("values of a chart", () => {
  test("keep what the project needs: lists get longer, mappings are merged, single values are replaced", () => {
    const own = {
      additionalArguments: ["--a"],
      env: [{ name: "A" }],
      ports: { web: { nodePort: 1, middlewares: ["m"] } },
      log: "x",
    };
    const users = {
      additionalArguments: ["--b"],
      ports: { web: { middlewares: ["n"] }, mqtt: { port: 2 } },
      log: "y",
      volumes: [1],
    };
    expect(mergeValues(own, users)).toEqual({
      additionalArguments: ["--a", "--b"],
      env: [{ name: "A" }],
      ports: { web: { nodePort: 1, middlewares: ["m", "n"] }, mqtt: { port: 2 } },
      log: "y",
      volumes: [1],
    });
    expect(own.additionalArguments).toEqual(["--a"]);
  });
});
