import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { parse } from "yaml";
import { consul, domain } from "./client";
import { eventually, frontend, kubectl, output, temporaryFile } from "./lab";

/** What became of the writes to a store; times in seconds since the beginning. */
export interface Written {
  sent: number;
  acknowledged: number;
  /** Longest time without an acknowledged write, and when it began. */
  gap: number;
  gapAt: number;
}

interface Kubeconfig {
  clusters: [{ cluster: { server: string; "certificate-authority-data": string } }];
  users: [{ user: { "client-certificate-data": string; "client-key-data": string } }];
}

/**
 * Seconds without an acknowledged write to etcd that are no loss of its quorum. Its members elect another leader within three and the address
 * moves to the other HAProxy machine within four, on cores that are not busy. A lost quorum lasts until a machine is cloned, has booted and
 * joined: 30 and more.
 */
const bearable = 15;

/**
 * Nothing that was acknowledged is lost, and etcd never lost its quorum.
 * @param reachable whether its masters could be asked all the while
 */
export function expectKept(
  { etcd, consul, lost }: Awaited<ReturnType<Writers["stop"]>>,
  { reachable } = { reachable: true },
): void {
  console.log("etcd:", etcd, "Consul:", consul);
  expect(lost).toEqual({ etcd: [], consul: [] });
  if (reachable) {
    expect(etcd.gap).toBeLessThan(bearable);
  }
}

/**
 * Two clients that write all the while: objects to the API server, so to etcd, by the endpoint that everybody uses, and keys to Consul
 * through the ingress. What was acknowledged is remembered outside of the cluster.
 */
export class Writers {
  private constructor(
    private readonly name: string,
    private readonly folder: string,
    /** Ends the writing. */
    readonly end: () => Promise<Record<Store, Written>>,
  ) {}

  /** @param name of what they write, and of the folder in artifacts/ in which they remember */
  static async start(name: string): Promise<Writers> {
    const folder = join("artifacts", name);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await kubectl("create", "namespace", name);
    const settings = await temporaryFile(JSON.stringify(await targets(name)));
    const writing = spawn("sim/enter", ["node", "tests/e2e/support/write.mjs", settings, folder], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const printed = text(writing.stdout);
    return new Writers(name, folder, async () => {
      writing.stdin.end();
      return JSON.parse(await printed) as Record<Store, Written>;
    });
  }

  /**
   * Ends the writing, and takes away what was written.
   * @returns what became of it, and what was acknowledged and is not there
   */
  async stop(): Promise<Record<Store, Written> & { lost: Record<Store, string[]> }> {
    const written = await this.end();
    const lost = await Promise.all(stores.map(async (store) => [store, await this.missing(store)] as const));
    await kubectl("delete", "namespace", this.name, "--wait=false");
    expect((await consul(await token(), "DELETE", `kv/${this.name}/?recurse`)).status).toBe("200");
    return { ...written, lost: Object.fromEntries(lost) as Record<Store, string[]> };
  }

  private async missing(store: Store): Promise<string[]> {
    const there = new Set(await eventually(60, () => present[store](this.name)));
    const acknowledged = (await readFile(join(this.folder, store), "utf8")).trim().split("\n");
    return acknowledged.filter((number) => !there.has(number));
  }
}

type Store = "etcd" | "consul";
const stores: Store[] = ["etcd", "consul"];
const token = () => output("consulBootstrapToken");

/** The numbers that a store has, as a majority of its members sees it. */
const present: Record<Store, (name: string) => Promise<string[]>> = {
  etcd: async (name) => {
    const names = await kubectl("-n", name, "get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}");
    return names.split(" ").flatMap((found) => /^written-(\d+)$/.exec(found)?.[1] ?? []);
  },
  consul: async (name) => {
    const { status, body } = await consul(await token(), "GET", `kv/${name}/?keys&consistent`);
    expect(status).toBe("200");
    return (JSON.parse(body) as string[]).map((key) => key.slice(name.length + 1));
  },
};

async function targets(name: string): Promise<Record<Store, object>> {
  const { clusters, users } = parse(await output("kubeconfig")) as Kubeconfig;
  const plain = (base64: string) => Buffer.from(base64, "base64").toString();
  const [{ cluster }] = clusters;
  const [{ user }] = users;
  const { hostname, port } = new URL(cluster.server);
  const host = `consul.${domain}`;
  return {
    etcd: {
      ...{ host: hostname, port, method: "POST", path: `/api/v1/namespaces/${name}/configmaps`, accepted: 201 },
      body: JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "written-@N@" } }),
      headers: { "content-type": "application/json" },
      ca: plain(cluster["certificate-authority-data"]),
      cert: plain(user["client-certificate-data"]),
      key: plain(user["client-key-data"]),
    },
    consul: {
      ...{ host: frontend, servername: host, port: 443, method: "PUT", path: `/v1/kv/${name}/@N@`, accepted: 200 },
      body: "@N@",
      headers: { host, "x-consul-token": await token() },
      ca: await output("certificateAuthority"),
    },
  };
}
