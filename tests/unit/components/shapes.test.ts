import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { validConfig, vary } from "../../support/configs";
import { randomBytes, readStep, recordOnce, type Recording } from "../../support/recorder";

/** The documents of a kubeadm configuration, by kind. */
function kubeadm(recording: Recording, step: string): Record<string, Record<string, unknown>> {
  const text = readStep(recording.command(step)).texts.CONFIG ?? "";
  const documents = parseAllDocuments(text).map((document) => document.toJS() as { kind: string });
  return Object.fromEntries(documents.map((document) => [document.kind, document as Record<string, unknown>]));
}

const servers = (config: unknown) =>
  [...String(config).matchAll(/^ {4}server (\S+) (\S+)/gm)].map(([, a, b]) => `${a} ${b}`);

describe("one HAProxy", () => {
  const recorded = recordOnce(validConfig(), { stack: "one" });

  test("is the endpoint of the cluster", () => {
    expect(recorded().exports.apiUrl?.value).toBe("https://10.20.0.10:6443");
    expect(kubeadm(recorded(), "control-plane-founded").ClusterConfiguration).toMatchObject({
      clusterName: "one",
      kubernetesVersion: "v1.37.2",
      controlPlaneEndpoint: "10.20.0.10:6443",
      apiServer: { certSANs: ["10.20.0.10"] },
      networking: { podSubnet: "10.244.0.0/16", serviceSubnet: "10.96.0.0/12" },
    });
  });

  test("lists every master and every worker from the first day", () => {
    expect(servers(readStep(recorded().command("haproxy-1-haproxy")).texts.CONFIG)).toEqual([
      "master-1 10.20.0.21:6443",
      "master-2 10.20.0.22:6443",
      "master-3 10.20.0.23:6443",
      "master-1 10.20.0.21:22",
      "master-2 10.20.0.22:22",
      "master-3 10.20.0.23:22",
      "worker-1 10.20.0.31:30080",
      "worker-2 10.20.0.32:30080",
      "worker-1 10.20.0.31:30443",
      "worker-2 10.20.0.32:30443",
    ]);
  });

  test("needs no VRRP", () => {
    expect(recorded().resources.filter(({ name }) => name.endsWith("-keepalived"))).toEqual([]);
  });

  test("what joins asks any master that serves, whose host key it knows, and no change of the masters is one of it", () => {
    const hostKey = String(recorded().get("Machine", "master-2").outputs?.hostKey);
    for (const node of ["master-1", "master-2", "worker-1"]) {
      const { parameters, texts } = readStep(recorded().command(`${node}-join`));
      expect(parameters.MASTERS).toBe("ssh://k8s@10.20.0.10:6022");
      expect(texts.KNOWN_HOSTS).toBe(`[10.20.0.10]:6022 ${hostKey}`);
    }
  });

  test("only masters join as masters", () => {
    for (const [step, address] of [
      ["master-2-join", "10.20.0.22"],
      ["master-3-join", "10.20.0.23"],
    ] as const) {
      expect(kubeadm(recorded(), step).JoinConfiguration).toMatchObject({
        controlPlane: { localAPIEndpoint: { advertiseAddress: address } },
      });
    }
    expect(kubeadm(recorded(), "worker-1-join").JoinConfiguration).not.toHaveProperty("controlPlane");
  });

  test("joins hold placeholders where their credentials will be", () => {
    expect(kubeadm(recorded(), "worker-1-join").JoinConfiguration).toMatchObject({
      discovery: {
        bootstrapToken: { apiServerEndpoint: "10.20.0.10:6443", token: "@TOKEN@", caCertHashes: ["@CA_HASH@"] },
      },
    });
  });

  test("the API's provider keeps its identity when the kubeconfig changes", () => {
    const identity = randomBytes("control-plane-identity").toString("hex").slice(0, 16);
    const { clusterIdentifier } = recorded().get("pulumi:providers:kubernetes", "control-plane-api").inputs;
    expect(clusterIdentifier).toBe(identity);
  });

  test("the pod network is told what kubeadm was told", () => {
    const { data } = recorded().get("ConfigMap", "control-plane-flannel-settings").inputs as {
      data: Record<string, string>;
    };
    expect(JSON.parse(data["net-conf.json"] ?? "")).toEqual({ Network: "10.244.0.0/16", Backend: { Type: "vxlan" } });
  });

  test("what lives inside the cluster is gone with it, without asking an API that may be gone too", () => {
    const cluster = recorded().get("RandomId", "control-plane-identity");
    const inside = recorded().resources.filter(({ type }) => type.startsWith("kubernetes:"));
    expect(inside.length).toBeGreaterThan(4);
    for (const resource of inside) {
      expect(resource.deletedWith, resource.name).toBe(cluster.urn);
    }
  });

  test("nothing is installed, pulled or written where the template holds all", () => {
    for (const node of ["master-1", "master-2", "master-3", "worker-1", "worker-2"]) {
      const { parameters, texts } = readStep(recorded().command(`${node}-prepare`));
      expect(parameters).toEqual({ VERSION: "1.37.2", IGNORE: "", PACKAGES: "", PULL: "none", IMAGES: "" });
      expect(texts.FILES).toBe("");
    }
    expect(readStep(recorded().command("haproxy-1-haproxy")).texts.FILES).toBe("");
  });
});

