import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const tools = join(__dirname, "..", "..", "tools");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tools-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("addresses", () => {
  const outputs = {
    apiUrl: "https://10.20.0.10:6443",
    consulUrl: "https://consul.k8s.internal/ui/",
    dashboardUrl: "https://traefik.k8s.internal/dashboard/",
    statsUrl: "http://10.20.0.10:8404/stats",
    frontendAddress: "10.20.0.10",
    demoHosts: { kubernetes: "demo-kubernetes.k8s.internal", file: "demo-file.k8s.internal" },
    ingressHosts: { kubernetes: ["traefik.k8s.internal", "consul.k8s.internal"], file: [], consul: ["a.example"] },
  };

  /** What the tool prints about a stack with these outputs. */
  function printed(stack: string, values: object): string {
    writeFileSync(
      join(folder, "pulumi"),
      `#!/bin/sh\nprintf '%s\\n' "$*" >&2\ncat <<'END'\n${JSON.stringify(values)}\nEND\n`,
    );
    chmodSync(join(folder, "pulumi"), 0o755);
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH ?? ""}` };
    return execFileSync(process.execPath, [join(tools, "addresses.mjs"), stack], {
      env,
      encoding: "utf8",
      stdio: "pipe",
    });
  }

  test("are those of every page that the stack has, in columns", () => {
    expect(printed("lab", outputs)).toBe(
      [
        "",
        "Kubernetes API       https://10.20.0.10:6443",
        "Consul               https://consul.k8s.internal/ui/",
        "Traefik dashboard    https://traefik.k8s.internal/dashboard/",
        "HAProxy statistics   http://10.20.0.10:8404/stats",
        "demo by kubernetes   https://demo-kubernetes.k8s.internal/",
        "demo by file         https://demo-file.k8s.internal/",
        "",
        "Let your name server, or /etc/hosts, answer with 10.20.0.10 for: traefik.k8s.internal consul.k8s.internal a.example",
        "",
      ].join("\n"),
    );
  });

  test("leave out what the stack does not have", () => {
    const { apiUrl, statsUrl, frontendAddress } = outputs;
    const text = printed("lab", {
      apiUrl,
      statsUrl,
      frontendAddress,
      ingressHosts: { kubernetes: [], file: [], consul: [] },
    });
    expect(text).toBe(
      "\nKubernetes API       https://10.20.0.10:6443\nHAProxy statistics   http://10.20.0.10:8404/stats\n",
    );
  });

  test("of the simulated lab are opened otherwise", () => {
    expect(printed("sim", outputs)).toContain("\nTo open them in a browser of this machine: make ui\n");
    expect(printed("sim", outputs)).not.toContain("/etc/hosts");
  });
});

/** The first bytes that a connection brings, which ends it. */
async function start(socket: net.Socket, length: number): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer);
    if (Buffer.concat(chunks).length >= length) {
      break;
    }
  }
  return Buffer.concat(chunks).toString();
}

describe("a relay", () => {
  /** A server on a port of its own. */
  async function listening(serve: (socket: net.Socket) => void) {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      serve(socket);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return { target: `127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets };
  }

  /** Greets and sends back what it gets. */
  const echo = () =>
    listening((socket) => {
      socket.write("hello ");
      socket.pipe(socket);
    });

  async function relayed(targets: string[], check: (connect: (target: string) => net.Socket) => Promise<void>) {
    const relay = spawn(process.execPath, [join(tools, "relay.mjs"), folder, ...targets]);
    try {
      const [line] = (await once(relay.stdout, "data")) as [Buffer];
      expect(line.toString()).toBe("listening\n");
      await check((target) => net.connect(join(folder, target)).on("error", () => undefined));
      // An end of one connection is no end of the relay.
      expect(relay.exitCode).toBeNull();
    } finally {
      relay.kill();
      await once(relay, "close");
      for (const target of targets) {
        rmSync(join(folder, target), { force: true });
      }
    }
  }

  test("passes both directions on, each to its target", async () => {
    const [one, two] = [await echo(), await echo()];
    await relayed([one.target, two.target], async (connect) => {
      const [first, second] = [connect(one.target), connect(two.target)];
      const long = "é".repeat(100_000);
      first.write("one");
      second.write(long);
      expect(await start(first, "hello one".length)).toBe("hello one");
      expect(await start(second, Buffer.byteLength(`hello ${long}`))).toBe(`hello ${long}`);
    });
    expect([one.sockets.length, two.sockets.length]).toEqual([1, 1]);
    one.server.close();
    two.server.close();
  });

  test("passes all on that a target sent before its end, also to a client that is slow", async () => {
    // Somewhere between, the last piece no longer fits into what the kernel keeps for the client.
    const sizes = Array.from({ length: 24 }, (_, index) => (index + 1) * 15_000);
    let served = 0;
    const { target, server } = await listening((socket) => socket.end("x".repeat(sizes[served++] ?? 0)));
    await relayed([target], async (connect) => {
      for (const size of sizes) {
        const client = connect(target);
        await once(client, "connect");
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect((await text(client)).length).toBe(size);
      }
    });
    server.close();
  });

  test("ends a connection whose target is gone, and goes on", async () => {
    const { target, server, sockets } = await echo();
    await relayed([target], async (connect) => {
      const broken = connect(target);
      await once(broken, "data");
      const closed = once(broken, "close");
      sockets[0]?.resetAndDestroy();
      await closed;
      server.close();
      await once(server, "close");
      // Nobody listens any more.
      await once(connect(target), "close");
    });
  });

  test("ends the target's connection when a client is gone", async () => {
    const { target, server, sockets } = await echo();
    await relayed([target], async (connect) => {
      const client = connect(target);
      await once(client, "data");
      const [socket] = sockets as [net.Socket];
      const closed = once(socket, "close");
      client.destroy();
      await closed;
    });
    server.close();
  });
});

