import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parseConfig, type ConfigError } from "../../../config/parse";
import { readPast, type Past } from "../../../config/past";
import { secretKeys } from "../../../config/secrets";
import { readYaml, validConfig, vary, type RawConfig } from "../../support/configs";
import { datastoreUrls, readLater, readStep, recordOnce, runProgram, type Declared } from "../../support/recorder";
import { stateOf } from "../../support/state";

const fixtures = join(__dirname, "..", "..", "fixtures");

const names = (resources: Iterable<Declared>) => [...resources].map(({ name }) => name);

describe("two classes of folders", () => {
  const recorded = recordOnce(
    vary(validConfig(), {
      storage: {
        classes: {
          fast: { type: "local-path", path: "/srv/fast", reclaimPolicy: "Retain" },
          large: { type: "local-path", path: "/srv/large", default: true },
        },
      },
      consul: { storageClass: "fast" },
    }),
  );
  const storageClass = (name: string) => recorded().get("StorageClass", `storage-${name}-class`);

  test("are classes of one provisioner, and one is the default", () => {
    expect(recorded().ofType("StorageClass")).toHaveLength(2);
    expect(storageClass("fast").inputs).toMatchObject({
      metadata: { name: "fast" },
      provisioner: "rancher.io/local-path",
      volumeBindingMode: "WaitForFirstConsumer",
      reclaimPolicy: "Retain",
    });
    expect(storageClass("fast").inputs.metadata).not.toHaveProperty("annotations");
    expect(storageClass("large").inputs).toMatchObject({
      metadata: { name: "large", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      reclaimPolicy: "Delete",
    });
    expect(recorded().ofType("LocalPathStorage")).toHaveLength(1);
  });

  test("have a folder each", () => {
    const { data } = recorded().get("ConfigMap", "storage-local-path-settings").inputs as {
      data: Record<string, string>;
    };
    const folder = (path: string) => ({
      nodePathMap: [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [path] }],
    });
    expect(JSON.parse(String(data["config.json"]))).toEqual({
      storageClassConfigs: { fast: folder("/srv/fast"), large: folder("/srv/large") },
    });
  });

  test("are there when their provisioner is, and before Consul asks for volumes", () => {
    for (const name of ["fast", "large"]) {
      expect(names(recorded().before(storageClass(name)))).toContain("storage-local-path-provisioner");
      expect(recorded().before(recorded().release("consul"))).toContain(storageClass(name));
    }
    expect(recorded().release("consul").inputs.values).toMatchObject({ server: { storageClass: "fast" } });
  });

  test("bring nothing for snapshots, which their provisioner does not take", () => {
    expect(recorded().ofType("VolumeSnapshots")).toEqual([]);
    expect(recorded().ofType("VolumeSnapshotClass")).toEqual([]);
  });
});