describe("packages and images from mirrors", () => {
  const recorded = recordOnce(
    vary(validConfig(), {
      kubernetes: { install: "packages", kubelet: { cgroupDriver: "cgroupfs" } },
      packages: { distribution: { url: "https://mirror.example.org/ubuntu" } },
      registryMirrors: { "registry.k8s.io": { url: "https://mirror.example.org" } },
    }),
  );
  const prepared = (node: string) => readStep(recorded().command(`${node}-prepare`));

  test("every node installs the same, from sources that it is told", () => {
    for (const node of ["master-1", "master-3", "worker-2"]) {
      const { parameters, texts } = prepared(node);
      expect(parameters.PACKAGES).toBe(
        "kubeadm=1.37.2-* kubelet=1.37.2-* kubectl=1.37.2-* cri-tools kubernetes-cni containerd.io=2.* conntrack socat",
      );
      expect(texts.FILES).toContain("SystemdCgroup = false");
      expect(texts.FILES?.match(/^=> .*$/gm)).toEqual([
        "=> /etc/apt/sources.list.d/esxi-k8s-containerd.sources",
        "=> /etc/apt/sources.list.d/esxi-k8s-distribution.sources",
        "=> /etc/apt/sources.list.d/esxi-k8s-kubernetes.sources",
        "=> /etc/containerd/certs.d/registry.k8s.io/hosts.toml",
        "=> /etc/containerd/config.toml",
        "=> /etc/crictl.yaml",
        "=> /etc/esxi-k8s/keys",
      ]);
    }
  });

  test("HAProxy machines get what they need alone", () => {
    expect(readStep(recorded().command("haproxy-1-haproxy")).texts.FILES?.match(/^=> .*$/gm)).toEqual([
      "=> /etc/apt/sources.list.d/esxi-k8s-distribution.sources",
    ]);
  });

  test("nodes pull what they run, and one worker what any of them may run", () => {
    const pulled = (node: string) => {
      const { PULL, IMAGES = "" } = prepared(node).parameters;
      return { PULL, consul: IMAGES.includes("hashicorp/consul:"), flannel: IMAGES.includes("flannel-io/flannel:") };
    };
    expect(pulled("master-2")).toEqual({ PULL: "master", consul: false, flannel: true });
    expect(pulled("worker-1")).toEqual({ PULL: "worker", consul: true, flannel: true });
    expect(pulled("worker-2")).toEqual({ PULL: "worker", consul: false, flannel: true });
  });
});

