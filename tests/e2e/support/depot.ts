import { readFile } from "node:fs/promises";
import { run, temporaryFolder } from "./lab";

/** Where the lab's depot is, of which machines from the plain template install. */
export const depot = "https://10.20.0.3";

/** The releases of Kubernetes that it has. */
export const [earlier, later] = ["1.36.3", "1.37.2"] as const;

/** What a variant of a stack gets from elsewhere than it should. */
export interface Sources {
  /** Of Kubernetes' packages. */
  repository?: string;
  /** Null for the default one, which is not the depot's. */
  signingKey?: string | null;
  /** Where the depot has the images of a registry. */
  images?: (registry: string) => string;
}

/** What machines have to know of the depot. */
export class Depot {
  private constructor(
    private readonly ca: string,
    private readonly packageKey: string,
    /** Of the key of its packages. */
    readonly fingerprint: string,
  ) {}

  /** Reads it from the lab that is up. */
  static async read(): Promise<Depot> {
    const folder = `/run/esxi-k8s/${String(process.env.ESXI_K8S_LAB)}/depot`;
    const key = `${folder}/packages.asc`;
    const gpg = ["--homedir", await temporaryFolder(), "--batch", "--show-keys", "--with-colons", key];
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(await run("gpg", gpg))?.[1] ?? "";
    return new Depot(await readFile(`${folder}/ca.crt`, "utf8"), await readFile(key, "utf8"), fingerprint);
  }

  /** Values of `packages` and `registryMirrors` in a configuration. */
  values({
    repository = `${depot}/core:/stable:/v{minor}/deb/`,
    signingKey = this.fingerprint,
    images = (registry) => registry,
  }: Sources = {}) {
    const { ca, packageKey, fingerprint } = this;
    const mirror = (registry: string) => [registry, { url: `${depot}/${images(registry)}`, ca }] as const;
    return {
      packages: {
        kubernetes: { url: repository, ca, ...(signingKey !== null && { signingKey }) },
        containerd: { url: `${depot}/linux/ubuntu`, signingKey: fingerprint, ca },
        distribution: {
          ...{ url: `${depot}/ubuntu`, suites: ["{codename}"], components: ["main"], signingKey: packageKey, ca },
        },
      },
      registryMirrors: Object.fromEntries(["registry.k8s.io", "ghcr.io", "docker.io"].map(mirror)),
    };
  }
}
