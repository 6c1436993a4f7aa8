import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { allServersVote, domain, hosts, remove, route, status, unroute } from "./support/client";
import { allUp, eventually, frontend, kubectl, power, rejoined, serverStates, workers } from "./support/lab";

export interface Load {
  sent: number;
  seconds: number;
  failures: { at: number; reason: string }[];
  slowest: number;
}

/** How many requests failed in which second, and what of. */
export function bySecond(failures: Load["failures"]): Record<string, number> {
  const seconds: Record<string, number> = {};
  for (const { at, reason } of failures) {
    const key = `${String(Math.floor(at))} ${reason}`;
    seconds[key] = (seconds[key] ?? 0) + 1;
  }
  return seconds;
}

/** Asks for a page of the demonstration 100 times a second, while something is done and for so many seconds at least. */
export async function underLoad(seconds: number, work: () => Promise<void>): Promise<Load> {
  const result = await countRequests(seconds, work);
  expect(result.seconds).toBeGreaterThanOrEqual(seconds);
  expect(result.sent / result.seconds).toBeGreaterThan(98.3);
  return result;
}

/** The same, so many times a second, or less if the machine has no time for that. */
export async function countRequests(seconds: number, work: () => Promise<void>, rate = 100): Promise<Load> {
  const command = ["node", "tests/e2e/support/load.mjs", frontend, hosts.kubernetes, String(seconds), String(rate)];
  const asking = spawn("sim/enter", command, { stdio: ["pipe", "pipe", "inherit"] });
  const printed = text(asking.stdout);
  try {
    await work();
  } finally {
    asking.stdin.end();
  }
  return JSON.parse(await printed) as Load;
}

async function scaleConsul(replicas: number): Promise<void> {
  await kubectl("-n", "consul", "scale", "statefulset", "consul-server", `--replicas=${String(replicas)}`);
  if (replicas === 0) {
    await kubectl("-n", "consul", "wait", "pod", "--all", "--for=delete", "--timeout=120s");
  } else {
    await kubectl("-n", "consul", "rollout", "status", "statefulset", "consul-server", "--timeout=180s");
  }
}

/** Traefik at 100 requests a second while others go: the store, Traefik's own pods one after the other, a worker. */
export function describeLoad(): void {
  const othersServe = async () => {
    for (const host of [hosts.kubernetes, hosts.file]) {
      expect(await status(`https://${host}/`)).toBe("200");
    }
  };

  it("loses none during a rolling restart, and while Consul goes away as a whole before it", async () => {
    await allServersVote();
    await remove("traefik/probe");
    await route("kept", `kept.${domain}`);
    const rollout = ["-n", "traefik", "rollout"];
    const { failures } = await underLoad(60, async () => {
      await scaleConsul(0);
      await othersServe();
      await kubectl(...rollout, "restart", "daemonset", "traefik");
      await kubectl(...rollout, "status", "daemonset", "traefik", "--timeout=180s");
    });
    expect(failures).toEqual([]);
  });

  it("serves files and Kubernetes from a Traefik that started without Consul", async () => {
    await eventually(20, othersServe);
    expect(await status(`https://kept.${domain}/`)).toBe("404");
  });

  it("serves the store's routes again when Consul is back", async () => {
    await scaleConsul(3);
    await eventually(60, async () => {
      for (const host of [hosts.consul, `kept.${domain}`]) {
        expect(await status(`https://${host}/`)).toBe("200");
      }
    });
    await unroute("kept");
  });

  it("loses none once HAProxy has noticed that a worker is gone", async () => {
    // Its pods of the application are another matter: this is about the way to them.
    let switching = 0;
    const { sent, failures, slowest } = await underLoad(40, async () => {
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const began = Date.now();
      await power("worker-2", "off");
      switching = (Date.now() - began) / 1000;
    }).finally(() => power("worker-2", "on"));
    console.log(
      `worker-2 off: ${String(failures.length)} of ${String(sent)} failed, the slowest took ${slowest.toFixed(1)} s; ` +
        `switching off took ${String(switching)} s`,
      failures,
    );
    expect(failures.filter(({ at }) => at > 5 + 10)).toEqual([]);
    await rejoined("worker-2");
    await eventually(180, async () => {
      expect(await serverStates("http")).toEqual(allUp(workers));
    });
  });
}