describe("two HAProxy that share an address", () => {
  const recorded = recordOnce(
    vary(validConfig(), {
      frontend: {
        virtualAddress: "10.20.0.5",
        virtualRouterId: 77,
        nodes: { "haproxy-2": { host: "esxi-2", address: "10.20.0.11" } },
      },
      kubernetes: { apiServerCertSANs: ["api.example.org"] },
    }),
  );

  // No machine's own address: machines come and go, and a certificate stays.
  test("the shared address is the endpoint, and the API's certificate covers it", () => {
    expect(recorded().exports.frontendAddress?.value).toBe("10.20.0.5");
    expect(kubeadm(recorded(), "control-plane-founded").ClusterConfiguration).toMatchObject({
      controlPlaneEndpoint: "10.20.0.5:6443",
      apiServer: { certSANs: ["10.20.0.5", "api.example.org"] },
    });
  });

  test("init waits until both serve and have the address", () => {
    expect(recorded().directSteps(recorded().command("control-plane-founded"))).toEqual(
      expect.arrayContaining([
        "haproxy-1-haproxy",
        "haproxy-1-keepalived",
        "haproxy-2-haproxy",
        "haproxy-2-keepalived",
      ]),
    );
  });

  test("each knows the other as its peer, and one comes first", () => {
    const text = (name: string) => String(readStep(recorded().command(`${name}-keepalived`)).texts.CONFIG);
    expect(text("haproxy-1")).toMatch(/unicast_src_ip 10\.20\.0\.10\n {4}unicast_peer \{\n {8}10\.20\.0\.11\n {4}\}/);
    expect(text("haproxy-2")).toMatch(/unicast_src_ip 10\.20\.0\.11\n {4}unicast_peer \{\n {8}10\.20\.0\.10\n {4}\}/);
    const priorities = ["haproxy-1", "haproxy-2"].map((name) => Number(/priority (\d+)/.exec(text(name))?.[1]));
    expect(priorities).toEqual([100, 99]);
    expect(text("haproxy-1")).toContain("virtual_router_id 77\n");
    expect(text("haproxy-1")).toContain("10.20.0.5/24\n");
  });
});

describe("one HAProxy that has a shared address already", () => {
  const recorded = recordOnce(vary(validConfig(), { frontend: { virtualAddress: "10.20.0.5" } }));

  test("keeps the endpoint for a second one", () => {
    expect(kubeadm(recorded(), "control-plane-founded").ClusterConfiguration).toMatchObject({
      controlPlaneEndpoint: "10.20.0.5:6443",
      apiServer: { certSANs: ["10.20.0.5"] },
    });
    expect(String(readStep(recorded().command("haproxy-1-keepalived")).texts.CONFIG)).toMatch(
      /unicast_peer \{\n {8}10\.20\.0\.5\n {4}\}/,
    );
  });
});

