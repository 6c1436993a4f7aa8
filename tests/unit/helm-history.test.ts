import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { failAbandonedReleases, failed, type RevisionSecret } from "../../components/in-cluster/helm-history";

type Status = "deployed" | "superseded" | "failed" | "pending-install" | "pending-upgrade" | "pending-rollback";

const release = (revision: number, status: Status, name = "traefik") => ({
  name,
  info: {
    first_deployed: "2026-03-14T09:26:53.589793238Z",
    deleted: "",
    description: "Preparing upgrade",
    status,
    notes: "größer als 日本\n",
  },
  chart: { metadata: { name, version: "1.2.3" }, templates: [{ name: "a", data: "e3t9fQ==" }] },
  config: { replicas: 2 },
  manifest: "---\nkind: Pod\n",
  version: revision,
  namespace: name,
});

/** A Secret as Helm's driver writes it: pkg/storage/driver/secrets.go and util.go; data as the API shows it. */
function record(revision: number, status: Status, name = "traefik"): RevisionSecret {
  const encoded = gzipSync(JSON.stringify(release(revision, status, name)), { level: 9 }).toString("base64");
  return {
    metadata: {
      name: `sh.helm.release.v1.${name}.v${revision}`,
      labels: { name, owner: "helm", status, version: String(revision), modifiedAt: "1773480413" },
      ...{ namespace: name, uid: "6f6b", resourceVersion: "4711" },
    },
    data: { release: Buffer.from(encoded).toString("base64") },
    ...{ type: "helm.sh/release.v1" },
  };
}

/** Reads a record as Helm does: out of the Secret's base64, out of its own, and unpacked if it is packed. */
function decoded({ data }: RevisionSecret): unknown {
  const packed = Buffer.from(Buffer.from(data.release, "base64").toString(), "base64");
  expect(packed.subarray(0, 3)).toEqual(Buffer.from([0x1f, 0x8b, 0x08]));
  return JSON.parse(gunzipSync(packed).toString());
}

describe("a failed revision", () => {
  test.each(["pending-install", "pending-upgrade", "pending-rollback"] as const)(
    "of %s has another status",
    (status) => {
      const before = record(7, status);
      const after = failed(before);
      const { info, ...rest } = release(7, status);
      expect(decoded(after)).toEqual({ ...rest, info: { ...info, status: "failed", description: "interrupted" } });
      expect(after).toEqual({
        ...before,
        metadata: { ...before.metadata, labels: { ...before.metadata.labels, status: "failed" } },
        data: after.data,
      });
    },
  );

  test("is a copy", () => {
    const before = record(7, "pending-upgrade");
    const untouched = structuredClone(before);
    failed(before);
    expect(before).toEqual(untouched);
  });
});

/** An API server with Secrets of some releases; takes label selectors of the two forms that are used. */
class FakeApi {
  readonly written: { path: string; body: unknown }[] = [];

  /** @param known whether Pulumi has recorded the creation of the releases */
  constructor(
    private readonly secrets: RevisionSecret[],
    private readonly known = true,
  ) {}

  readonly client = (method: "GET" | "PUT", path: string, body?: unknown): Promise<unknown> => {
    if (method === "PUT") {
      this.written.push({ path, body });
      return Promise.resolve(body);
    }
    const url = new URL(path, "https://127.0.0.1");
    if (url.pathname.endsWith("/configmaps")) {
      expect(url.searchParams.get("fieldSelector")).toBe("metadata.name=esxi-k8s-release");
      return Promise.resolve({ items: this.known ? [{}] : [] });
    }
    const selector = url.searchParams.get("labelSelector") ?? "";
    const namespace = /^\/api\/v1\/namespaces\/([^/]+)\/secrets$/.exec(url.pathname)?.[1];
    const items = this.secrets.filter(
      ({ metadata }) =>
        (metadata as { namespace?: string }).namespace === namespace && selects(selector, metadata.labels),
    );
    return Promise.resolve({ items });
  };
}

function selects(selector: string, labels: Record<string, string>): boolean {
  const requirements = [...selector.matchAll(/(\w+)(?:=([\w-]+)| in \(([\w,-]+)\))(?:,|$)/g)];
  expect(requirements.map(([text]) => text).join("")).toBe(selector);
  return requirements.every(([, key = "", value, set]) => (set?.split(",") ?? [value]).includes(labels[key]));
}

describe("a history", () => {
  const history = (pending: Status) => [
    record(1, "superseded"),
    record(2, "failed"),
    record(3, "deployed"),
    record(4, pending),
    record(4, pending, "consul"),
  ];

  test.each(["pending-install", "pending-upgrade", "pending-rollback"] as const)(
    "that ends with %s is healed",
    async (status) => {
      const api = new FakeApi(history(status));
      await failAbandonedReleases(api.client, "traefik", "traefik");
      expect(api.written.map(({ path }) => path)).toEqual([
        "/api/v1/namespaces/traefik/secrets/sh.helm.release.v1.traefik.v4",
      ]);
      const body = api.written[0]?.body as RevisionSecret;
      expect(body).toMatchObject({
        apiVersion: "v1",
        kind: "Secret",
        type: "helm.sh/release.v1",
        // Somebody else who goes on with it meanwhile wins.
        metadata: {
          name: "sh.helm.release.v1.traefik.v4",
          resourceVersion: "4711",
          labels: { owner: "helm", status: "failed" },
        },
      });
      expect(decoded(body)).toMatchObject({ version: 4, info: { status: "failed", description: "interrupted" } });
    },
  );

  test("that was completed when nobody listened any more is healed", async () => {
    const api = new FakeApi([record(1, "deployed")], false);
    await failAbandonedReleases(api.client, "traefik", "traefik");
    expect(api.written.map(({ path }) => path)).toEqual([
      "/api/v1/namespaces/traefik/secrets/sh.helm.release.v1.traefik.v1",
    ]);
  });

  test("that is complete is left alone", async () => {
    const api = new FakeApi(history("deployed"));
    await failAbandonedReleases(api.client, "traefik", "traefik");
    expect(api.written).toEqual([]);
  });

  test("that cannot be written is an error", async () => {
    const [pending] = history("pending-upgrade").slice(3);
    const client = (method: string) =>
      method === "GET" ? Promise.resolve({ items: [pending] }) : Promise.reject(new Error("conflict"));
    await expect(failAbandonedReleases(client, "traefik", "traefik")).rejects.toThrow("conflict");
  });
});
