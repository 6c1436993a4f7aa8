import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addresses,
  allUp,
  attempt,
  eventually,
  frontend,
  inLab,
  kubectl,
  make,
  onMachine,
  output,
  power,
  rejoined,
  run,
  serverStates,
  temporaryFile,
  workers,
} from "./support/lab";

const client = "master-1";
const clientAddress = String(addresses[client]);
const domain = "lab.localhost";
const hosts = {
  kubernetes: `demo-kubernetes.${domain}`,
  file: `demo-file.${domain}`,
  consul: `demo-consul.${domain}`,
};
const sources = Object.entries(hosts);

interface Load {
  sent: number;
  failures: { at: number; reason: string }[];
  slowest: number;
}

/** The ingress of the cluster that cluster.test.ts has brought up. */
export function describeIngress(): void {
  let authority = "";
  let editor = "";

  beforeAll(async () => {
    authority = await temporaryFile(await output("certificateAuthority"));
    editor = await output("consulToken");
  });

  /** Answers with status, headers and body, as a client in the lab's network sees them. */
  const ask = (url: string, ...options: string[]) => {
    const { hostname, protocol } = new URL(url);
    const port = protocol === "https:" ? "443" : "80";
    const resolve = ["--resolve", `${hostname}:${port}:${frontend}`];
    return inLab("curl", "-sS", "-i", "--max-time", "10", "--cacert", authority, ...resolve, ...options, url);
  };
  const status = async (url: string, ...options: string[]) => /^HTTP\/\S+ (\d+)/.exec(await ask(url, ...options))?.[1];

  /** Consul's API through Traefik, as the web interface uses it. */
  const consul = async (token: string | undefined, method: string, path: string, body?: string) => {
    const headers = await temporaryFile(token === undefined ? "" : `X-Consul-Token: ${token}\n`);
    const data = body === undefined ? [] : ["--data-binary", body];
    const url = `https://consul.${domain}/v1/${path}`;
    const answer = await ask(url, "-X", method, "-H", `@${headers}`, ...data);
    const [head = "", ...rest] = answer.split(/\r?\n\r?\n/);
    return { status: /^HTTP\/\S+ (\d+)/.exec(head)?.[1], body: rest.join("\n\n").trim() };
  };
  const put = async (key: string, value: string) => {
    expect(await consul(editor, "PUT", `kv/${key}`, value)).toEqual({ status: "200", body: "true" });
  };
  const remove = async (prefix: string) => {
    expect((await consul(editor, "DELETE", `kv/${prefix}?recurse`)).status).toBe("200");
  };
  const route = async (name: string, host: string) => {
    await put(`traefik/http/routers/${name}/rule`, `Host(\`${host}\`)`);
    await put(`traefik/http/routers/${name}/service`, name);
    await put(`traefik/http/services/${name}/loadBalancer/servers/0/url`, "http://demo.demo.svc.cluster.local");
  };
  const unroute = async (name: string) => {
    await remove(`traefik/http/routers/${name}/`);
    await remove(`traefik/http/services/${name}/`);
  };
  const traefikPods = async () =>
    (await kubectl("-n", "traefik", "get", "pods", "-o", "jsonpath={.items[*].metadata.name}")).split(" ").sort();
  const traefikLog = (...options: string[]) =>
    kubectl("-n", "traefik", "logs", "-l", "app.kubernetes.io/name=traefik", "--tail=-1", ...options);
  const allServersVote = () =>
    eventually(120, async () => {
      const health = await consul(await output("consulBootstrapToken"), "GET", "operator/autopilot/health");
      const { Healthy, Servers } = JSON.parse(health.body) as { Healthy: boolean; Servers: { Voter: boolean }[] };
      expect(Healthy && Servers.filter(({ Voter }) => Voter).length).toBe(3);
    });
  const scaleConsul = async (replicas: number) => {
    await kubectl("-n", "consul", "scale", "statefulset", "consul-server", `--replicas=${String(replicas)}`);
    if (replicas === 0) {
      await kubectl("-n", "consul", "wait", "pod", "--all", "--for=delete", "--timeout=120s");
    } else {
      await kubectl("-n", "consul", "rollout", "status", "statefulset", "consul-server", "--timeout=180s");
    }
  };

  describe("routes of three sources", () => {
    it("are served over HTTP and HTTPS, as make demo-check tells", async () => {
      expect((await make("demo-check")).split("\n").at(-1)).toBe("3/3 sources answer");
    });

    it.each(sources)("of %s tell the application the client's address", async (_source, host) => {
      for (const scheme of ["http", "https"]) {
        const url = `${scheme}://${host}/?${scheme}`;
        const answer = await onMachine(
          client,
          `curl -sSk --max-time 10 --resolve ${host}:80:${frontend} --resolve ${host}:443:${frontend} '${url}'`,
        );
        expect(answer).toContain(`You asked for ${host} over ${scheme}.`);
        expect(answer).toContain(`Your address is ${clientAddress}.`);
      }
      const log = await kubectl("-n", "demo", "logs", "-l", "app=demo", "--tail=-1");
      expect(log).toContain(`${clientAddress} ${host} http /`);
      expect(log).toContain(`${clientAddress} ${host} https /`);
    });

    it("do not take a client's word, nor a pod's, for an address", async () => {
      const answer = await ask(`http://${hosts.file}/`, "-H", "X-Forwarded-For: 198.51.100.7");
      expect(answer).not.toContain("198.51.100.7");
      expect(answer).toContain("Your address is 10.20.0.1.");

      const address = await kubectl("-n", "traefik", "get", "pods", "-o", "jsonpath={.items[0].status.podIP}");
      const lines = `PROXY TCP4 198.51.100.7 10.20.0.10 1000 80\\r\\nGET / HTTP/1.1\\r\\nHost: ${hosts.file}\\r\\nConnection: close\\r\\n\\r\\n`;
      const pod = await kubectl(
        "-n",
        "demo",
        "get",
        "pods",
        "-l",
        "app=demo",
        "-o",
        "jsonpath={.items[0].metadata.name}",
      );
      const said = await kubectl(
        "-n",
        "demo",
        "exec",
        pod,
        "--",
        "sh",
        "-c",
        `printf '${lines}' | nc -w 5 ${address} 8000`,
      );
      expect(said).toContain("HTTP/1.1");
      expect(said).not.toContain("198.51.100.7");
    });

    it("use middlewares of other sources", async () => {
      for (const [, host] of sources) {
        expect((await ask(`https://${host}/`)).toLowerCase()).toContain("x-content-type-options: nosniff");
      }
    });

    it("leave the dashboard to those who know its password", async () => {
      const url = await output("dashboardUrl");
      expect(await status(url)).toBe("401");
      const login = await temporaryFile(
        `user = "${await output("dashboardUser")}:${await output("dashboardPassword")}"\n`,
      );
      expect(await status(url, "-K", login)).toBe("200");
      const api = await ask(url.replace("dashboard/", "api/http/routers"), "-K", login);
      for (const name of ["demo-file@file", "demo-consul@consul", "demo-demo-demo-kubernetes"]) {
        expect(api).toContain(name);
      }
    });

    it("are on loopback of this machine while make ui runs", async () => {
      const child = spawn("make", ["--no-print-directory", "ui"], {
        env: { ...process.env, PORTS: "18080,18443,18404" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let printed = "";
      child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
      try {
        await eventually(30, () => {
          expect(printed).toContain("Interrupt to stop.");
        });
        expect(printed).toContain(`https://consul.${domain}:18443/ui/`);
        const through = (...args: string[]) => run("curl", ["-sS", "--max-time", "10", "--cacert", authority, ...args]);
        expect(await through("--resolve", `${hosts.file}:18443:127.0.0.1`, `https://${hosts.file}:18443/`)).toContain(
          `You asked for ${hosts.file}`,
        );
        expect(
          await through("--resolve", `consul.${domain}:18443:127.0.0.1`, `https://consul.${domain}:18443/ui/`),
        ).toContain("Consul");
      } finally {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
    });
  });

  describe("a person in Consul's web interface", () => {
    const host = `by-a-person.${domain}`;

    /**
     * Lets the person do something, and asks for the page all the while: closing a browser takes longer than Traefik.
     * @returns seconds from the change of the key that matters to the first answer that is the expected one
     */
    const secondsTo = async (expected: string, ...args: string[]) => {
      const command = ["bash", "-c", 'node tests/e2e/support/consul-ui.mjs "$@" <"$0"', await temporaryFile(editor)];
      let until = Infinity;
      const changed = inLab(...command, ...args)
        .then(Number)
        .finally(() => (until = Date.now() + 10_000));
      const seen = (async () => {
        while (Date.now() < until) {
          // No answer is not the expected one.
          if ((await status(`https://${host}/`).catch(() => "none")) === expected) {
            return Date.now();
          }
        }
        throw new Error(`${host} was not answered with ${expected} within 10 s`);
      })();
      const [since, answered] = await Promise.all([changed, seen]);
      expect(await status(`https://${host}/`)).toBe(expected);
      const seconds = (answered - since) / 1000;
      console.log(`${expected} ${seconds.toFixed(1)} s after the change`);
      return seconds;
    };

    it("adds a route that answers within 5 seconds", async () => {
      expect(await status(`https://${host}/`)).toBe("404");
      expect(await secondsTo("200", "create", frontend, "by-a-person", host)).toBeLessThan(5);
    });

    it("deletes it, and it is gone", async () => {
      expect(await status(`https://${host}/`)).toBe("200");
      expect(await secondsTo("404", "delete", frontend, "by-a-person")).toBeLessThan(5);
    });
  });

  describe("a changed configuration", () => {
    it("is live without a restart, with middlewares across sources, and leaves alone what people added", async () => {
      const before = await traefikPods();
      await route("by-hand", `by-hand.${domain}`);
      const good = await readFile("Pulumi.sim.yaml", "utf8");
      const changed = await temporaryFile(
        good.replace(
          `    domain: ${domain}\n`,
          `    domain: ${domain}
    dynamic:
      http:
        routers:
          added: { rule: "Host(\`added.${domain}\`)", service: demo-file, middlewares: [mark@consul] }
          # Does not go with the middleware.
          plain: { rule: "Host(\`plain.${domain}\`)", service: demo-file }
  esxi-k8s:consul:
    kv:
      traefik/http/middlewares/mark/headers/customResponseHeaders/X-Mark: from Consul
`,
        ),
      );
      await inLab("pulumi", "up", "--yes", "--skip-preview", "--stack", "sim", "--config-file", changed);
      // The kubelet brings a changed ConfigMap to its pods within about a minute.
      await eventually(150, async () => {
        expect(await ask(`https://added.${domain}/`)).toMatch(/x-mark: from consul/i);
        expect(await status(`https://plain.${domain}/`)).toBe("200");
      });

      await make("up");
      await eventually(150, async () => {
        expect(await status(`https://plain.${domain}/`)).toBe("404");
      });
      expect((await consul(editor, "GET", "kv/traefik/http/middlewares/?keys")).status).toBe("404");
      expect(await status(`https://by-hand.${domain}/`)).toBe("200");
      expect(await traefikPods()).toEqual(before);
      await unroute("by-hand");
    });

    it("that is malformed in Consul leaves the other sources alone and shows in the log", async () => {
      const since = new Date().toISOString();
      await put("traefik/http/routers/malformed/priority", "not a number");
      try {
        await eventually(30, async () => {
          expect(await traefikLog("--since-time", since)).toMatch(
            /"level":"error".*"providerName":"consul"|"providerName":"consul".*"level":"error"/,
          );
        });
        for (const host of [hosts.kubernetes, hosts.file]) {
          expect(await status(`https://${host}/`)).toBe("200");
        }
      } finally {
        await remove("traefik/http/routers/malformed/");
      }
      await route("after-repair", `after-repair.${domain}`);
      await eventually(60, async () => {
        expect(await status(`https://after-repair.${domain}/`)).toBe("200");
      });
      await unroute("after-repair");
    });
  });

  describe("Consul", () => {
    /** Reads and writes; there may be an election, after which every request has to be answered, not one after a while. */
    const readsAndWrites = (what: string) =>
      eventually(60, async () => {
        for (let i = 0; i < 10; i++) {
          const value = `${what} ${String(i)}`;
          await put("traefik/probe", value);
          expect(await consul(editor, "GET", "kv/traefik/probe?raw")).toEqual({ status: "200", body: value });
        }
      });

    it.each(["consul-server-0", "consul-server-1", "consul-server-2"])(
      "reads and writes while %s is stopped",
      async (server) => {
        await allServersVote();
        // Nowhere to come back to, so that it stays away.
        await kubectl("cordon", ...workers);
        try {
          await kubectl("-n", "consul", "delete", "pod", server);
          await readsAndWrites(`without ${server}`);
          await eventually(30, async () => {
            const pod = ["-n", "consul", "get", "pod", server, "-o", "jsonpath={.status.phase}"];
            expect(await kubectl(...pod)).toBe("Pending");
          });
        } finally {
          await kubectl("uncordon", ...workers);
        }
      },
    );

    it("reads and writes while the leader hangs, of which nobody is told", async () => {
      await allServersVote();
      const servers = JSON.parse(
        (await consul(await output("consulBootstrapToken"), "GET", "operator/raft/configuration")).body,
      ) as { Servers: { Node: string; Leader: boolean }[] };
      const leader = String(servers.Servers.find(({ Leader }) => Leader)?.Node);
      const node = await kubectl("-n", "consul", "get", "pod", leader, "-o", "jsonpath={.spec.nodeName}");
      // The brackets keep the shell that runs this line from being meant.
      const signal = (name: string) =>
        onMachine(node, `pkill --signal ${name} --full '[c]onsul agent -node=${leader} '`);
      await signal("STOP");
      try {
        await readsAndWrites(`without an answer of ${leader}`);
      } finally {
        await signal("CONT");
      }
    });

    it("may be away as a whole: files and Kubernetes serve, even from a Traefik that starts then, and it comes back", async () => {
      await allServersVote();
      await remove("traefik/probe");
      await route("kept", `kept.${domain}`);
      await scaleConsul(0);
      for (const host of [hosts.kubernetes, hosts.file]) {
        expect(await status(`https://${host}/`)).toBe("200");
      }
      await kubectl("-n", "traefik", "rollout", "restart", "daemonset", "traefik");
      await kubectl("-n", "traefik", "rollout", "status", "daemonset", "traefik", "--timeout=180s");
      await eventually(20, async () => {
        for (const host of [hosts.kubernetes, hosts.file]) {
          expect(await status(`https://${host}/`)).toBe("200");
        }
      });
      expect(await status(`https://kept.${domain}/`)).toBe("404");

      await scaleConsul(3);
      await eventually(60, async () => {
        for (const host of [hosts.consul, `kept.${domain}`]) {
          expect(await status(`https://${host}/`)).toBe("200");
        }
      });
      await unroute("kept");
    });

    it("opens to each token what it is for, and to nobody else anything", async () => {
      const reader = await kubectl("-n", "traefik", "get", "secret", "consul", "-o", "jsonpath={.data.token}");
      const token = Buffer.from(reader, "base64").toString();
      const rule = "kv/traefik/http/routers/demo-consul/rule?raw";
      expect((await consul(token, "GET", rule)).body).toBe(`Host(\`${hosts.consul}\`)`);
      expect((await consul(token, "PUT", "kv/traefik/written", "x")).status).toBe("403");
      expect((await consul(token, "GET", "kv/esxi-k8s/entries?raw")).status).toBe("403");
      expect((await consul(editor, "PUT", "kv/elsewhere", "x")).status).toBe("403");
      expect((await consul(editor, "GET", "acl/tokens")).status).toBe("403");

      expect((await consul(undefined, "GET", "kv/?keys")).body).toBe("[]");
      expect((await consul(undefined, "GET", rule)).status).toMatch(/^40[34]$/);
      expect((await consul(undefined, "PUT", "kv/traefik/written", "x")).status).toBe("403");
      expect((await consul(undefined, "GET", "agent/members")).body).toBe("[]");
    });

    it("refuses gossip without the key", async () => {
      const image = await kubectl(
        "-n",
        "consul",
        "get",
        "statefulset",
        "consul-server",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].image}",
      );
      const overrides = {
        spec: {
          containers: [
            {
              name: "stranger",
              image,
              imagePullPolicy: "IfNotPresent",
              command: [
                "sh",
                "-c",
                "consul agent -data-dir=/tmp/data -bind=0.0.0.0 -retry-interval=2s -retry-join=consul-server.consul.svc",
              ],
            },
          ],
        },
      };
      await kubectl(
        "run",
        "stranger",
        `--image=${image}`,
        "--restart=Never",
        `--overrides=${JSON.stringify(overrides)}`,
      );
      await kubectl("wait", "pod", "stranger", "--for=condition=Ready", "--timeout=60s");
      await eventually(30, async () => {
        expect(await kubectl("logs", "stranger")).toMatch(/encryption is not configured/i);
      });
      const members = await kubectl("exec", "stranger", "--", "consul", "members");
      expect(members.split("\n").slice(1)).toHaveLength(1);
      await kubectl("delete", "pod", "stranger", "--grace-period=0", "--force");
    });
  });

  describe("Traefik at 100 requests a second", () => {
    const load = async (seconds: number) =>
      JSON.parse(
        await inLab("node", "tests/e2e/support/load.mjs", frontend, hosts.kubernetes, String(seconds)),
      ) as Load;

    it("loses none during a rolling restart", async () => {
      const [{ sent, failures }] = await Promise.all([
        load(60),
        kubectl("-n", "traefik", "rollout", "restart", "daemonset", "traefik").then(() =>
          kubectl("-n", "traefik", "rollout", "status", "daemonset", "traefik", "--timeout=180s"),
        ),
      ]);
      expect(sent).toBeGreaterThan(5900);
      expect(failures).toEqual([]);
    });

    it("loses none once HAProxy has noticed that a worker is gone", async () => {
      // Its pods of the application are another matter: this is about the way to them.
      const running = load(40);
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const stopped = Date.now();
      await power("worker-2", "off");
      const { sent, failures, slowest } = await running.finally(() => power("worker-2", "on"));
      console.log(
        `worker-2 off: ${String(failures.length)} of ${String(sent)} failed, the slowest took ${slowest.toFixed(1)} s; ` +
          `switching off took ${String((Date.now() - stopped) / 1000)} s`,
        failures,
      );
      expect(sent).toBeGreaterThan(3900);
      expect(failures.filter(({ at }) => at > 5 + 10)).toEqual([]);
      await rejoined("worker-2");
      await eventually(180, async () => {
        expect(await serverStates("http")).toEqual(allUp(workers));
      });
    });
  });

  it("charts are valid to the API server, field by field", async () => {
    const helm = join(await run("sim/toolchain/build", ["--print", "helm"]), "helm");
    for (const chart of ["consul", "traefik"]) {
      for (const values of [[], ["--values", `tests/charts/values/${chart}.yaml`]]) {
        // Beside what is installed, of which not every field may be changed.
        const rendered = await run(helm, ["template", "probe", `charts/${chart}`, "--namespace", "default", ...values]);
        const file = await temporaryFile(rendered);
        await kubectl("apply", "--dry-run=server", "--validate=strict", "--namespace", "default", "-f", file);
      }
    }
  });

  it("asks nobody for a second up", async () => {
    expect((await attempt("sim/enter", ["pulumi", "preview", "--expect-no-changes", "--stack", "sim"])).code).toBe(0);
  });
}