describe("several pools", () => {
  const taints = [
    { key: "accelerator", value: "a2", effect: "NoSchedule" },
    { key: "dedicated", effect: "NoExecute" },
  ];
  const recorded = recordOnce(
    vary(validConfig(), {
      workers: {
        gpu: {
          nodes: { "gpu-1": { host: "esxi-2", address: "10.20.0.41" } },
          labels: { accelerator: "a2" },
          taints,
          cpus: 8,
          memoryMiB: 16384,
          diskGiB: 100,
        },
        // A taint that only advises keeps no pod away.
        soft: {
          nodes: { "soft-1": { host: "esxi-2", address: "10.20.0.51" } },
          taints: [{ key: "slow", effect: "PreferNoSchedule" }],
          cpus: 2,
          memoryMiB: 4096,
          diskGiB: 40,
        },
      },
      kubernetes: { flannelBackend: "host-gw", ignorePreflightErrors: ["Swap"] },
    }),
  );

  test("each is a component of its own, with its own size", () => {
    const pools = recorded().ofType("WorkerPool");
    expect(pools.map(({ name }) => name)).toEqual(["general", "gpu", "soft"]);
    const gpu = recorded().get("WorkerPool", "gpu");
    expect(recorded().get("Machine", "gpu-1").parent).toBe(gpu.urn);
    expect(recorded().vm("gpu-1").inputs).toMatchObject({ numCpus: 8, memory: 16384, disks: [{ size: 100 }] });
  });

  test("labels name role and pool and add those of the configuration", () => {
    expect(readStep(recorded().command("gpu-1-labels")).texts.LABELS?.split("\n")).toEqual([
      "node-role.kubernetes.io/worker=",
      "esxi-k8s/pool=gpu",
      "accelerator=a2",
    ]);
    expect(readStep(recorded().command("worker-1-labels")).texts.LABELS).not.toContain("accelerator");
  });

  test("taints are there before the first pod and are kept up to date later", () => {
    expect(kubeadm(recorded(), "gpu-1-join").JoinConfiguration).toMatchObject({ nodeRegistration: { taints } });
    expect(readStep(recorded().command("gpu-1-labels")).texts.TAINTS).toBe(
      "accelerator=a2:NoSchedule\ndedicated:NoExecute",
    );
    expect(readStep(recorded().command("worker-1-labels")).texts.TAINTS).toBe("");
  });

  test("a label is set by a master, not by the node itself", () => {
    expect(recorded().command("gpu-1-labels").inputs.connection).toMatchObject({ host: "10.20.0.10", port: 6022 });
  });

  test("HAProxy passes 80 and 443 to the pools whose nodes Traefik's pods may be on", () => {
    const text = String(readStep(recorded().command("haproxy-1-haproxy")).texts.CONFIG);
    expect(servers(text).filter((server) => !/:(6443|22)$/.test(server))).toEqual([
      "worker-1 10.20.0.31:30080",
      "worker-2 10.20.0.32:30080",
      "soft-1 10.20.0.51:30080",
      "worker-1 10.20.0.31:30443",
      "worker-2 10.20.0.32:30443",
      "soft-1 10.20.0.51:30443",
    ]);
  });

  test("pools do not wait for each other", () => {
    const steps = recorded().stepsBefore(recorded().command("gpu-1-join"));
    expect(steps.filter((name) => name.startsWith("worker-"))).toEqual([]);
  });

  test("settings of the cluster reach all that they concern", () => {
    for (const step of ["master-2-join", "worker-1-join", "gpu-1-join"]) {
      expect(kubeadm(recorded(), step).JoinConfiguration).toMatchObject({
        nodeRegistration: { ignorePreflightErrors: ["Swap"] },
      });
    }
    expect(kubeadm(recorded(), "control-plane-founded")).toMatchObject({
      InitConfiguration: { nodeRegistration: { ignorePreflightErrors: ["Swap"] } },
      KubeletConfiguration: { cgroupDriver: "systemd", featureGates: { KubeletInUserNamespace: true } },
    });
    const { data } = recorded().get("ConfigMap", "control-plane-flannel-settings").inputs as {
      data: Record<string, string>;
    };
    expect(parse(data["net-conf.json"] ?? "")).toMatchObject({ Backend: { Type: "host-gw" } });
  });
});

describe("no workers", () => {
  const recorded = recordOnce(
    vary(validConfig(), {
      workers: null,
      storage: { classes: {} },
      metrics: { enabled: false },
      consul: { enabled: false },
      ingress: { enabled: false },
    }),
  );

  test("leave a control plane that stands alone", () => {
    expect(recorded().ofType("WorkerPool")).toEqual([]);
    expect(recorded().exports.workers?.value).toEqual({});
    expect(servers(readStep(recorded().command("haproxy-1-haproxy")).texts.CONFIG)).toHaveLength(6);
  });
});