describe("images", () => {
  const listed = (stack: string, config?: string) => {
    const file = join(folder, "stack.yaml");
    if (config !== undefined) writeFileSync(file, config);
    const args = ["-r", "ts-node/register/transpile-only", join(tools, "images.ts"), stack];
    const { stdout, stderr, status } = spawnSync(process.execPath, config === undefined ? args : [...args, file], {
      encoding: "utf8",
    });
    return { status, notes: stderr, lines: stdout.trim().split("\n") };
  };

  test.each(["sim", "lab"])("are listed for the stack %s as the repository has it", (stack) => {
    const { status, lines } = listed(stack);
    expect(status).toBe(0);
    expect(lines).toEqual(
      expect.arrayContaining([
        "image registry.k8s.io/kube-apiserver:v1.37.2",
        "package kubeadm=1.37.2-* https://pkgs.k8s.io/core:/stable:/v1.37/deb/",
        "package haproxy (the template's own sources)",
        "key DE15B14486CD377B9E876E1A234654DA9A296436 https://pkgs.k8s.io/core:/stable:/v1.37/deb/Release.key",
      ]),
    );
  });

  test("are listed with the place where a mirror keeps them, and with what cannot be known", () => {
    const size = "cpus: 1, memoryMiB: 1024, diskGiB: 20";
    const { status, lines, notes } = listed(
      "test",
      `config:
  esxi-k8s:kubernetes: { version: 1.36.99 }
  esxi-k8s:frontend: { nodes: { haproxy-1: { host: a, address: 192.0.2.9 } }, virtualAddress: 192.0.2.5, ${size} }
  esxi-k8s:registryMirrors:
    registry.k8s.io: { url: "https://192.0.2.3/v2/k8s/" }
    docker.io: { url: "https://hub.example.org" }
  esxi-k8s:packages: { containerd: { version: 2.4.2 } }
  esxi-k8s:consul: { chart: { repository: "https://helm.example.org", version: 1.2.3 } }
`,
    );
    expect(status).toBe(0);
    expect(lines).toEqual(
      expect.arrayContaining([
        "image registry.k8s.io/kube-proxy:v1.36.99 192.0.2.3/k8s/kube-proxy:v1.36.99",
        "image docker.io/library/busybox:1.36 hub.example.org/library/busybox:1.36",
        "package containerd.io=2.4.2-* https://download.docker.com/linux/ubuntu/",
        "package keepalived (the template's own sources)",
      ]),
    );
    expect(lines.join()).not.toContain("consul");
    expect(notes).toContain("note: Kubernetes 1.36.99 is newer than this program knows");
    expect(notes).toContain("note: images of the chart https://helm.example.org 1.2.3 (consul.chart) are not listed");
  });

  test("are refused of a configuration that cannot be read", () => {
    const { status, notes } = listed("test", "config:\n  esxi-k8s:kubernetes: { version: 1.36 }\n");
    expect(status).toBe(1);
    expect(notes).toContain("kubernetes.version: a full version in quotes");
  });
});

describe("what a failed run has left undone", () => {
  const urn = (types: string, name: string) => `urn:pulumi:lab::esxi-k8s::${types}::${name}`;
  const machine = (name: string, address: string) => ({
    resOutputsEvent: {
      metadata: { urn: urn("esxi-k8s:index:WorkerPool$esxi-k8s:index:Machine", name), new: { outputs: { address } } },
    },
  });
  const failed = (name: string, message: string) => {
    const of = urn("esxi-k8s:index:Machine$command:remote:Command", name);
    return [
      { diagnosticEvent: { urn: of, severity: "error", message } },
      { resOpFailedEvent: { metadata: { urn: of, op: "update" } } },
    ];
  };
  const said = (...events: object[]) => {
    const file = join(folder, "events");
    writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    const { stderr } = spawnSync(process.execPath, [join(tools, "pending.mjs"), file, "lab"], { encoding: "utf8" });
    return stderr.trimEnd().split("\n");
  };
  const last = "what waits for none of this is done: 'make up STACK=lab' does the rest";
  const advice =
    "see in vCenter whether it runs, and what its console says; one that is lost for good is made anew when it is deleted there";

  test.each([
    "after 5 failed attempts: dial tcp 10.20.0.32:22: i/o timeout",
    "10.20.0.32:22: gave up after 5 attempts: dial tcp 10.20.0.32:22: connect: no route to host",
    "after 5 failed attempts: ssh: handshake failed: read tcp 10.20.0.1:40312->10.20.0.32:22: i/o timeout",
  ])("is named by the machine that does not answer: %s", (message) => {
    expect(said(machine("worker-2", "10.20.0.32"), ...failed("worker-2-prepare", message))).toEqual([
      "worker-2 does not answer at 10.20.0.32: worker-2-prepare and what comes after it is not done",
      advice,
      last,
    ]);
  });

  test("is told apart from steps that failed, and from masters none of which answers", () => {
    const refused = "10.20.0.10:6022: gave up after 5 attempts: dial tcp 10.20.0.10:6022: connect: connection refused";
    expect(
      said(
        ...failed("control-plane-gate", refused),
        ...failed("consul-entries", refused),
        ...failed("worker-1-join", "Process exited with status 1: running …: gave up after 60s waiting for a master"),
      ),
    ).toEqual([
      "no master answers through HAProxy at 10.20.0.10: control-plane-gate, consul-entries and what comes after them is not done",
      advice,
      "failed as said above: worker-1-join",
      last,
    ]);
  });

  test("is nothing when no step of a resource failed", () => {
    expect(said(machine("worker-2", "10.20.0.32"))).toEqual([""]);
  });
});
