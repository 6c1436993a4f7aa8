import { readFile, readdir } from "node:fs/promises";
import { expect, it } from "vitest";
import { shellWord } from "../../render/step";
import { ask, consul, domain, editor, route, status, store, traefikPods, unroute } from "./support/client";
import { attempt, changedConfiguration, eventually, forget, make, onMachine, pulumi } from "./support/lab";

interface Exported {
  deployment: { resources: { urn: string }[] };
}

const exported = async () => JSON.parse(await pulumi("stack", "export")) as Exported;
const isNamed = (urn: string, ...names: string[]) => names.some((name) => urn.endsWith(`::${name}`));

/** Another port of the workers, so that a text of the frontend changes. */
const otherPort = () =>
  changedConfiguration("  esxi-k8s:frontend:\n", "  esxi-k8s:frontend:\n    ingressNodePorts: { http: 30081 }\n");

/** What later runs of Pulumi do with a cluster that is up. */
export function describeRuns(): void {
  it("changes nothing the second time", async () => {
    await make("up");
    await pulumi("preview", "--expect-no-changes");
  });

  let podsBefore: string[];

  it("takes a changed configuration", async () => {
    podsBefore = await traefikPods();
    await route("by-hand", `by-hand.${domain}`);
    const changed = await changedConfiguration(
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
    );
    await pulumi("up", "--yes", "--skip-preview", ...changed);
  });

  it("shows a changed text line by line in a preview, and no script", async () => {
    const preview = await pulumi("preview", "--diff", ...(await otherPort()));
    for (const [name, address] of Object.entries({ "worker-1": "10.20.0.31", "worker-2": "10.20.0.32" })) {
      expect(preview).toMatch(new RegExp(`^ *- .*server ${name} ${address}:30080 `, "m"));
      expect(preview).toMatch(new RegExp(`^ *\\+ .*server ${name} ${address}:30081 `, "m"));
    }
    for (const script of await readdir("scripts")) {
      const lines = (await readFile(`scripts/${script}`, "utf8")).split("\n").map((line) => line.trim());
      for (const line of lines.filter(({ length }) => length > 20)) {
        expect(preview, script).not.toContain(line);
      }
    }
  });

  it("has brought it to Traefik soon, with middlewares across sources", async () => {
    // The kubelet brings a changed ConfigMap to its pods within about a minute.
    await eventually(150, async () => {
      expect(await ask(`https://added.${domain}/`)).toMatch(/x-mark: from consul/i);
      expect(await status(`https://plain.${domain}/`)).toBe("200");
    });
  });

  it("takes over objects that an interrupted run made and could not record", async () => {
    await forget("::control-plane-flannel-daemon", "::demo-application", "::demo-ingress");
    // The configuration goes back in the same run.
    expect(await make("up")).toContain("+ 3 created");
  });

  it("takes a changed configuration back without a restart, and leaves alone what people added", async () => {
    await eventually(150, async () => {
      expect(await status(`https://plain.${domain}/`)).toBe("404");
    });
    await store.calmly(async () => {
      expect((await consul(await editor(), "GET", "kv/traefik/http/middlewares/?keys")).status).toBe("404");
    });
    expect(await status(`https://by-hand.${domain}/`)).toBe("200");
    expect(await traefikPods()).toEqual(podsBefore);
    await unroute("by-hand");
  });
}

/** A run that fails. The stack has no outputs after it, which is Pulumi's way, until the next one. */
export function describeFailure(): void {
  it("says in at most 15 lines which step failed, where and how, with the last lines of its log and where that is", async () => {
    const step = "haproxy-1-haproxy";
    // What judges the new text, before it takes the place of the old one, finds 40 mistakes.
    const judge = "/usr/local/sbin/haproxy";
    const verdict = "#!/bin/sh\nseq --format='mistake %g' 40\nexit 3\n";
    await onMachine("haproxy-1", `printf %s ${shellWord(verdict)} >${judge} && chmod 0755 ${judge}`);
    let up;
    try {
      const target = (await exported()).deployment.resources.find(({ urn }) => isNamed(urn, step));
      const only = ["--target", String(target?.urn), ...(await otherPort())];
      up = await attempt("sim/enter", ["pulumi", "up", "--yes", "--skip-preview", "--stack", "sim", ...only]);
    } finally {
      await onMachine("haproxy-1", `rm ${judge}`);
    }
    expect(up.code).not.toBe(0);
    const [, said = ""] = up.stdout.split(`  command:remote:Command (${step}):\n`);
    const lines = (said.split("\n\n")[0] ?? "").split("\n").map((line) => line.trim());
    expect(lines.length).toBeLessThanOrEqual(15);
    expect(lines).toContain(
      "step configure-haproxy on haproxy-1 failed with exit code 3; its log there is /var/log/esxi-k8s/configure-haproxy.log and ends with:",
    );
    expect(lines.at(-1)).toBe("mistake 40");
    const log = await onMachine("haproxy-1", "cat /var/log/esxi-k8s/configure-haproxy.log");
    expect(log).toContain("mistake 1\n");
  });
}
