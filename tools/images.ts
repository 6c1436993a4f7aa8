// What a mirror has to hold for a stack, read from its configuration alone: images.ts STACK [FILE]
// A line for each: `image NAME [WHERE THE MIRROR KEEPS IT]`, `package NAME WHERE FROM`, `key FINGERPRINT WHERE FROM`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { componentImages, kubernetesImages, registryOf } from "../config/images";
import { frontendPackages, nodePackages, repositories } from "../config/repositories";
import { stackConfig, type StackConfig } from "../config/schema";
import { isFingerprint } from "../config/sources";

/** The part of the configuration that decides; the rest may still be unfilled. */
const relevant = stackConfig.pick({
  kubernetes: true,
  packages: true,
  registryMirrors: true,
  frontend: true,
  storage: true,
  metrics: true,
  consul: true,
  ingress: true,
  demo: true,
});
type Relevant = Pick<StackConfig, keyof typeof relevant.shape>;

const [stack = "", file = join(__dirname, "..", `Pulumi.${stack}.yaml`)] = process.argv.slice(2);
const say = (text: string) => {
  process.stderr.write(`${text}\n`);
};

function read(): Relevant {
  const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
  const keys = Object.entries(config).map(([key, value]) => [key.replace("esxi-k8s:", ""), filled(value)] as const);
  const parsed = relevant.safeParse(Object.fromEntries(keys.filter(([key]) => key in relevant.shape)));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `  ${path.join(".")}: ${message}`);
    say(`error: ${file} cannot be read; 'make preview STACK=${stack}' says more\n${problems.join("\n")}`);
    process.exit(1);
  }
  return parsed.data;
}

/** A value without what nobody has filled in yet. */
function filled(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return value;
  }
  const entries = Object.entries(value).filter(([, inner]) => !String(inner).startsWith("CHANGE-ME"));
  return Object.fromEntries(entries.map(([key, inner]) => [key, filled(inner)]));
}

const config = read();
const { kubernetes, packages, registryMirrors } = config;

const ofKubernetes = kubernetesImages(kubernetes.version);
if (!ofKubernetes.certain) {
  say(
    `note: Kubernetes ${kubernetes.version} is newer than this program knows; etcd, CoreDNS and pause may be others: ` +
      "'kubeadm config images list' of that release says which",
  );
}
for (const [name, { chart }] of Object.entries({
  consul: config.consul,
  ingress: config.ingress,
  "storage.drivers.nfs": config.storage.drivers.nfs,
  "storage.drivers.smb": config.storage.drivers.smb,
})) {
  if (chart !== undefined) {
    say(
      `note: images of the chart ${chart.repository} ${chart.version} (${name}.chart) are not listed: helm template shows them`,
    );
  }
}
for (const image of [...ofKubernetes.images, ...componentImages(config)]) {
  const mirror = registryMirrors[registryOf(image)]?.url
    .replace(/^https?:\/\/|\/+$/g, "")
    .replace(/^([^/]+)\/v2(\/|$)/, "$1$2");
  console.log(
    ["image", image, ...(mirror === undefined ? [] : [`${mirror}/${image.split("/").slice(1).join("/")}`])].join(" "),
  );
}

const from = new Map(repositories(packages, kubernetes.version).map((repository) => [repository.name, repository]));
for (const { name, from: origin } of [...nodePackages(config), ...frontendPackages(config.frontend)]) {
  console.log(["package", name, from.get(origin)?.url ?? "(the template's own sources)"].join(" "));
}
for (const { signingKey, keyUrl } of from.values()) {
  if (signingKey !== undefined && isFingerprint(signingKey)) {
    console.log(["key", signingKey, keyUrl].join(" "));
  }
}
