import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ask, consul, domain, editor, hosts, sources, status, store } from "./support/client";
import { addresses, eventually, frontend, kubectl, make, onMachine, output, run, temporaryFile } from "./support/lab";

/** No master, of which one is away at times. */
const client = "worker-1";
const clientAddress = String(addresses[client]);

/** What the ingress serves, without disturbing anything. */
export function describeIngress(): void {
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
        const authority = await temporaryFile(await output("certificateAuthority"));
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

  it("opens to each token of the store what it is for, and to nobody else anything", async () => {
    const reader = await kubectl("-n", "traefik", "get", "secret", "consul", "-o", "jsonpath={.data.token}");
    const token = Buffer.from(reader, "base64").toString();
    await store.calmly(async () => {
      const rule = "kv/traefik/http/routers/demo-consul/rule?raw";
      expect((await consul(token, "GET", rule)).body).toBe(`Host(\`${hosts.consul}\`)`);
      expect((await consul(token, "PUT", "kv/traefik/written", "x")).status).toBe("403");
      expect((await consul(token, "GET", "kv/esxi-k8s/entries?raw")).status).toBe("403");
      expect((await consul(await editor(), "PUT", "kv/elsewhere", "x")).status).toBe("403");
      expect((await consul(await editor(), "GET", "acl/tokens")).status).toBe("403");

      expect((await consul(undefined, "GET", "kv/?keys")).body).toBe("[]");
      expect((await consul(undefined, "GET", rule)).status).toMatch(/^40[34]$/);
      expect((await consul(undefined, "PUT", "kv/traefik/written", "x")).status).toBe("403");
      expect((await consul(undefined, "GET", "agent/members")).body).toBe("[]");
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
}
