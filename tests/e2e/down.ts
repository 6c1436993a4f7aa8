import { expect, it } from "vitest";
import { domain, status } from "./support/client";
import {
  addresses,
  afflict,
  attempt,
  changedConfiguration,
  eventually,
  machines,
  power,
  rejoined,
  type Outcome,
} from "./support/lab";

/** What `make up` does, with another configuration. */
const up = (changed: string[]): Promise<Outcome> =>
  attempt("sim/enter", ["tools/pulumi-up", "sim", "--yes", "--skip-preview", ...changed]);

const route = `while-down.${domain}`;
/** Something for every node, and something for the cluster: what kubeadm is to overlook when a node joins, and a route. */
const changed = () =>
  changedConfiguration(
    `    domain: ${domain}\n`,
    `    domain: ${domain}
    dynamic: { http: { routers: { while-down: { rule: "Host(\`${route}\`)", service: demo-file } } } }
`,
    (text) => text.replace("[SystemVerification]", "[SystemVerification, Swap]"),
  );
const unchanged = () => Promise.resolve<string[]>([]);

const off = (name: string) => power(name, "off");
const on = (name: string) => power(name, "on");

/** One machine is down while the configuration changes for all of them, and then changes back. */
export function describeDown(): void {
  it.each([
    {
      ...{ down: "worker-2", how: "hangs", strike: afflict.hang, heal: afflict.wake },
      ...{ configuration: changed, answer: "200", steps: ["worker-2-prepare"] },
    },
    {
      ...{ down: "master-1", how: "is off", strike: off, heal: on },
      // Its snapshots say how a cluster like this is begun.
      ...{ configuration: unchanged, answer: "404", steps: ["master-1-prepare", "master-1-snapshots"] },
    },
  ])("does everything else while $down $how, says so, and does the rest when it is back", async (given) => {
    const { down, strike, heal, answer } = given;
    const configuration = await given.configuration();
    await strike(down);
    const { code, stdout, stderr } = await up(configuration).finally(() => heal(down));
    expect(code, stdout).not.toBe(0);
    const nodes = Object.keys(machines).filter((name) => !name.startsWith("haproxy"));
    const joined = [...stdout.matchAll(/remote:Command (\S+)-join created replacement/g)].map(([, name]) => name);
    expect(joined.sort()).toEqual(nodes.filter((name) => name !== down));
    // As the engine counts it.
    const failing = new RegExp(` ${down}-prepare updating \\((\\d+)s\\).*; error: `).exec(stdout);
    const seconds = Number(failing?.[1]);
    console.log(`${down}: ${String(seconds)} s until its step had failed`);
    expect(seconds).toBeLessThan(20);
    const [pending = "", ...advice] = stderr.trimEnd().split("\n").slice(-3);
    const what = /^(\S+) does not answer at (\S+): (.*) and what comes after (?:it|them) is not done$/.exec(pending);
    expect(what?.slice(1, 3), pending).toEqual([down, addresses[down]]);
    expect(what?.[3]?.split(", ").sort()).toEqual(given.steps);
    expect(advice).toEqual([
      "see in vCenter whether it runs, and what its console says; one that is lost for good is made anew when it is deleted there",
      "what waits for none of this is done: 'make up STACK=sim' does the rest",
    ]);
    await rejoined(down);
    // The kubelet brings a changed ConfigMap to its pods within about a minute.
    await eventually(150, async () => {
      expect(await status(`https://${route}/`)).toBe(answer);
    });
    const rest = await up(configuration);
    expect(rest.code, rest.stdout).toBe(0);
    expect(rest.stdout).toMatch(new RegExp(`remote:Command ${down}-join created replacement`));
  });
}
