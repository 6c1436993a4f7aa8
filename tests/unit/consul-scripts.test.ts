import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { entriesInput, policyBodies, tokenBodies } from "../../render/consul";
import { issueByProgram } from "../support/certificates";
import { bootstrapToken, FakeConsul } from "../support/consul";

const secrets = {
  reader: "00000000-0000-4000-8000-000000000001",
  editor: "00000000-0000-4000-8000-000000000002",
};
const record = "esxi-k8s/entries";

let consul: FakeConsul;
beforeAll(async () => {
  consul = await new FakeConsul().start();
});
beforeEach(() => {
  consul.reset();
});
afterAll(() => {
  consul.stop();
});

const configure = (tokens = secrets, rootKey = "traefik") =>
  consul.run("configure-consul-acl", {
    texts: { POLICIES: policyBodies(rootKey) },
    stdin: tokenBodies(rootKey, tokens),
  });

const declare = (entries: Record<string, string>) =>
  consul.run("declare-consul-entries", { stdin: entriesInput(entries) });

/** The store without the record of what the stack owns. */
const stored = () => Object.fromEntries([...consul.entries].filter(([key]) => key !== record));
const owned = () => (consul.entries.get(record) ?? "").split("\n").filter((key) => key !== "");

describe("what speaks to Consul", () => {
  test("puts no token on a command line, where every user of the machine could read it", async () => {
    await expect(configure()).resolves.toMatchObject({ status: 0 });
    expect(consul.commandLines()).toContain("https://consul-ui.consul.svc/v1/acl/token");
    expect(consul.commandLines()).toContain("--resolve consul-ui.consul.svc:443:10.96.7.7");
    for (const token of [bootstrapToken, secrets.reader, secrets.editor]) {
      expect(consul.commandLines()).not.toContain(token);
    }
  });

  test("waits until a leader knows the token", async () => {
    const asked: string[] = [];
    consul.fails = (request) => asked.push(request) === 1;
    await expect(declare({ a: "1" })).resolves.toMatchObject({ status: 0 });
    expect(asked.slice(0, 2)).toEqual(["GET /v1/acl/token/self", "GET /v1/acl/token/self"]);
    expect(stored()).toEqual({ a: "1" });
  });

  test("asks again when the servers elect another leader meanwhile", async () => {
    const asked = new Map<string, number>();
    // Every request but the first, which waits for the first leader, fails once.
    consul.elects = (request) => {
      asked.set(request, (asked.get(request) ?? 0) + 1);
      return request !== "GET /v1/acl/token/self" && asked.get(request) === 1;
    };
    await expect(declare({ a: "1" })).resolves.toMatchObject({
      status: 0,
      stdout: "entries: 1 declared, 0 taken away\n",
    });
    expect(stored()).toEqual({ a: "1" });
    expect(owned()).toEqual(["a"]);
  });

  test("tells a server that the authority does not vouch for nothing, and says why", async () => {
    const { certificate: ca } = issueByProgram({ commonName: "authority", days: 1 });
    const { status, stdout, stderr } = await consul.run(
      "declare-consul-entries",
      { stdin: entriesInput({}) },
      { ca, patience: 0 },
    );
    expect(status).not.toBe(0);
    expect(stdout).toBe("");
    expect(stderr).toContain("gave up after 0s waiting for Consul to elect a leader");
    expect(stderr).toContain("certificate");
    expect(consul.requests).toEqual([]);
  });
});

describe("a file of the servers", () => {
  const sum = createHash("sha256").update("a certificate\n").digest("hex");
  const parameters = { SECRET: "consul-server-cert", FILE: "/consul/tls/server/tls.crt", SUM: sum };
  const reload = () => consul.run("reload-consul", { parameters }, { patience: 0 });
  const earlier = "2026-11-27T10:59:59Z";

  test("is taken by each of them, with the token on no command line", async () => {
    const reloads = consul.servers({ "consul-server-0": earlier, "consul-server-1": earlier }, "a certificate\n");
    await expect(reload()).resolves.toEqual({
      status: 0,
      stdout: ["0", "1"].map((server) => `consul-server-${server} has /consul/tls/server/tls.crt\n`).join(""),
      stderr: "",
    });
    expect(reloads()).toEqual([`${sum}  - ${bootstrapToken}`, `${sum}  - ${bootstrapToken}`]);
  });

  test("is what a server has that began later", async () => {
    const reloads = consul.servers({ "consul-server-0": "2026-11-27T11:00:01Z" }, "a certificate\n");
    await expect(reload()).resolves.toMatchObject({
      status: 0,
      stdout: "consul-server-0 began with /consul/tls/server/tls.crt as it is\n",
    });
    expect(reloads()).toEqual([]);
  });

  test("is nobody's business where no server is yet", async () => {
    const reloads = consul.servers({}, "a certificate\n");
    await expect(reload()).resolves.toMatchObject({ status: 0, stdout: "no server is there yet\n" });
    expect(reloads()).toEqual([]);
    expect(consul.requests).toEqual([]);
  });

  test("is waited for, and one that does not come is said, with the server", async () => {
    const reloads = consul.servers({ "consul-server-0": earlier }, "another one\n");
    const { status, stderr } = await reload();
    expect(status).not.toBe(0);
    expect(stderr).toContain("consul-server-0 to have /consul/tls/server/tls.crt as its Secret has it");
    expect(reloads()).toEqual([]);
  });
});

