import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { componentImages, kubernetesImages } from "../../config/images";
import { proxyEnvironment, proxyFor, withoutProxy } from "../../config/proxy";
import { repositories } from "../../config/repositories";
import { packages, proxy, registryMirrors } from "../../config/sources";
import { supportedKubernetesMinors } from "../../config/versions";
import { aptFiles } from "../../render/apt";
import { containerdConfig, containerdProxyFiles, mirrorFiles, mirrorSettings } from "../../render/containerd";
import { fileBundle, type Files } from "../../render/files";
import { scriptText } from "../../render/step";
import { variant, vary } from "../support/configs";

const own = { subnet: "192.0.2.0/24", podCidr: "10.244.0.0/16", serviceCidr: "10.96.0.0/12" };
const none = proxy.parse({});
const squid = proxy.parse({
  http: "http://proxy.example.org:3128",
  https: "http://proxy.example.org:3128",
  noProxy: ["mirror.example.org", ".internal.example.org", "198.51.100.0/24"],
});
const ca = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----";
const mirrored = packages.parse({
  kubernetes: {
    url: "https://mirror.example.org/core:/stable:/v{minor}/deb",
    signingKey: "dead beef dead beef dead beef dead beef dead beef",
    ca,
  },
  containerd: { url: "https://192.0.2.3:8443/docker", signingKey: key, version: "2.4.2" },
  distribution: { url: "http://mirror.example.org/ubuntu/", components: ["main"] },
});

describe("files of package sources and of containerd read as before", () => {
  const all = (files: Files) => fileBundle(files);
  test.each([
    ["the official repositories", () => all(aptFiles(repositories(packages.parse({}), "1.37.2"), none, own))],
    ["mirrors", () => all(aptFiles(repositories(mirrored, "1.37.2"), none, own))],
    ["mirrors and a proxy", () => all(aptFiles(repositories(mirrored, "1.37.2"), squid, own))],
    ["containerd with systemd's cgroups", () => containerdConfig("systemd")],
    ["containerd with cgroupfs", () => containerdConfig("cgroupfs")],
    [
      "mirrors of registries",
      () =>
        all(
          mirrorFiles(
            registryMirrors.parse({
              "registry.k8s.io": { url: "https://192.0.2.3/registry.k8s.io/", ca },
              "docker.io": { url: "https://hub.example.org/v2/library", fallback: true },
              "ghcr.io": { url: "http://192.0.2.3:5000" },
            }),
          ),
        ),
    ],
    [
      "the search for mirrors",
      () => all(mirrorSettings(registryMirrors.parse({ "ghcr.io": { url: "http://192.0.2.3" } }))),
    ],
    ["no search without mirrors", () => all(mirrorSettings({}))],
    ["containerd behind a proxy", () => all(containerdProxyFiles(squid, own))],
    ["containerd without a proxy", () => all(containerdProxyFiles(none, own))],
  ])("%s", (_name, text) => {
    expect(text()).toMatchSnapshot();
  });
});

describe("a proxy", () => {
  const direct = withoutProxy(squid, own);
  test.each([
    ["https://pkgs.k8s.io/x", squid.https],
    ["http://archive.ubuntu.com/ubuntu", squid.http],
    ["https://mirror.example.org/x", undefined],
    ["https://a.mirror.example.org/x", undefined],
    ["https://othermirror.example.org/x", squid.https],
    ["https://internal.example.org/x", squid.https],
    ["https://a.internal.example.org/x", undefined],
    ["https://198.51.100.7:8443/x", undefined],
    ["https://198.51.101.7/x", squid.https],
    ["https://192.0.2.7/x", undefined],
  ])("%s is reached by %s", (url, expected) => {
    expect(proxyFor(url, squid, direct)).toBe(expected);
  });

  test("is never used for what belongs to the cluster", () => {
    expect(proxyEnvironment(squid, direct).NO_PROXY?.split(",")).toEqual(
      expect.arrayContaining(["192.0.2.0/24", "10.244.0.0/16", "10.96.0.0/12", ".svc", ".cluster.local", "localhost"]),
    );
  });
});

