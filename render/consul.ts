/** Operations of one transaction; Consul takes 128. */
const transactionSize = 100;

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

/** Bodies of `PUT /v1/txn` that write entries, one a line. */
export function transactionBodies(entries: Record<string, string>): string {
  const operations = Object.entries(entries).map(([key, value]) => ({
    KV: { Verb: "set", Key: key, Value: Buffer.from(value).toString("base64") },
  }));
  const count = Math.ceil(operations.length / transactionSize);
  return lines(
    Array.from({ length: count }, (_, index) =>
      operations.slice(index * transactionSize, (index + 1) * transactionSize),
    ),
  );
}

function lines(bodies: unknown[]): string {
  return bodies.map((body) => `${JSON.stringify(body)}\n`).join("");
}