describe("policies and tokens", () => {
  test("are created where there are none", async () => {
    await expect(configure()).resolves.toMatchObject({ status: 0, stderr: "" });
    expect([...consul.policies.values()].map(({ Name }) => Name)).toEqual(["traefik-reader", "traefik-editor"]);
    const tokens = [...consul.tokens.values()];
    expect(tokens.map(({ SecretID }) => SecretID)).toEqual([secrets.reader, secrets.editor]);
    expect(tokens.map(({ Policies }) => Policies)).toEqual([
      [{ Name: "traefik-reader" }],
      [{ Name: "traefik-editor" }],
    ]);
  });

  test("are brought back to what the stack says, in place", async () => {
    await configure();
    for (const policy of consul.policies.values()) {
      policy.Rules = 'key_prefix "" { policy = "write" }';
    }
    for (const token of consul.tokens.values()) {
      token.Policies = [];
    }
    consul.requests.length = 0;
    await expect(configure()).resolves.toMatchObject({ status: 0, stderr: "" });
    expect([...consul.policies.values()][0]?.Rules).toBe('key_prefix "traefik/" { policy = "read" }');
    expect([...consul.tokens.values()].map(({ Policies }) => Policies.length)).toEqual([1, 1]);
    expect(consul.policies.size).toBe(2);
    // Whoever holds a token is never without it.
    expect(consul.requests.filter((request) => request.startsWith("DELETE"))).toEqual([]);
  });

  test("a token whose secret is another one is replaced, the other is not", async () => {
    await configure();
    consul.requests.length = 0;
    const another = { ...secrets, editor: "00000000-0000-4000-8000-000000000003" };
    await expect(configure(another)).resolves.toMatchObject({ status: 0, stderr: "" });
    expect([...consul.tokens.values()].map(({ SecretID }) => SecretID)).toEqual([another.reader, another.editor]);
    const deleted = consul.requests.filter((request) => request.startsWith("DELETE"));
    expect(deleted).toEqual([expect.stringMatching(/7a02$/)]);
  });

  test("a run that ended between taking a token away and giving another is finished by the next", async () => {
    await configure();
    const another = { ...secrets, reader: "00000000-0000-4000-8000-000000000004" };
    consul.fails = (request) => request === "PUT /v1/acl/token";
    expect((await configure(another)).status).not.toBe(0);
    expect(consul.tokens.size).toBe(1);
    consul.fails = () => false;
    await expect(configure(another)).resolves.toMatchObject({ status: 0 });
    expect([...consul.tokens.values()].map(({ SecretID }) => SecretID).sort()).toEqual(Object.values(another).sort());
  });

  test("a policy that cannot be written is a failure that says why, without a token", async () => {
    consul.fails = (request) => request === "PUT /v1/acl/policy";
    const { status, stdout, stderr } = await configure();
    expect(status).not.toBe(0);
    expect(stderr).toContain("step configure-consul-acl on master-1 failed with exit code");
    expect(stdout + stderr).not.toContain(secrets.reader);
    expect(consul.tokens.size).toBe(0);
  });

  test("what is printed names policies and public halves, never a token", async () => {
    const { stdout } = await configure();
    expect(stdout.split("\n").slice(0, 2)).toEqual(["policy traefik-reader", "policy traefik-editor"]);
    for (const token of [bootstrapToken, ...Object.values(secrets)]) {
      expect(stdout).not.toContain(token);
    }
  });
});

