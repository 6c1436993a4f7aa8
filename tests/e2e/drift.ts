import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { consul, editor, put } from "./support/client";
import { onConsole } from "./support/frontend";
import { attempt, kubectl, make } from "./support/lab";
import { expectNoSecret, secretTexts } from "./support/secrets";

/** What `make drift` says to people, and to programs. */
async function drift() {
  const { stdout, stderr } = await attempt("make", ["--no-print-directory", "drift"]);
  const { verdict } = JSON.parse(await readFile("artifacts/drift-sim.json", "utf8")) as { verdict: string };
  expectNoSecret(await secretTexts(), { "what make drift says": stdout + stderr });
  return { verdict, said: stdout + stderr };
}

/** Nobody has touched anything. */
export function describeNoDrift(): void {
  it("finds nothing on a stack that is as it was deployed", async () => {
    const { verdict, said } = await drift();
    expect(verdict, said).toBe("nothing");
  });
}

/** What a person does to machines, with what a table says of it. */
const byHand: [string, string, string][] = [
  [
    "haproxy-1",
    "echo '# by hand' >>/etc/haproxy/haproxy.cfg",
    "/etc/haproxy/haproxy.cfg` | its content | another content",
  ],
  ["worker-1", "systemctl disable --quiet containerd", "unit containerd` | enabled active | disabled active"],
  [
    "worker-2",
    "echo ssh-ed25519 AAAA >>~k8s/.ssh/authorized_keys",
    "/.ssh/authorized_keys` | its content | another content",
  ],
  [
    "master-2",
    "chmod 0666 /var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/config.yaml` | 600 root:root | 666 root:root",
  ],
  ["master-3", "touch /etc/ssh/sshd_config.d/by-hand.conf", "/etc/ssh/sshd_config.d/` |"],
];

/** Somebody changes what Pulumi cannot see, and what it can. */
export function describeRepair(): void {
  it("shows what somebody changed on machines, in a release, in Consul and in the cluster", async () => {
    for (const [machine, line] of byHand) {
      await onConsole(machine, line);
    }
    await kubectl(
      "-n",
      "traefik",
      "label",
      "serviceaccount",
      "traefik",
      "app.kubernetes.io/managed-by=hand",
      "--overwrite",
    );
    // Which is somebody's own, on an object that is otherwise as it was.
    await kubectl("-n", "demo", "label", "deployment", "demo", "by=hand");
    await kubectl(
      "-n",
      "demo",
      "patch",
      "service",
      "demo",
      "--patch",
      '{"spec":{"trafficDistribution":"PreferClose"}}',
    );
    const { body } = await consul(await editor(), "GET", "kv/traefik/http/routers/?keys");
    const key = (JSON.parse(body) as string[]).find((each) => each.endsWith("/rule")) ?? "";
    await put(key, "Host(`by-hand.lab.localhost`)");

    const { verdict, said } = await drift();
    expect(verdict, said).toBe("differs");
    for (const [machine, , row] of byHand) {
      expect(
        said.split("\n").some((line) => line.startsWith(`| **${machine}** |`) && line.includes(row)),
        said,
      ).toBe(true);
    }
    expect(said).toMatch(/\*\*cluster\*\* \| `\S*ServiceAccount\.traefik\.traefik` .* Helm release traefik\/traefik/);
    expect(said).toContain(`| **Consul** | \`${key}\` |`);
    expect(said).toContain("trafficDistribution");
    // And nothing else.
    const rows = said.split("\n").flatMap((line) => /^\| \*\*(\S+)\*\* \|/.exec(line)?.[1] ?? []);
    expect(rows.sort(), said).toEqual([...byHand.map(([machine]) => machine), "cluster", "Consul"].sort());
  });

  it("mends that, and nothing else", async () => {
    const uids = () => kubectl("get", "pods", "--all-namespaces", "-o", "jsonpath={.items[*].metadata.uid}");
    const before = await uids();
    const said = await make("repair");
    expect(said).toContain("haproxy-1: /etc/haproxy/haproxy.cfg: mended");
    expect(said).toContain("traefik/traefik: as it was deployed");
    const { verdict, said: found } = await drift();
    expect(verdict, found).toBe("nothing");
    expect(await kubectl("-n", "demo", "get", "deployment", "demo", "-o", "jsonpath={.metadata.labels.by}")).toBe(
      "hand",
    );
    await kubectl("-n", "demo", "label", "deployment", "demo", "by-");
    expect(await uids()).toBe(before);
    expect(
      await onConsole("haproxy-1", "systemctl is-active haproxy; tail -n 1 /etc/haproxy/haproxy.cfg"),
    ).not.toContain("by hand");
    await expect(make("repair")).resolves.toContain("nothing to mend");
  });
}

/** All machines are switched off. */
export function describeDrift(): void {
  it("finds that the cluster does not answer, and compares the rest", async () => {
    const { verdict, said } = await drift();
    expect(verdict, said).toBe("differs");
    expect(said).toContain("**The cluster's API does not answer**, so what is in the cluster was not looked at.");
    expect(said).toMatch(/\| \*\*worker-1\*\* \| `the machine` \| answers \| does not answer: /);
  });
}
