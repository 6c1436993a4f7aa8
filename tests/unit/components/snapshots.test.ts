import * as pulumi from "@pulumi/pulumi";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { ApiClient } from "../../../components/in-cluster/api-client";
import { stackFile, vary } from "../../support/configs";
import { issuedCertificate, readStep, recordOnce, runProgram } from "../../support/recorder";

const sim = stackFile("sim").raw;
const recorded = recordOnce(sim, { stack: "sim" });
const masters = ["master-1", "master-2", "master-3"];

describe("every master", () => {
  test("takes snapshots for the stack's key, and knows how a cluster is begun on it", async () => {
    const { certificate } = await issuedCertificate("snapshots-key");
    for (const [index, master] of masters.entries()) {
      const { script, texts, rest } = readStep(recorded().command(`${master}-snapshots`));
      expect(script).toBe("configure-snapshots");
      expect(texts.FILES).toContain(certificate);
      expect(texts.FILES).toContain("EVERY=360\n");
      expect(texts.FILES).toContain("haproxy-1 machine k8s@10.20.0.10 22 -\n");
      expect(texts.FILES).toMatch(/^10\.20\.0\.10 ssh-ed25519 /m);
      expect(texts.FILES).toContain(`advertiseAddress: 10.20.0.2${String(index + 1)}`);
      expect(texts.FILES).toContain(`name: ${master}\n`);
      expect(rest).toContain("BEGIN OPENSSH PRIVATE KEY");
    }
  });

  test("has a key that every HAProxy machine lets in to bring snapshots", () => {
    const { script, parameters } = readStep(recorded().command("haproxy-1-snapshots"));
    expect({ script, parameters }).toEqual({
      script: "allow-snapshots",
      parameters: {
        SNAPSHOT_USER: "k8s",
        RECEIVE: "/usr/local/lib/esxi-k8s/receive-snapshot",
        KEEP: "12",
        SNAPSHOT_KEY: recorded().exports.snapshotPublicKey?.value,
      },
    });
  });

  test("brings them to a server instead when the configuration names one", async () => {
    const target = {
      host: "nas.example.org",
      port: 2222,
      user: "backup",
      path: "lab",
      hostKey: "ssh-ed25519 AAAAC3Nz",
    };
    const snapshots = { every: "1h", keep: 48, target };
    const recording = await runProgram(vary(sim, { controlPlane: { snapshots } }), { stack: "sim" });
    const { FILES = "" } = readStep(recording.command("master-1-snapshots")).texts;
    expect(FILES).toContain("nas.example.org sftp backup@nas.example.org 2222 lab\n");
    expect(FILES).toContain("[nas.example.org]:2222 ssh-ed25519 AAAAC3Nz\n");
    expect(FILES).toContain("KEEP=48\n");
    expect(recording.resources.map(({ name }) => name)).not.toContain("haproxy-1-snapshots");
  });
});

test("who restores finds in the state what the cluster need not say", async () => {
  const { certificate, key } = await issuedCertificate("snapshots-key");
  const { outputs = {}, secretOutputs } = recorded().get("Snapshots", "snapshots");
  expect(outputs).toMatchObject({
    endpoint: "10.20.0.10",
    user: "k8s",
    masters: { "master-1": "10.20.0.21", "master-2": "10.20.0.22", "master-3": "10.20.0.23" },
    frontends: { "haproxy-1": "10.20.0.10" },
    adminKey: recorded().exports.sshPrivateKey?.value,
    certificate,
    key,
  });
  expect(String(outputs.knownHosts).split("\n")).toHaveLength(5);
  expect(secretOutputs.sort()).toEqual(["adminKey", "key"]);
});

describe("what masters have taken", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const hour = 60 * 60 * 1000;
  const now = Date.now();
  const ago = (hours: number) => `${new Date(now - hours * hour).toISOString().slice(0, 19)}Z`;
  /** The program when the cluster answers with this, and the warnings about snapshots. */
  const run = async (api: ApiClient) => {
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    const { exports } = await runProgram(
      vary(sim, { consul: { enabled: false }, ingress: { enabled: false }, demo: false }),
      {
        stack: "sim",
        api,
      },
    );
    const said = warn.mock.calls.map(([text]) => text).filter((text) => text.includes("snapshot"));
    return { snapshots: exports.snapshots, said };
  };
  const answer =
    (created: string, data?: Record<string, string>): ApiClient =>
    (_, path) =>
      Promise.resolve(
        path.endsWith("/namespaces/kube-system/configmaps/esxi-k8s-snapshots")
          ? { metadata: { creationTimestamp: created }, data }
          : { items: [] },
      );

  test("is an output, without what masters have left that are none any more", async () => {
    const data = {
      "master-1": `${ago(1)} 4711 haproxy-1`,
      "master-2": `${ago(40)} 815 `,
      "master-9": `${ago(1)} 1 haproxy-1`,
    };
    const { snapshots, said } = await run(answer(ago(100), data));
    expect(snapshots).toMatchObject({
      secret: false,
      value: {
        "master-1": { taken: ago(1), bytes: 4711, copies: ["haproxy-1"] },
        "master-2": { taken: ago(40), bytes: 815, copies: [] },
      },
    });
    expect(said).toEqual([]);
  });

  test.each([
    ["the newest is old", 100, { "master-1": `${ago(13)} 1 haproxy-1` }, 13],
    ["the newest never left its master", 100, { "master-1": `${ago(1)} 1 `, "master-2": `${ago(14)} 1 haproxy-1` }, 14],
    ["there has never been one", 13, undefined, 13],
  ])("is a warning when %s", async (_, created, data, since) => {
    const { said } = await run(answer(ago(created), data));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(`no snapshot of the cluster has left its master since ${ago(since)}`);
  });

  test("is no warning in a cluster that is young", async () => {
    expect((await run(answer(ago(11)))).said).toEqual([]);
  });

  test("is nothing when the cluster does not answer", async () => {
    const { snapshots, said } = await run((_, path) =>
      path.includes("esxi-k8s-snapshots") ? Promise.reject(new Error("refused")) : Promise.resolve({ items: [] }),
    );
    expect({ value: snapshots?.value, said }).toEqual({ value: {}, said: [] });
  });
});
