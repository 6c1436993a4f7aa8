import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { componentImages } from "../../config/images";
import { readYaml, validConfig, variant, vary, type RawConfig } from "../support/configs";
import { recordOnce } from "../support/recorder";
import { refusal, render, renderText, runHelm, type Chart, type KubernetesObject, type Values } from "./render";

/** What the program gives each chart of a driver, in a stack with classes of every type. */
const { change } = readYaml(join(__dirname, "..", "fixtures", "valid", "storage-of-every-type.yaml")) as {
  change: RawConfig;
};
const own = vary(change, { storage: { drivers: null } });
const recorded = recordOnce(vary(validConfig(), own));
const releases: Record<string, string> = {
  "csi-driver-nfs": "storage-nfs-driver",
  "csi-driver-smb": "storage-smb-driver",
  "vsphere-cpi": "cloud-provider",
  "vsphere-csi": "storage-vsphere-driver",
};
const charts = Object.keys(releases) as Chart[];
const given = (chart: Chart) => recorded().release(releases[chart] ?? "").inputs.values as Values;

interface Pods {
  template: { spec: { containers: { name: string; image: string; resources: { requests?: object } }[] } };
}
const pods = (objects: KubernetesObject[]) =>
  objects.flatMap(({ kind, spec }) => (["Deployment", "DaemonSet"].includes(kind) ? [spec as unknown as Pods] : []));

describe.each(charts)("the chart %s", (chart) => {
  test("passes Helm's lint", () => {
    const { code, text } = runHelm(["lint", "--strict"], chart, {});
    expect(code, text).toBe(0);
  });

  test("renders to what was looked at before, with what the program gives it", () => {
    expect(renderText(chart, given(chart))).toMatchSnapshot();
  });

  test("has its objects in the release's namespace, or in none where there are none", () => {
    const clusterWide = ["ClusterRole", "ClusterRoleBinding", "CSIDriver"];
    for (const { kind, metadata } of render(chart, given(chart))) {
      // The one that lets it read what kube-system has.
      const elsewhere = metadata.name === "servicecatalog.k8s.io:apiserver-authentication-reader";
      expect([kind, metadata.namespace]).toEqual([
        kind,
        clusterWide.includes(kind) ? undefined : elsewhere ? "kube-system" : chart,
      ]);
    }
  });

  test("runs images that mirrors are told to hold, each pinned", () => {
    const known = componentImages(variant(own));
    const images = pods(render(chart, given(chart))).flatMap(({ template }) =>
      template.spec.containers.map(({ image }) => image),
    );
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) {
      expect(image).toMatch(/^registry\.k8s\.io\/.*:v\d+\.\d+\.\d+$/);
      expect(known).toContain(image);
    }
  });

  test("asks for what its containers need", () => {
    for (const { template } of pods(render(chart, given(chart)))) {
      for (const { name, resources } of template.spec.containers) {
        expect(Object.keys(resources.requests ?? {}).sort(), name).toEqual(["cpu", "memory"]);
      }
    }
  });

  test("brings no StorageClass, which the configuration names", () => {
    expect(render(chart, given(chart)).map(({ kind }) => kind)).not.toContain("StorageClass");
  });
});

describe("values that are refused, by name", () => {
  test.each<[Chart, string, Values]>([
    ["csi-driver-nfs", "controler", { controler: {} }],
    ["csi-driver-nfs", "enableSnapshotter", { controller: { enableSnapshotter: "yes" } }],
    ["csi-driver-nfs", "externalSnapshotter", { externalSnapshotter: { enabled: true } }],
    ["csi-driver-nfs", "storageClass", { storageClass: { create: true } }],
    ["csi-driver-smb", "enabled", { windows: { enabled: true } }],
    ["vsphere-csi", "topology", { topology: "yes" }],
    ["vsphere-cpi", "enabled", { config: { enabled: true } }],
  ])("%s: %s", (chart, key, values) => {
    expect(refusal(chart, values)).toContain(key);
  });
});

describe("snapshots", () => {
  const sidecars = (objects: KubernetesObject[]) =>
    pods(objects).flatMap(({ template }) => template.spec.containers.filter(({ name }) => name === "csi-snapshotter"));
  const mayWrite = (objects: KubernetesObject[]) =>
    objects.some(({ rules = [] }) =>
      rules.some(
        ({ resources, verbs }) => resources.includes("volumesnapshotcontents/status") && verbs.includes("patch"),
      ),
    );

  test.each<Chart>(["csi-driver-nfs", "vsphere-csi"])("are taken by %s, which may say how they are", (chart) => {
    const objects = render(chart, given(chart));
    expect(sidecars(objects)).toHaveLength(1);
    expect(mayWrite(objects)).toBe(true);
  });

  test("are taken of disks because the driver is told that it can", () => {
    const states = render("vsphere-csi", given("vsphere-csi")).find(({ kind }) => kind === "ConfigMap");
    expect(states?.data).toMatchObject({ "block-volume-snapshot": "true" });
  });

  test.each<[Chart, Values]>([
    ["csi-driver-nfs", { controller: { enableSnapshotter: false } }],
    ["csi-driver-smb", {}],
  ])("are nothing to %s, where nobody takes them", (chart, values) => {
    const objects = render(chart, values);
    expect(sidecars(objects)).toEqual([]);
    expect(JSON.stringify(objects)).not.toContain("snapshot.storage.k8s.io");
  });
});

test("volumes of vSphere's are offered by place only where places are told apart", () => {
  const provisioner = (topology: boolean) =>
    JSON.stringify(
      render("vsphere-csi", { topology })
        .flatMap((object) => pods([object]))
        .map(({ template }) => template.spec.containers),
    );
  expect(provisioner(true)).toContain("--strict-topology");
  expect(provisioner(false)).not.toContain("opology");
});
