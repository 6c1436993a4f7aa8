import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectBearable } from "../e2e/frontend";
import { bySecond, underLoad } from "../e2e/load";
import { consul, domain, editor, route, status } from "../e2e/support/client";
import { Depot, depot } from "../e2e/support/depot";
import { expectPlane } from "../e2e/support/etcd";
import { onConsole, SharedAddress } from "../e2e/support/frontend";
import {
  eventually,
  forMake,
  frontend,
  inLab,
  kubectl,
  make,
  masters,
  run,
  temporaryFolder,
  variedConfiguration,
  workers,
} from "../e2e/support/lab";

/**
 * A stack that an earlier release of this program made, of earlier releases of all that can be compiled in an earlier one, is brought up to
 * date by one `make up`: a patch of Kubernetes, containerd, flannel, Traefik, Consul. HAProxy, whose release is the
 * distribution's, follows by another generation of its machines.
 */
const proxies = {
  "haproxy-1": { host: "esxi-1", address: "10.20.0.11" },
  "haproxy-2": { host: "esxi-2", address: "10.20.0.12" },
};
const shared = new SharedAddress(frontend, "worker-1");

/** Where each part's release is written: the Go module that the lab compiles, and the place in this program, if it has one. */
const parts = {
  kubernetes: ["k8s.io/kubernetes"],
  containerd: ["github.com/containerd/containerd/v2"],
  flannel: ["github.com/flannel-io/flannel", "config/versions.ts", "flannelVersion = "],
  traefik: ["github.com/traefik/traefik/v3", "charts/traefik/Chart.yaml", "appVersion: "],
  traefikObjects: ["github.com/traefik/traefik/v3", "charts/traefik-crds/Chart.yaml", "appVersion: "],
  consul: ["github.com/hashicorp/consul", "charts/consul/Chart.yaml", "appVersion: "],
  consulImage: ["github.com/hashicorp/consul", "charts/consul/values.yaml", "hashicorp/consul:"],
} as const satisfies Record<string, [module: string, file?: string, before?: string]>;
type Releases = Record<keyof typeof parts, string>;