describe("entries", () => {
  const route = { "traefik/http/routers/shop/rule": "Host(`shop.example.org`)", "other/größe": "日本\n" };

  test("are written, and known to be the stack's", async () => {
    await expect(declare(route)).resolves.toMatchObject({ status: 0, stderr: "" });
    expect(stored()).toEqual(route);
    expect(owned().sort()).toEqual(Object.keys(route).sort());
  });

  test("of others stay, also where the stack's are taken away", async () => {
    consul.entries.set("traefik/http/routers/cart/rule", "Host(`cart.example.org`)");
    await declare(route);
    await expect(declare({})).resolves.toMatchObject({ status: 0, stderr: "" });
    expect(stored()).toEqual({ "traefik/http/routers/cart/rule": "Host(`cart.example.org`)" });
    expect(owned()).toEqual([]);
  });

  test("that the stack does not name any more are taken away, and others come", async () => {
    await declare({ a: "1", b: "2" });
    await expect(declare({ b: "3", c: "4" })).resolves.toMatchObject({ status: 0, stderr: "" });
    expect(stored()).toEqual({ b: "3", c: "4" });
    expect(owned()).toEqual(["b", "c"]);
  });

  test("that people edited are brought back", async () => {
    await declare({ a: "1" });
    consul.entries.set("a", "2");
    await declare({ a: "1" });
    expect(stored()).toEqual({ a: "1" });
  });

  test("of which one begins like another are told apart", async () => {
    await declare({ "app/a": "1", "app/ab": "2", "app/a/b": "3", "app/axb": "4" });
    await declare({ "app/axb": "4" });
    expect(stored()).toEqual({ "app/axb": "4" });
    await declare({ "app/a.b": "5" });
    expect(stored()).toEqual({ "app/a.b": "5" });
  });

  test("none of them is a store without any", async () => {
    await expect(declare({})).resolves.toMatchObject({ status: 0, stderr: "" });
    expect(stored()).toEqual({});
  });

  test("more than a transaction takes are all written", async () => {
    const many = Object.fromEntries(Array.from({ length: 230 }, (_, index) => [`many/${index}`, String(index)]));
    await expect(declare(many)).resolves.toMatchObject({ status: 0 });
    expect(stored()).toEqual(many);
  });

  test("are taken away alone, whatever their keys would mean in a URL or in JSON", async () => {
    const names = ["what?recurse", "a#b", "100%", "[1-9]", "{a,b}", 'quote"s', "back\\slash", "@media.css", "größe"];
    const odd = Object.fromEntries(names.map((name) => [`app/${name}`, "mine"]));
    const neighbours = { "app/what": "1", "app/whatever": "2", "app/a": "3", "app/100": "4", "app/1": "5" };
    for (const [key, value] of Object.entries(neighbours)) {
      consul.entries.set(key, value);
    }
    await expect(declare(odd)).resolves.toMatchObject({ status: 0 });
    expect(stored()).toEqual({ ...neighbours, ...odd });
    await expect(declare({})).resolves.toMatchObject({ status: 0, stderr: "" });
    expect(stored()).toEqual(neighbours);
  });

  test("a run that ended before its transactions is finished by the next, whatever that one declares", async () => {
    await declare({ a: "1", b: "2" });
    consul.fails = (request) => request === "PUT /v1/txn";
    const { status, stderr } = await declare({ b: "3", c: "4" });
    expect(status).not.toBe(0);
    expect(stderr).toContain("step declare-consul-entries on master-1 failed with exit code");
    expect(owned().sort()).toEqual(["a", "b", "c"]);
    consul.fails = () => false;
    await expect(declare({ d: "5" })).resolves.toMatchObject({ status: 0 });
    expect(stored()).toEqual({ d: "5" });
    expect(owned()).toEqual(["d"]);
  });

  test("a run that ended behind its transactions leaves nothing that the next one does not know", async () => {
    let records = 0;
    consul.fails = (request) => request === `PUT /v1/kv/${record}` && ++records === 2;
    expect((await declare({ a: "1" })).status).not.toBe(0);
    expect(stored()).toEqual({ a: "1" });
    await declare({});
    expect(stored()).toEqual({});
  });

  test("a record that cannot be read is no empty one: what the stack owns would be forgotten", async () => {
    await declare({ a: "1", b: "2" });
    consul.fails = (request) => request === `GET /v1/kv/${record}`;
    const { status, stderr } = await declare({ b: "2" });
    expect(status).not.toBe(0);
    expect(stderr).toContain("internal error");
    consul.fails = () => false;
    await expect(declare({ b: "2" })).resolves.toMatchObject({ status: 0 });
    expect(stored()).toEqual({ b: "2" });
  });
});
