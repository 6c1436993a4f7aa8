import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { snapshotGroup } from "../../components/storage/volume-snapshots";
import { fittingCharts } from "../../config/versions";
import { describeFrontend } from "./frontend";
import { Depot, depot, earlier, later, type Sources } from "./support/depot";
import { inLab, onMachine, run, temporaryFile } from "./support/lab";
import { exported, nfsServer, stopNfsServer } from "./support/nfs";
import { SmallStack } from "./support/stack";

const stack = new SmallStack("installing");
const machines = {
  frontend: {
    "plain-haproxy-1": { host: "esxi-1", address: "10.20.0.110" },
    "plain-haproxy-2": { host: "esxi-2", address: "10.20.0.111" },
  },
  master: { "plain-master-1": { host: "esxi-1", address: "10.20.0.121" } },
  worker: { "plain-worker-1": { host: "esxi-2", address: "10.20.0.131" } },
};
const virtualAddress = "10.20.0.105";
/** What a variant of the stack has other than it should be. */
interface Variant extends Sources {
  version?: string;
}

/**
 * A small stack whose machines install packages and pull images on their first boot, from the lab's depot, beside the one that
 * cluster.test.ts has brought up from the template that holds everything.
 */
export function describeInstalling(): void {
  const lab = `/run/esxi-k8s/${String(process.env.ESXI_K8S_LAB)}`;
  let known: Depot;

  beforeAll(async () => {
    known = await Depot.read();
    await stack.init();
  });

  /** The stack sim with four plain machines and the depot. */
  function configuration({ version = earlier, ...sources }: Variant) {
    const { packages, registryMirrors } = known.values(sources);
    const merge = (over: object) => (values: Record<string, unknown>) => ({ ...values, ...over });
    return {
      template: merge({ name: "ubuntu-24.04" }),
      frontend: merge({ nodes: machines.frontend, virtualAddress }),
      controlPlane: merge({ nodes: machines.master, allowNonHa: true }),
      workers: ({ general }: Record<string, unknown>) => ({
        general: { ...(general as object), nodes: machines.worker },
      }),
      kubernetes: merge({ install: "packages", version }),
      consul: merge({ enabled: false }),
      packages: () => packages,
      registryMirrors: () => registryMirrors,
      demo: () => false,
    };
  }

  const up = (sources: Variant) => stack.up(configuration(sources));

  /** What a failed run says of the master, from the line behind the command on. */
  async function failure(sources: Variant): Promise<string[]> {
    const { code, stdout } = await up(sources);
    expect(code).not.toBe(0);
    const lines = stdout.split("\n").map((line) => line.trim());
    const start = lines.findIndex((line) => line.startsWith("step prepare-node on plain-master-1 failed"));
    const length = lines.slice(start).findIndex((line) => line === "" || /^(command|pulumi):|^Resources:/.test(line));
    const said = lines.slice(start, start + length);
    expect(said.length).toBeLessThanOrEqual(14);
    return said;
  }

  async function on(name: string, ...command: string[]): Promise<string> {
    const docker = ["--host", `unix://${lab}/docker.sock`];
    const machine = await run("docker", [...docker, "ps", "--quiet", "--filter", `name=vcsim-${name}-`]);
    return run("docker", [...docker, "exec", machine, ...command]);
  }
  const onMaster = (...command: string[]) => on("plain-master-1", ...command);
  const onWorker = (...command: string[]) => on("plain-worker-1", ...command);
  const installed = async () =>
    (await onMaster("dpkg-query", "--show", "--showformat", "${Package}\n"))
      .split("\n")
      .filter((name) => /^(kube|cri-tools|containerd|conntrack|socat)/.test(name));
  const again = "then run pulumi up again";
  const kubectl = (...args: string[]) => inLab("tools/kubectl", stack.name, ...args);

  /** Both nodes are Ready, with this Kubernetes, and take pods. */
  async function expectNodes(version: string): Promise<void> {
    const nodes = await kubectl(
      ...["get", "nodes", "-o"],
      'jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.status.nodeInfo.containerRuntimeVersion} {.status.conditions[?(@.type=="Ready")].status}{.spec.unschedulable}{"\\n"}{end}',
    );
    expect(nodes.split("\n").sort()).toEqual([
      `plain-master-1 v${version} containerd://2.4.2 True`,
      `plain-worker-1 v${version} containerd://2.4.2 True`,
    ]);
  }

  it("says what is wrong with a repository that does not answer, and installs nothing", async () => {
    const said = await failure({ repository: "https://10.20.0.3:81/kubernetes" });
    expect(said.slice(1)).toEqual([
      expect.stringMatching(
        /^the key of the package repository kubernetes could not be fetched from https:\/\/10\.20\.0\.3:81\/kubernetes\/Release\.key: curl: .*port 81/,
      ),
      `nothing was installed on plain-master-1: make the repository answer or correct packages.kubernetes (and proxy, if the way leads through one), ${again}`,
    ]);
    expect(await installed()).toEqual([]);
  });

  it("refuses a key that is not the expected one", async () => {
    const said = await failure({ signingKey: null });
    expect(said.slice(1)).toEqual([
      `the key at ${depot}/core:/stable:/v1.36/deb/Release.key has the fingerprint ${known.fingerprint}, expected DE15B14486CD377B9E876E1A234654DA9A296436`,
      `nothing was installed on plain-master-1: find out whose key that is; if it is right, set packages.kubernetes.signingKey to its fingerprint, ${again}`,
    ]);
    expect(await installed()).toEqual([]);
  });

  it("says which versions there are when the wanted one is not", async () => {
    const said = await failure({ version: "1.36.9" });
    expect(said.slice(-2)).toEqual([
      "no package repository of plain-master-1 has kubeadm 1.36.9, only 1.36.3-1.1",
      `nothing was installed on plain-master-1: set kubernetes.version to one that is there, or mirror the wanted one, ${again}`,
    ]);
    expect(await installed()).toEqual([]);
  });

  it("says which image a mirror does not have", async () => {
    const said = await failure({ images: () => "nowhere" });
    expect(said.slice(-3)).toEqual([
      `plain-master-1 cannot pull registry.k8s.io/kube-apiserver:v1.36.3 from the mirror ${depot}/v2/nowhere`,
      expect.stringContaining("not found"),
      `put it there ('make images' lists what a mirror has to hold), or correct registryMirrors, ${again}`,
    ]);
  });

  it("goes on from there to a cluster that serves", async () => {
    const { code, stdout, stderr } = await up({});
    expect(code, stdout + stderr).toBe(0);
    await expectNodes(earlier);
    for (const what of [
      ["-n", "kube-system", "rollout", "status", "deployment/coredns"],
      ["-n", "traefik", "rollout", "status", "daemonset/traefik"],
    ]) {
      expect(await kubectl(...what, "--timeout=60s")).toContain("successfully rolled out");
    }
    const status = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", `http://${virtualAddress}/`];
    expect(await inLab(...status)).toBe("404");
  });

  it("has what its machines run from the official names alone, and as the official packages have it", async () => {
    const images = await onMaster("crictl", "images", "--output", "json");
    const tags = (JSON.parse(images) as { images: { repoTags: string[] }[] }).images.flatMap(
      ({ repoTags }) => repoTags,
    );
    expect(tags.filter((tag) => !/^(registry\.k8s\.io|ghcr\.io|docker\.io)\//.test(tag))).toEqual([]);
    expect(tags).toContain("registry.k8s.io/etcd:3.6.8-0");
    const asked = await readFile(`${lab}/log/depot`, "utf8");
    for (const image of ["registry.k8s.io/kube-proxy", "ghcr.io/flannel-io/flannel", "docker.io/library/traefik"]) {
      expect(asked).toMatch(new RegExp(`GET /v2/${image}/manifests/sha256:[0-9a-f]{64}\\?ns=`));
    }

    expect(await installed()).toEqual(
      ["conntrack", "containerd.io", "cri-tools", "kubeadm", "kubectl", "kubelet", "kubernetes-cni", "socat"].sort(),
    );
    expect(await onMaster("apt-mark", "showhold")).toBe("kubeadm\nkubectl\nkubelet");
    const configured = await onMaster("containerd", "config", "dump");
    // One from the program, which follows the kubelet's cgroup driver; one from the template, for what a container may not.
    expect(configured).toContain("SystemdCgroup = false");
    expect(configured).toContain("restrict_oom_score_adj = true");
  });

  it("changes nothing the second time", async () => {
    const preview = await stack.pulumi("preview", configuration({}), "--expect-no-changes");
    expect(preview.code, preview.stdout).toBe(0);
    // Writes down who waits for whom from now on, without which nothing can be of some resources alone.
    const again = await up({});
    expect(again.code, again.stdout).toBe(0);
  });

  describe("a class of a share", () => {
    const targets = [
      "**::plain-worker-1-prepare",
      "**::storage-nfs",
      "**::storage-nas-share",
      "**::storage-snapshots**",
    ];
    // Targets are found by the order in the state, which is another one where everything was new.
    beforeAll(async () => {
      const { code, stdout, stderr } = await up({});
      expect(code, stdout + stderr).toBe(0);
    });
    /**
     * What makes volumes has no image in the lab, and an official chart knows its images itself: the machine's part is done, and no more.
     */
    const tryShare = (share?: string) =>
      stack.pulumi(
        "up",
        {
          ...configuration({}),
          ...(share !== undefined && {
            storage: () => ({
              classes: {
                "local-path": { type: "local-path", default: true },
                nas: { type: "nfs", server: nfsServer.address, share },
              },
              drivers: {
                nfs: { chart: { repository: "https://charts.example.org", version: fittingCharts.nfs.example } },
              },
            }),
          }),
        },
        ...["--yes", "--skip-preview", ...targets.flatMap((target) => ["--target", target])],
      );

    it("has a worker install what mounts it, and say that its server does not answer", async () => {
      const { code, stdout } = await tryShare(exported);
      expect(code).not.toBe(0);
      expect(stdout).toContain(`plain-worker-1 does not reach ${nfsServer.address} at port 2049`);
      expect(stdout).toContain(`make it answer there, or correct storage.classes.nas.server, ${again}`);
      expect(await onWorker("sh", "-c", "command -v mount.nfs showmount")).toContain("/sbin/mount.nfs");
    });

    it("says what a server exports when that is another path", async () => {
      await onMachine(nfsServer.machine, nfsServer.start);
      const { code, stdout } = await tryShare("/srv/another");
      expect(code).not.toBe(0);
      expect(stdout).toContain(`${nfsServer.address} does not export /srv/another, but ${exported}`);
    });

    it("finds the share of a server that exports it", async () => {
      const { code, stdout } = await tryShare(exported);
      expect(code, stdout).toBe(0);
      const said = `${nfsServer.address}:${exported} answers; it was not mounted, because the kernel of plain-worker-1 has no nfs4`;
      expect(await onWorker("cat", "/var/log/esxi-k8s/try-share.log")).toContain(said);
    });

    it("has a controller that binds a snapshot of a volume to what a driver has of it", async () => {
      const names = { snapshot: "of-another-cluster", content: "of-another-cluster-content" };
      const apiVersion = `${snapshotGroup}/v1`;
      const objects = [
        {
          ...{ apiVersion, kind: "VolumeSnapshotContent", metadata: { name: names.content } },
          spec: {
            ...{ driver: "nfs.csi.k8s.io", deletionPolicy: "Retain" },
            source: { snapshotHandle: "an-archive" },
            volumeSnapshotRef: { name: names.snapshot, namespace: "default" },
          },
        },
        {
          ...{ apiVersion, kind: "VolumeSnapshot", metadata: { name: names.snapshot } },
          spec: { source: { volumeSnapshotContentName: names.content } },
        },
      ];
      await kubectl("apply", "--filename", await temporaryFile(objects.map((each) => stringify(each)).join("---\n")));
      const bound = `jsonpath={.status.boundVolumeSnapshotContentName}=${names.content}`;
      await kubectl("wait", `--for=${bound}`, "--timeout=60s", "volumesnapshot", names.snapshot);
      await kubectl("delete", "volumesnapshot", names.snapshot, "--timeout=60s");
      await kubectl("delete", "volumesnapshotcontent", names.content, "--wait=false");
      // What a driver would say when it is done.
      const done = JSON.stringify({ metadata: { finalizers: null } });
      await kubectl("patch", "volumesnapshotcontent", names.content, "--type=merge", `--patch=${done}`);
      await kubectl("wait", "--for=delete", "--timeout=60s", "volumesnapshotcontent", names.content);
    });

    it("goes without a trace in the stack", async () => {
      await onMachine(nfsServer.machine, stopNfsServer);
      const { code, stdout } = await tryShare();
      expect(code, stdout).toBe(0);
      expect((await stack.pulumi("preview", configuration({}), "--expect-no-changes")).code).toBe(0);
    });
  });

  describe("with another Kubernetes", () => {
    it("shows in a preview in what order it comes", async () => {
      const { stdout } = await stack.pulumi("preview", configuration({ version: later }));
      expect(stdout).toContain(`Kubernetes ${later} is brought to plain-master-1; each`);
      expect(stdout).toContain(`Kubernetes ${later} is brought to plain-worker-1, when the masters have it; each`);
    });

    it.each([
      // Where the releases before are compiled, the depot has them, too.
      [
        "1.37.9",
        /has no kubectl 1\.37\.9, only 1\.37\.2-1\.1( 1\.37\.1-1\.1)?: set kubernetes\.version to one that is there/,
      ],
      ["1.38.0", /kubernetes\.version: got 1\.38\.0, expected a release of 1\.34, 1\.35, 1\.36, 1\.37/],
      ["1.36.2", /kubernetes\.version: got 1\.36\.2, and plain-master-1 has 1\.36\.3, expected 1\.36\.3 or newer/],
    ])("refuses one that it cannot have, before anything is touched: %s", async (version, problem) => {
      const { code, stdout, stderr } = await up({ version });
      expect(code).not.toBe(0);
      expect(stdout + stderr).toMatch(problem);
      await expectNodes(earlier);
      expect(await onMaster("find", "/var/lib/esxi-k8s", "-name", "before-*")).toBe("");
    });

    it("is upgraded, with what it runs and what this project has set", async () => {
      const image = (kind: string, name: string) =>
        kubectl("-n", "kube-system", "get", kind, name, "-o", "jsonpath={.spec.template.spec.containers[0].image}");
      await kubectl("create", "configmap", "written-before");
      const { code, stdout, stderr } = await up({ version: later });
      expect(code, stdout + stderr).toBe(0);
      await expectNodes(later);
      await kubectl("get", "configmap", "written-before");
      expect(await kubectl("version", "-o", "json")).toMatch(
        new RegExp(`"serverVersion"[^}]*"gitVersion": "v${later}"`),
      );
      expect(await image("daemonset", "kube-proxy")).toBe(`registry.k8s.io/kube-proxy:v${later}`);
      expect(await image("deployment", "coredns")).toBe("registry.k8s.io/coredns/coredns:v1.14.6");
      const etcd = ["get", "pod", "etcd-plain-master-1", "-o", "jsonpath={.spec.containers[0].image}"];
      expect(await kubectl("-n", "kube-system", ...etcd)).toBe("registry.k8s.io/etcd:3.7.0-0");
      // What kubeadm writes anew, and what it keeps.
      const setting = (path: string, ...object: string[]) =>
        kubectl("-n", "kube-system", "get", ...object, "-o", `jsonpath={${path}}`);
      expect(await setting(".spec.trafficDistribution", "service", "kube-dns")).toBe("PreferSameNode");
      expect(await setting(".spec.template.spec.affinity.podAntiAffinity", "deployment", "coredns")).toContain(
        "matchLabelKeys",
      );
      expect(await setting(".data.config\\.conf", "configmap", "kube-proxy")).toContain("maxPerCore: 0");
      expect(await setting(".data.kubelet", "configmap", "kubelet-config")).toContain("KubeletInUserNamespace: true");
      expect(await onMaster("apt-mark", "showhold")).toBe("kubeadm\nkubectl\nkubelet");
      expect(await onMaster("ls", "-l", "/var/lib/esxi-k8s/snapshots")).toMatch(
        new RegExp(`^-rw------- .* root root +\\d{6,} .* before-${later}\\.db$`, "m"),
      );
    });

    it("is not touched the second time, and does not go back", async () => {
      const preview = await stack.pulumi("preview", configuration({ version: later }), "--expect-no-changes");
      expect(preview.code, preview.stdout).toBe(0);
      const { code, stdout, stderr } = await up({});
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain(`got ${earlier}, and plain-master-1 has ${later}, expected ${later} or newer`);
      // Writes down who waits for whom from now on, without which nothing can be of some resources alone.
      expect((await up({ version: later })).code).toBe(0);
    });
  });

  describe("its two HAProxy machines", () => {
    describeFrontend(stack, () => configuration({ version: later }), {
      machines: Object.keys(machines.frontend),
      address: virtualAddress,
      master: "plain-master-1",
      worker: "plain-worker-1",
    });
  });
}
