/** Operations of one transaction; Consul takes 128. */
const transactionSize = 100;

/** Bytes of one request, and of one value: Consul's limits.txn_max_req_len and limits.kv_max_value_size. */
const requestBytes = 512 * 1024;

/** The longest value that an entry with this key can have: what a transaction has room for in base64 beside the rest of it. */
export function longestValue(key: string): number {
  const rest = Buffer.byteLength(JSON.stringify([operation(key, "")]));
  return Math.max(0, Math.floor((requestBytes - rest) / 4) * 3);
}

/** Bytes that all keys of the stack may have, a line each: a list of them is one value, and holds old and new keys while they change. */
export const mostKeyBytes = requestBytes / 2;

const policyNames = (rootKey: string) => ({ reader: `${rootKey}-reader`, editor: `${rootKey}-editor` });

/** Public halves of the tokens, fixed, so that a token is found again. */
const accessors = {
  reader: "5c0f5a4e-6f6b-4f0e-9d39-1d5a3b0c7a01",
  editor: "5c0f5a4e-6f6b-4f0e-9d39-1d5a3b0c7a02",
};

/** Bodies of `PUT /v1/acl/policy`, one a line. */
export function policyBodies(rootKey: string): string {
  const names = policyNames(rootKey);
  const own = `key_prefix "${rootKey}/"`;
  return lines([
    { Name: names.reader, Rules: `${own} { policy = "read" }` },
    // The web interface leads down from the root.
    { Name: names.editor, Rules: `key_prefix "" { policy = "read" } ${own} { policy = "write" }` },
  ]);
}

/**
 * Bodies of `PUT /v1/acl/token`, one a line.
 * @param secrets the tokens, UUIDs
 */
export function tokenBodies(rootKey: string, secrets: { reader: string; editor: string }): string {
  const names = policyNames(rootKey);
  return lines([
    {
      AccessorID: accessors.reader,
      SecretID: secrets.reader,
      Description: "Traefik",
      Policies: [{ Name: names.reader }],
    },
    {
      AccessorID: accessors.editor,
      SecretID: secrets.editor,
      Description: "people who edit routes",
      Policies: [{ Name: names.editor }],
    },
  ]);
}

/** What the step that declares entries reads: their keys, one a line, an empty line, and what `transactionBodies` says. */
export function entriesInput(entries: Record<string, string>): string {
  return [...Object.keys(entries), "", transactionBodies(entries)].join("\n");
}

/** Bodies of `PUT /v1/txn` that write entries, one a line. None is longer than Consul takes if no value is (`longestValue`). */
export function transactionBodies(entries: Record<string, string>): string {
  const bodies: object[][] = [];
  let bytes = Infinity;
  for (const [key, value] of Object.entries(entries)) {
    const next = operation(key, value);
    // Brackets, commas.
    const size = Buffer.byteLength(JSON.stringify(next)) + 1;
    const last = bodies.at(-1);
    if (last === undefined || last.length === transactionSize || bytes + size > requestBytes) {
      bodies.push([next]);
      bytes = size + 1;
    } else {
      last.push(next);
      bytes += size;
    }
  }
  return lines(bodies);
}

function operation(key: string, value: string): object {
  return { KV: { Verb: "set", Key: key, Value: Buffer.from(value).toString("base64") } };
}

function lines(bodies: unknown[]): string {
  return bodies.map((body) => `${JSON.stringify(body)}\n`).join("");
}