describe("classes of every type", () => {
  const { change } = readYaml(join(fixtures, "valid", "storage-of-every-type.yaml")) as { change: RawConfig };
  const recorded = recordOnce(vary(validConfig(), vary(change, { kubernetes: { install: "packages" } })));
  const storageClass = (name: string) => recorded().get("StorageClass", `storage-${name}-class`).inputs;
  const before = (type: string, name: string) => names(recorded().before(recorded().get(type, name)));

  test("of NFS are folders of the share, mounted as the class says", () => {
    expect(storageClass("nas")).toMatchObject({
      provisioner: "nfs.csi.k8s.io",
      parameters: { server: "192.0.2.50", share: "/volume1/kubernetes" },
      mountOptions: ["nfsvers=4.1", "hard"],
      allowVolumeExpansion: true,
    });
    expect(recorded().release("storage-nfs-driver").inputs).toMatchObject({
      chart: "./charts/csi-driver-nfs",
      values: { controller: { enableSnapshotter: true, replicas: 2 }, externalSnapshotter: { enabled: false } },
    });
  });

  test("of SMB log in by a secret of the driver's namespace", () => {
    const { parameters, mountOptions, reclaimPolicy } = storageClass("media") as Record<string, unknown>;
    expect(parameters).toEqual({
      source: "//nas.example.org/media/k8s",
      "csi.storage.k8s.io/provisioner-secret-name": "login-media",
      "csi.storage.k8s.io/provisioner-secret-namespace": "csi-driver-smb",
      "csi.storage.k8s.io/node-stage-secret-name": "login-media",
      "csi.storage.k8s.io/node-stage-secret-namespace": "csi-driver-smb",
    });
    expect(mountOptions).toContain("noserverino");
    expect(reclaimPolicy).toBe("Retain");
    const login = recorded().get("core/v1:Secret", "storage-media-login");
    expect(login.inputs.stringData).toEqual({ username: "k8s", password: "correct-horse", domain: "EXAMPLE" });
    expect(login.secrets).toContain("stringData");
    expect(recorded().release("storage-smb-driver").inputs).toMatchObject({
      chart: "csi-driver-smb",
      version: "1.20.3",
    });
  });

  test("of vSphere are disks in a datastore or by a policy, and those of one host's own are for nodes there", () => {
    const disk = { "csi.storage.k8s.io/fstype": "ext4" };
    expect(storageClass("disks").parameters).toEqual({ ...disk, datastoreurl: datastoreUrls.san });
    expect(storageClass("gold").parameters).toEqual({ ...disk, storagepolicyname: "gold" });
    expect(storageClass("own").parameters).toMatchObject({ datastoreurl: datastoreUrls["esxi-1-local"] });
    expect(storageClass("own").allowedTopologies).toEqual([
      { matchLabelExpressions: [{ key: "topology.csi.vmware.com/k8s-host", values: ["esxi-1"] }] },
    ]);
    for (const name of ["disks", "gold"]) {
      expect(storageClass(name)).not.toHaveProperty("allowedTopologies");
    }
    expect(recorded().release("storage-vsphere-driver").inputs.values).toMatchObject({
      topology: true,
      controller: { replicas: 3 },
    });
  });

  test("of vSphere find out about datastores and the drivers' account before anything is made", () => {
    const found = recorded().get("local:Command", "storage-vsphere-datastores");
    expect(JSON.parse(String(found.inputs.stdin))).toMatchObject({
      user: "k8s-storage@vsphere.local",
      password: "correct-horse",
      datastores: ["san", "esxi-1-local"],
      policies: ["gold"],
    });
    expect(found.secrets).toContain("stdin");
    expect(names(recorded().before(found)).filter((name) => name.startsWith("master"))).toEqual([]);
    expect(before("StorageClass", "storage-gold-class")).toContain("storage-vsphere-datastores");
  });

  test("are tried on a worker that was there before when it has what mounts them", async () => {
    const nfs = {
      storage: { classes: { nas: { type: "nfs", server: "nas.example.org", share: "/volume1", default: true } } },
    };
    const state = stateOf(await runProgram(validConfig()));
    const recording = await runProgram(vary(validConfig(), nfs), { state });
    expect(recording.stepsBefore(recording.command("storage-nas-share"))).toContain("worker-1-prepare");
  });

  test("are there when a worker has tried their share", () => {
    for (const name of ["nas", "media"]) {
      expect(before("StorageClass", `storage-${name}-class`)).toContain(`storage-${name}-share`);
    }
    const { script, parameters, rest } = readStep(recorded().command("storage-media-share"));
    expect({ script, rest }).toEqual({ script: "try-share", rest: "correct-horse" });
    expect(parameters).toEqual({
      CLASS: "media",
      TYPE: "smb",
      SERVER: "nas.example.org",
      SHARE: "media/k8s",
      OPTIONS: "",
      USERNAME: "EXAMPLE/k8s",
    });
  });

  test("have what mounts them on every node", () => {
    for (const node of ["master-1", "worker-2"]) {
      const { PACKAGES = "" } = readStep(recorded().command(`${node}-prepare`)).parameters;
      expect(PACKAGES.split(" ")).toEqual(expect.arrayContaining(["nfs-common", "cifs-utils"]));
    }
  });

  test("have kubelets that wait for the cloud provider, and nothing needs their nodes before it has been there", () => {
    const { CONFIG } = readStep(recorded().command("worker-1-join")).texts;
    expect(CONFIG).toContain("name: cloud-provider\n      value: external\n");
    expect(readStep(recorded().command("control-plane-founded")).texts.CONFIG).toContain("name: cloud-provider");
    for (const [type, name] of [
      ["Release", "consul"],
      ["Release", "ingress"],
      ["Deployment", "metrics-deployment"],
      ["Release", "storage-nfs-driver"],
    ] as const) {
      expect(before(type, name)).toContain("cloud-provider");
    }
    // It is on masters alone, and tolerates what keeps all others away.
    expect(before("Release", "cloud-provider").filter((name) => name.startsWith("worker"))).toEqual([]);
  });

  test("have a class of snapshots each where the driver takes any, which keeps what they keep", () => {
    const snapshotClass = (name: string) => recorded().get("VolumeSnapshotClass", `storage-${name}-snapshots`).inputs;
    expect(names(recorded().ofType("VolumeSnapshotClass")).sort()).toEqual(
      ["disks", "gold", "nas", "own"].map((name) => `storage-${name}-snapshots`),
    );
    expect(snapshotClass("nas")).toEqual({
      apiVersion: "snapshot.storage.k8s.io/v1",
      kind: "VolumeSnapshotClass",
      metadata: { name: "nas", labels: { "app.kubernetes.io/part-of": "esxi-k8s" } },
      driver: "nfs.csi.k8s.io",
      deletionPolicy: "Delete",
    });
    expect(snapshotClass("disks")).toMatchObject({
      metadata: { name: "disks", annotations: { "snapshot.storage.kubernetes.io/is-default-class": "true" } },
      driver: "csi.vsphere.vmware.com",
    });
  });

  test("have what snapshots need once, before the drivers that take them", () => {
    expect(names(recorded().ofType("VolumeSnapshots"))).toEqual(["storage-snapshots"]);
    const definitions = recorded().release("storage-snapshots-definitions");
    expect(definitions.inputs).toMatchObject({ chart: "./charts/snapshot-crds", namespace: "snapshot-crds" });
    for (const driver of ["nfs", "vsphere"]) {
      expect(before("Release", `storage-${driver}-driver`)).toContain(definitions.name);
      // A controller that does not come up keeps nobody's volumes away.
      expect(before("Release", `storage-${driver}-driver`)).not.toContain("storage-snapshots-controller");
    }
    expect(before("Release", "storage-smb-driver")).not.toContain(definitions.name);
    expect(before("Deployment", "storage-snapshots-controller")).toEqual(
      expect.arrayContaining([
        definitions.name,
        "storage-snapshots-cluster-binding",
        "storage-snapshots-binding",
        "cloud-provider",
      ]),
    );
    expect(before("VolumeSnapshotClass", "storage-nas-snapshots")).toEqual(
      expect.arrayContaining(["storage-snapshots-controller", "storage-nfs-driver"]),
    );
  });

  test("have a controller of snapshots of which one pod works, with no more rights than it needs", () => {
    const { metadata, spec } = recorded().get("Deployment", "storage-snapshots-controller").inputs as {
      metadata: { namespace: string };
      spec: { replicas: number; template: { spec: Record<string, unknown> } };
    };
    expect(spec.replicas).toBe(2);
    const { containers, securityContext } = spec.template.spec as {
      containers: { image: string; args: string[]; securityContext: unknown }[];
      securityContext: unknown;
    };
    expect(containers).toHaveLength(1);
    expect(containers[0]?.image).toMatch(/^registry\.k8s\.io\/sig-storage\/snapshot-controller:v\d+\.\d+\.\d+$/);
    expect(containers[0]?.args).toContain("--leader-election");
    expect(containers[0]?.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    // Its pods are held to that, and its leases are where it looks for them.
    expect(recorded().get("Namespace", "storage-snapshots-namespace").inputs.metadata).toMatchObject({
      name: metadata.namespace,
      labels: { "pod-security.kubernetes.io/enforce": "restricted" },
    });
    expect(recorded().get("Role", "storage-snapshots-role").inputs).toMatchObject({
      metadata: { namespace: metadata.namespace },
      rules: [{ resources: ["leases"] }],
    });
    const { rules } = recorded().get("ClusterRole", "storage-snapshots-cluster-role").inputs as {
      rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
    };
    expect(JSON.stringify(rules)).not.toContain("*");
    const deleting = rules.filter(({ verbs }) => verbs.includes("delete")).map(({ resources }) => resources);
    expect(deleting).toEqual([["volumesnapshotcontents"]]);
    expect(rules.flatMap(({ resources }) => resources)).not.toContain("secrets");
  });

  test("let whoever may make claims take snapshots, and whoever may see them see these", () => {
    const role = (name: string) =>
      recorded().get("ClusterRole", `storage-snapshots-${name}`).inputs as {
        metadata: { labels: Record<string, string> };
        rules: { resources: string[]; verbs: string[] }[];
      };
    const to = (...names: string[]) =>
      Object.fromEntries(names.map((name) => [`rbac.authorization.k8s.io/aggregate-to-${name}`, "true"]));
    expect(role("editors").metadata.labels).toEqual(to("admin", "edit"));
    expect(role("editors").rules[0]?.verbs).toContain("create");
    expect(role("viewers").metadata.labels).toEqual(to("view"));
    expect(role("viewers").rules).toMatchObject([{ resources: ["volumesnapshots"], verbs: ["get", "list", "watch"] }]);
  });

  test("go after somebody has looked for volumes and snapshots of them", () => {
    expect(before("command:remote:Command", "storage-nas-volumes")).toEqual(
      expect.arrayContaining(["storage-nas-class", "storage-nas-snapshots"]),
    );
  });

  test("give no password away but as a secret", () => {
    for (const resource of recorded().resources) {
      const open = Object.entries(resource.inputs).filter(([key]) => !resource.secrets.includes(key));
      expect(JSON.stringify(open), resource.name).not.toContain("correct-horse");
    }
  });
});

test("what a class keeps, its snapshots keep", async () => {
  const nas = { type: "nfs", server: "nas.example.org", share: "/volume1", reclaimPolicy: "Retain", default: true };
  const recording = await runProgram(vary(validConfig(), { storage: { classes: { nas } } }));
  expect(recording.get("VolumeSnapshotClass", "storage-nas-snapshots").inputs).toMatchObject({
    metadata: { annotations: { "snapshot.storage.kubernetes.io/is-default-class": "true" } },
    deletionPolicy: "Retain",
  });
});

test("a driver without snapshots brings nothing for them", async () => {
  const media = { type: "smb", server: "nas.example.org", share: "media", user: "k8s", default: true };
  const change = { storage: { classes: { media } }, smbPasswords: { media: "correct-horse" } };
  const recording = await runProgram(vary(validConfig(), change));
  expect(recording.ofType("StorageClass")).toHaveLength(1);
  expect(recording.ofType("VolumeSnapshots")).toEqual([]);
  expect(recording.ofType("VolumeSnapshotClass")).toEqual([]);
});

test("nodes are nodes like any others where no class is of vSphere", async () => {
  const recording = await runProgram(validConfig());
  expect(readStep(recording.command("worker-1-join")).texts.CONFIG).not.toContain("cloud-provider");
  expect(recording.ofType("CloudProvider")).toEqual([]);
});

describe("a class of vSphere's in a cluster without one", () => {
  const vsphere = {
    storage: {
      classes: { disks: { type: "vsphere", datastore: "san", default: true } },
      vcenter: { user: "k8s-storage@vsphere.local" },
    },
    storageVcenterPassword: "correct-horse",
  };
  const problems = (change: RawConfig, past: Past) => {
    try {
      parseConfig(vary(validConfig(), vary(vsphere, change)), "test", new Set(secretKeys), past);
      return [];
    } catch (error) {
      return (error as ConfigError).problems;
    }
  };
  let plain: Past;
  let known: Past;
  beforeAll(async () => {
    plain = readPast(stateOf(await runProgram(validConfig())));
    known = readPast(stateOf(await runProgram(vary(validConfig(), vsphere))));
  });

  test("asks for nodes that are made anew, in turn", () => {
    expect(problems({}, plain).map(({ path, expected }) => [path, expected.split(",")[1]])).toEqual([
      ["controlPlane.generation", " such as 1"],
      ["workers.general.generation", " such as 1"],
    ]);
    expect(problems({ controlPlane: { generation: 1 }, workers: { general: { generation: 1 } } }, plain)).toEqual([]);
  });

  test("asks for nothing where they have been", () => {
    expect(problems({}, known)).toEqual([]);
  });
});

test("a class goes after somebody has looked for volumes of it, and before what makes them", async () => {
  const recording = await runProgram(validConfig());
  const look = recording.command("storage-local-path-volumes");
  expect(readLater(look, "delete")).toMatchObject({ script: "keep-class", parameters: { CLASS: "local-path" } });
  expect(recording.before(look)).toContain(recording.get("StorageClass", "storage-local-path-class"));
  // With the whole cluster, nobody is asked.
  expect(look.deletedWith).toBe(recording.get("StorageClass", "storage-local-path-class").deletedWith);
  expect(look.deletedWith).not.toBe("");
  const gate = readLater(recording.command("control-plane-gate"), "update");
  expect(gate.parameters.CLASSES).toBe("local-path");
});

describe("Consul's volumes in a stack that has them", () => {
  const problems = async (before: RawConfig, change: RawConfig) => {
    const past = readPast(stateOf(await runProgram(vary(validConfig(), before))));
    try {
      parseConfig(vary(vary(validConfig(), before), change), "test", new Set(secretKeys), past);
      return [];
    } catch (error) {
      return (error as ConfigError).problems;
    }
  };

  test.each([
    ["size", {}, { storageSize: "2Gi" }, "consul.storageSize", "2Gi", "1Gi"],
    [
      "class",
      {},
      { storageClass: "local-path" },
      "consul.storageClass",
      "local-path",
      "nothing, which is the default class",
    ],
    [
      "class, taken away",
      { storageClass: "local-path" },
      { storageClass: null },
      "consul.storageClass",
      "nothing",
      "local-path",
    ],
  ])("keep their %s", async (_, before, change, path, got, was) => {
    const found = await problems({ consul: before }, { consul: change });
    expect(found).toMatchObject([{ path, got }]);
    expect(found[0]?.expected).toContain(`what Consul's volumes were made with: ${was}`);
  });

  test("are nobody's concern when Consul goes, or nothing of them changes", async () => {
    expect(await problems({}, { consul: { enabled: false, storageSize: "2Gi" } })).toEqual([]);
    expect(await problems({}, { consul: { kv: { "app/a": "1" } } })).toEqual([]);
  });
});
