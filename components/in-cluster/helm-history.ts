import { gunzipSync, gzipSync } from "node:zlib";
import type { ApiClient } from "./api-client";

/** A Secret in which Helm keeps one revision of a release: JSON, gzipped, base64, and base64 again as all of a Secret's data. */
export interface RevisionSecret {
  metadata: { name: string; labels: Record<string, string> };
  data: { release: string };
}

/** Name of the ConfigMap that says, in a release's namespace, that Pulumi knows the release: made once its creation is recorded. */
export const knownMark = "esxi-k8s-release";

/**
 * Marks revisions that a killed run left as failed, as Helm does itself when it is not killed; failed ones it repairs.
 * A pending one makes it refuse everything ("another operation is in progress"), and one that was finished when nobody listened any more
 * makes it refuse the creation that Pulumi still owes ("cannot re-use a name").
 */
export async function failAbandonedReleases(api: ApiClient, namespace: string, name: string): Promise<void> {
  const list = async <T>(kind: string, selector: string) => {
    const path = `/api/v1/namespaces/${namespace}/${kind}?${selector}`;
    return ((await api("GET", path)) as { items: T[] }).items;
  };
  const marks = await list("configmaps", `fieldSelector=${encodeURIComponent(`metadata.name=${knownMark}`)}`);
  const states = [
    "pending-install",
    "pending-upgrade",
    "pending-rollback",
    ...(marks.length === 0 ? ["deployed"] : []),
  ];
  const abandoned = `owner=helm,name=${name},status in (${states.join(",")})`;
  for (const secret of await list<RevisionSecret>("secrets", `labelSelector=${encodeURIComponent(abandoned)}`)) {
    const path = `/api/v1/namespaces/${namespace}/secrets/${secret.metadata.name}`;
    await api("PUT", path, { apiVersion: "v1", kind: "Secret", ...failed(secret) });
  }
}

/** The same revision with the status "failed", in its label and in its record. */
export function failed(secret: RevisionSecret): RevisionSecret {
  const encoded = Buffer.from(secret.data.release, "base64").toString();
  const record = JSON.parse(gunzipSync(Buffer.from(encoded, "base64")).toString()) as { info: Record<string, unknown> };
  record.info = { ...record.info, status: "failed", description: "interrupted" };
  const text = gzipSync(JSON.stringify(record)).toString("base64");
  return {
    ...secret,
    metadata: { ...secret.metadata, labels: { ...secret.metadata.labels, status: "failed" } },
    data: { release: Buffer.from(text).toString("base64") },
  };
}