describe("several files in one text", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "files-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const onMachine = (script: string, input: string) => {
    const text = ["set -euo pipefail", scriptText("files"), script].join("\n");
    const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-c", text], { encoding: "utf8", input });
    expect(status, stderr).toBe(0);
    return stdout;
  };

  test("come out of it as they were", () => {
    const files = {
      [`${folder}/a/plain`]: "one\n  two\\n \t\n\n",
      [`${folder}/b with space`]: "no newline at the end",
      [`${folder}/empty`]: "",
    };
    onMachine(`read_files / "$(cat)"`, fileBundle(files));
    expect(readFileSync(`${folder}/a/plain`, "utf8")).toBe(files[`${folder}/a/plain`]);
    expect(readFileSync(`${folder}/b with space`, "utf8")).toBe("no newline at the end\n");
    expect(readFileSync(`${folder}/empty`, "utf8")).toBe("");
  });

  test("replace what an earlier run put there, and say what changed", () => {
    const put = (files: Files) =>
      onMachine(
        `state=${folder}/state STEP=prepare; mkdir -p "$state"; use_files "$(cat)"; printf '%s\\n' "\${changed[@]}"`,
        fileBundle(files),
      )
        .split("\n")
        .filter((line) => line !== "");
    const [stays, changes, goes] = ["stays", "changes", "goes"].map((name) => `${folder}/machine/${name}`);
    expect(put({ [String(stays)]: "1", [String(changes)]: "1", [String(goes)]: "1" })).toHaveLength(3);
    expect(put({ [String(stays)]: "1", [String(changes)]: "2" }).sort()).toEqual([changes, goes]);
    expect(() => readFileSync(String(goes))).toThrow("ENOENT");
    expect(put({ [String(stays)]: "1", [String(changes)]: "2" })).toEqual([]);
  });

  test("cannot be confused by their content", () => {
    expect(() => fileBundle({ "/a": "one\n=> /etc/shadow\n" })).toThrow("/a has a line");
  });
});

describe("images", () => {
  test.each(supportedKubernetesMinors)("of kubeadm are known for every patch of %s", (minor) => {
    const { images, certain } = kubernetesImages(`${minor}.0`);
    expect(certain).toBe(true);
    expect(images).toHaveLength(7);
    expect(images.join(" ")).not.toContain("undefined");
    expect(kubernetesImages(`${minor}.99`).certain).toBe(false);
  });

  test("of kubeadm follow the patch", () => {
    const etcd = (version: string) => kubernetesImages(version).images.find((image) => image.includes("/etcd:"));
    expect(["1.34.0", "1.34.1", "1.34.2", "1.34.4"].map(etcd)).toEqual([
      "registry.k8s.io/etcd:3.6.4-0",
      "registry.k8s.io/etcd:3.6.4-0",
      "registry.k8s.io/etcd:3.6.5-0",
      "registry.k8s.io/etcd:3.6.5-0",
    ]);
  });

  test("of a stack are those of what it has", () => {
    expect(componentImages(variant({ demo: true }))).toEqual([
      expect.stringMatching(/^ghcr.io\/flannel-io\/flannel:v/),
      expect.stringMatching(/^ghcr.io\/flannel-io\/flannel-cni-plugin:v/),
      expect.stringMatching(/^docker.io\/rancher\/local-path-provisioner:v/),
      expect.stringMatching(/^docker.io\/library\/busybox:/),
      expect.stringMatching(/^registry.k8s.io\/metrics-server\/metrics-server:v/),
      expect.stringMatching(/^docker.io\/library\/haproxy:/),
      expect.stringMatching(/^docker.io\/hashicorp\/consul:\d/),
      expect.stringMatching(/^docker.io\/library\/traefik:v\d/),
    ]);
    const bare = variant({
      storage: { classes: {} },
      metrics: { enabled: false },
      consul: { enabled: false },
      ingress: { values: { image: { registry: "quay.io", repository: "me/traefik", tag: "v9" } } },
    });
    expect(componentImages(bare).slice(2)).toEqual(["quay.io/me/traefik:v9"]);
  });

  test.each([
    ["shares by NFS", { type: "nfs", server: "192.0.2.50", share: "/volume1" }, {}, 2],
    [
      "disks in vSphere",
      { type: "vsphere", datastore: "san" },
      { storage: { vcenter: { user: "k8s@vsphere.local" } }, storageVcenterPassword: "correct-horse" },
      2,
    ],
    [
      "shares by SMB, which has none",
      { type: "smb", server: "192.0.2.50", share: "media", user: "k8s" },
      { smbPasswords: { it: "correct-horse" } },
      0,
    ],
    ["folders, which have none", { type: "local-path" }, {}, 0],
  ])("of snapshots are those of whoever takes them: %s", (_, it, others, count) => {
    const config = variant(vary(others, { storage: { classes: { it: { ...it, default: true } } } }));
    const images = componentImages(config).filter((image) => image.includes("snapshot"));
    expect(images).toHaveLength(count);
    for (const image of images) {
      expect(image).toMatch(/^registry\.k8s\.io\/sig-storage\/(snapshot-controller|csi-snapshotter):v\d+\.\d+\.\d+$/);
    }
  });
});