const ofParts = async (release: (module: string) => Promise<string>): Promise<Releases> => {
  const entries = Object.entries(parts).map(async ([part, [module]]) => [part, await release(module)] as const);
  return Object.fromEntries(await Promise.all(entries)) as Releases;
};
const withoutV = (version = "") => version.replace(/^v/, "");
const before = () => ofParts(async (module) => withoutV(await run("sim/previous/build", ["--version", module])));
const now = async () => {
  const groups = (await readdir("sim/toolchain", { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const pins = await Promise.all(groups.map(({ name }) => readFile(`sim/toolchain/${name}/go.mod`, "utf8")));
  const words = pins.join("\n").split(/\s+/);
  return ofParts((module) => Promise.resolve(withoutV(words[words.indexOf(module) + 1])));
};

/** A checkout of this program as it was when those releases were the newest. */
async function earlierProgram(): Promise<string> {
  const folder = await temporaryFolder();
  await run("bash", [
    "-c",
    'git ls-files -co --exclude-standard -z | xargs -0 sh -c \'for f; do [ ! -e "$f" ] || printf "%s\\0" "$f"; done\' sh |' +
      ' tar --create --null --files-from - | tar --extract --directory "$1"',
    "bash",
    folder,
  ]);
  for (const name of ["node_modules", "sdks"]) {
    await symlink(resolve(name), join(folder, name));
  }
  const releases = await before();
  for (const [part, [, file, place]] of Object.entries<readonly [string, string?, string?]>(parts)) {
    if (file !== undefined) {
      const path = join(folder, file);
      const text = await readFile(path, "utf8");
      const pin = new RegExp(`(${String(place)}"?v?)[0-9.]+`);
      expect(text).toMatch(pin);
      await writeFile(path, text.replace(pin, `$1${releases[part as keyof Releases]}`));
    }
  }
  const definitions = join(await run("sim/previous/build", ["--print", "traefik"]), "..", "crds");
  await run("bash", [
    "-c",
    'cp "$1"/*.yaml "$2"',
    "bash",
    definitions,
    join(folder, "charts/traefik-crds/definitions"),
  ]);
  return folder;
}

/** The stack with two HAProxy machines, whose machines install what a depot has. */
async function configuration(releases: Releases, distribution: string, generation: number): Promise<string[]> {
  const { packages, registryMirrors } = (await Depot.read()).values();
  const values = {
    packages: {
      ...packages,
      containerd: { ...packages.containerd, version: releases.containerd },
      distribution: { ...packages.distribution, url: `${depot}/${distribution}` },
    },
    registryMirrors,
    kubernetes: { version: releases.kubernetes, install: "packages" },
    template: { name: "ubuntu-24.04" },
    frontend: { nodes: proxies, virtualAddress: frontend, generation },
  };
  return variedConfiguration(values);
}

/**
 * What nodes say of themselves, and the images of all containers, each once: by the names that they are run by, since the programs of the
 * control plane are one image here, for which a node knows several.
 */
async function running() {
  const list = async <T>(...args: string[]) =>
    (JSON.parse(await kubectl("get", ...args, "-o", "json")) as { items: T[] }).items;
  type Info = Record<"kubeletVersion" | "containerRuntimeVersion", string>;
  const nodes = (await list<{ status: { nodeInfo: Info } }>("nodes")).map(({ status }) => status);
  const pods = await list<{ spec: { containers: { image: string }[] }; status: { phase: string } }>(
    ...["pods", "--all-namespaces"],
  );
  expect(pods.map(({ status }) => status.phase).filter((phase) => phase !== "Running")).toEqual([]);
  const unique = (values: string[]) => [...new Set(values)].sort();
  return {
    nodes: nodes.length,
    kubelets: unique(nodes.map(({ nodeInfo }) => nodeInfo.kubeletVersion)),
    runtimes: unique(nodes.map(({ nodeInfo }) => nodeInfo.containerRuntimeVersion)),
    images: unique(pods.flatMap(({ spec }) => spec.containers.map(({ image }) => image))),
  };
}

/** All of it is of these releases, on every node. */
async function expectReleases(releases: Releases): Promise<void> {
  const { images, ...nodes } = await running();
  expect(nodes).toEqual({
    nodes: masters.length + workers.length,
    kubelets: [`v${releases.kubernetes}`],
    runtimes: [`containerd://${releases.containerd}`],
  });
  const expected = [
    ...["apiserver", "controller-manager", "scheduler", "proxy"].map(
      (name) => `registry.k8s.io/kube-${name}:v${releases.kubernetes}`,
    ),
    `ghcr.io/flannel-io/flannel:v${releases.flannel}`,
    `docker.io/traefik:v${releases.traefik}`,
    `docker.io/hashicorp/consul:${releases.consul}`,
  ].sort();
  const names = expected.map((image) => image.replace(/:[^:]*$/, ":"));
  expect(images.filter((image) => names.some((name) => image.startsWith(name)))).toEqual(expected);
}

const proxyReleases = () =>
  Promise.all(
    Object.keys(proxies).map((name) => onConsole(name, "dpkg-query --show --showformat '${Version}' haproxy")),
  );

let earlierFolder: string;
beforeAll(async () => {
  await run("sim/down", []);
  await run("sim/up", []);
  earlierFolder = await earlierProgram();
});

afterAll(async () => {
  await run("sim/down", []);
});

it("begins with what an earlier release of this program makes", async () => {
  const options = await configuration(await before(), "previous/ubuntu", 0);
  await run("make", ["--no-print-directory", "-C", earlierFolder, "up", forMake(options)], 1500);
  await eventually(120, async () => {
    await expectReleases(await before());
  });
  for (const release of await proxyReleases()) {
    expect(release).toMatch(/~previous$/);
  }
  await kubectl("create", "configmap", "written-before");
  await route("kept", `kept.${domain}`);
});

it("brings all of it up to date in one run, and loses no request", async () => {
  const options = await configuration(await now(), "previous/ubuntu", 0);
  const began = Date.now();
  const { sent, failures, slowest } = await underLoad(10, async () => {
    await run("make", ["--no-print-directory", "up", forMake(options)], 2400);
  });
  console.log(
    `everything but HAProxy: ${String(Math.round((Date.now() - began) / 1000))} s; ` +
      `${String(failures.length)} of ${String(sent)} requests failed, the slowest took ${slowest.toFixed(1)} s`,
    bySecond(failures),
  );
  await eventually(300, async () => {
    await expectReleases(await now());
  });
  expect(failures).toEqual([]);
});

it("makes HAProxy's machines anew with another release, while they share the address", async () => {
  const options = await configuration(await now(), "ubuntu", 1);
  expectBearable(
    "HAProxy machines made anew",
    await shared.watch(async () => {
      await run("make", ["--no-print-directory", "up", forMake(options)], 1500);
    }),
  );
  for (const release of await proxyReleases()) {
    expect(release).not.toMatch(/~previous$/);
  }
});

it("has kept what was written, and changes nothing more", async () => {
  await expectPlane("master-1");
  await kubectl("get", "configmap", "written-before");
  const rule = await consul(await editor(), "GET", "kv/traefik/http/routers/kept/rule?raw");
  expect(rule.body).toBe(`Host(\`kept.${domain}\`)`);
  await eventually(60, async () => {
    expect(await status(`https://kept.${domain}/`)).toBe("200");
  });
  expect(await make("demo-check")).toContain("3/3 sources answer");
  const options = await configuration(await now(), "ubuntu", 1);
  await inLab("pulumi", "preview", "--expect-no-changes", "--stack", "sim", ...options);
});
