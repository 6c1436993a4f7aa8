import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { longestValue, mostKeyBytes, policyBodies, tokenBodies, transactionBodies } from "../../render/consul";

interface Operation {
  KV: { Verb: string; Key: string; Value: string };
}

const secrets = {
  reader: "00000000-0000-4000-8000-000000000001",
  editor: "00000000-0000-4000-8000-000000000002",
};

test("bodies of API calls read as before", async () => {
  const entries = { "traefik/http/routers/shop/rule": "Host(`shop.example.org`)", "other/empty": "" };
  const text = [policyBodies("traefik"), tokenBodies("traefik", secrets), transactionBodies(entries)].join("\n");
  await expect(text).toMatchFileSnapshot("./__snapshots__/consul-bodies.txt");
});

/** What a text of bodies, one a line, holds. */
function bodies<T>(text: string): T[] {
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T);
}

describe("policies and tokens", () => {
  test("each token has the policy of its name, and nothing else", () => {
    const names = bodies<{ Name: string }>(policyBodies("routes")).map(({ Name }) => Name);
    const tokens = bodies<{ SecretID: string; Policies: { Name: string }[] }>(tokenBodies("routes", secrets));
    expect(names).toEqual(["routes-reader", "routes-editor"]);
    expect(tokens.map(({ SecretID, Policies }) => [SecretID, ...Policies.map(({ Name }) => Name)])).toEqual([
      [secrets.reader, "routes-reader"],
      [secrets.editor, "routes-editor"],
    ]);
  });

  test("only the editor writes, and only below the root", () => {
    const [reader, editor] = bodies<{ Rules: string }>(policyBodies("routes"));
    expect(reader?.Rules).toBe('key_prefix "routes/" { policy = "read" }');
    expect(editor?.Rules.match(/"[^"]*" \{ policy = "write" \}/g)).toEqual(['"routes/" { policy = "write" }']);
  });

  test("a token is found again by a public half that does not change with its secret", () => {
    const accessors = (them: typeof secrets) =>
      bodies<{ AccessorID: string }>(tokenBodies("traefik", them)).map(({ AccessorID }) => AccessorID);
    expect(accessors({ reader: secrets.editor, editor: secrets.reader })).toEqual(accessors(secrets));
    expect(new Set([...accessors(secrets), ...Object.values(secrets)]).size).toBe(4);
  });
});

describe("transactions", () => {
  test("none for no entries", () => {
    expect(transactionBodies({})).toBe("");
  });

  test.each([
    [1, [1]],
    [100, [100]],
    [101, [100, 1]],
    [250, [100, 100, 50]],
  ])("%i entries take as many as Consul's limit asks for", (count, sizes) => {
    const entries = Object.fromEntries(Array.from({ length: count }, (_, index) => [`key/${index}`, String(index)]));
    const found = bodies<Operation[]>(transactionBodies(entries));
    expect(found.map(({ length }) => length)).toEqual(sizes);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(128);
    expect(found.flat().map(({ KV }) => KV.Key)).toEqual(Object.keys(entries));
  });

  const limit = 512 * 1024;
  const sizes = (entries: Record<string, string>) =>
    transactionBodies(entries)
      .split("\n")
      .map((line) => Buffer.byteLength(line));

  test("are split by bytes too: fifty certificates with their chains", () => {
    const entries = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`traefik/tls/certificates/${index}/certFile`, "x".repeat(12_000)]),
    );
    const found = sizes(entries);
    expect(found.length).toBeGreaterThan(2);
    expect(Math.max(...found)).toBeLessThanOrEqual(limit);
    expect(bodies<Operation[]>(transactionBodies(entries)).flat()).toHaveLength(50);
  });

  test.each(["k", "traefik/ü/日本", 'with "quotes" and \\'])("of the longest value of %s fill a request", (key) => {
    const most = longestValue(key);
    expect(Math.max(...sizes({ [key]: "x".repeat(most) }))).toBeLessThanOrEqual(limit);
    expect(Math.max(...sizes({ [key]: "x".repeat(most + 1) }))).toBeGreaterThan(limit);
    // One that fills a request stands alone.
    const { length } = bodies<Operation[]>(transactionBodies({ a: "1", [key]: "x".repeat(most), z: "2" }));
    expect(length).toBe(3);
  });

  test("hold lists of old and new keys, each of the longest, in one value", () => {
    expect(2 * mostKeyBytes).toBe(limit);
  });

  test("of entries of any size stay within Consul's limits, and keep their order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 20 }), (lengths) => {
        const entries = Object.fromEntries(lengths.map((length, index) => [`k${index}`, "v".repeat(length)]));
        expect(Math.max(0, ...sizes(entries))).toBeLessThanOrEqual(limit);
        const keys = bodies<Operation[]>(transactionBodies(entries)).flatMap((body) => body.map(({ KV }) => KV.Key));
        expect(keys).toEqual(Object.keys(entries));
      }),
      { numRuns: 30 },
    );
  });

  test("every key and value arrives as it was, on one line", () => {
    const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("", "\n", '"', "\\", "日本", "a\r\nb\0"));
    fc.assert(
      fc.property(
        fc.dictionary(
          text.filter((key) => key !== "__proto__"),
          text,
        ),
        (entries) => {
          const operations = bodies<Operation[]>(transactionBodies(entries)).flat();
          expect(operations.every(({ KV }) => KV.Verb === "set")).toBe(true);
          const read = operations.map(({ KV }) => [KV.Key, Buffer.from(KV.Value, "base64").toString()]);
          expect(Object.fromEntries(read)).toEqual({ ...entries });
        },
      ),
    );
  });
});
