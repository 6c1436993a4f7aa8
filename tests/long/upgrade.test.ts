import fc from "fast-check";
import { afterAll, beforeEach, expect, vi } from "vitest";
import { bySecond, underLoad } from "../e2e/load";
import { Depot, earlier, later } from "../e2e/support/depot";
import { expectPlane } from "../e2e/support/etcd";
import { eventually, forMake, inLab, masters, run, startUp, variedConfiguration, workers } from "../e2e/support/lab";
import { cases } from "./cases";

/**
 * A whole stack of five nodes becomes the next minor release of Kubernetes, from packages or from a template, while its demonstration is
 * asked 100 times a second. Pulumi is killed at four points, each time on its way on, and then asked once more for the same. So is the
 * first up of the first case: twenty points in four cases.
 */
beforeEach(async () => {
  await run("sim/down", []);
  await run("sim/up", []);
});

afterAll(async () => {
  await run("sim/down", []);
});

async function configuration(version: string, from: "packages" | "template"): Promise<string[]> {
  const values = {
    ...(await Depot.read()).values(),
    kubernetes: { version, install: from === "packages" ? "packages" : "preinstalled" },
    template: { name: from === "packages" ? "ubuntu-24.04" : "ubuntu-24.04-k8s" },
  };
  return variedConfiguration(values);
}

/** Minutes that one run of Pulumi may take on busy cores; a case has four. */
const patience = 40;
vi.setConfig({ testTimeout: 4 * patience * 60_000 });

const kubectl = (...args: string[]) => inLab("tools/kubectl", "sim", ...args);

/**
 * Kills an up after some seconds, hard, unless it has ended by then.
 * @returns whether it was killed
 */
async function killedUp(options: string[], seconds: number): Promise<boolean> {
  const up = startUp(forMake(options));
  up.read(() => undefined);
  let killed = false as boolean;
  const timer = setTimeout(() => {
    killed = up.kill();
  }, seconds * 1000);
  await up.closed;
  clearTimeout(timer);
  return killed;
}

/** Runs an up that is killed again and again, and one more, which has to finish it. */
async function upThrough(options: string[], points: number[]): Promise<number> {
  let killed = 0;
  for (const seconds of points) {
    killed += Number(await killedUp(options, seconds));
  }
  await run("make", ["--no-print-directory", "up", forMake(options)], patience * 60);
  return killed;
}

/** Seconds after which an up is killed, four times. */
const points = (max: number) => fc.array(fc.integer({ min: 10, max }), { minLength: 4, maxLength: 4 });

cases("upgrade", async ({ index, choose, tell }) => {
  const [from, creation, killedAfter] = choose(
    fc.tuple(fc.constantFrom("packages" as const, "template" as const), points(50), points(150)),
  );
  tell({ from, killedAfter, ...(index === 1 && { creation }) });
  const killed = await upThrough(await configuration(earlier, "packages"), index === 1 ? creation : []);
  await kubectl("create", "configmap", "written-before");
  const wanted = await configuration(later, from);
  const began = Date.now();
  const { sent, failures, slowest } = await underLoad(10, async () => {
    tell({ kills: killed + (await upThrough(wanted, killedAfter)) });
  });
  tell({ took: (Date.now() - began) / 1000, sent, lost: failures.length, slowest, lostAt: bySecond(failures) });

  const nodes = await kubectl(
    ...["get", "nodes", "-o"],
    'jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}{.spec.unschedulable}{"\\n"}{end}',
  );
  expect(nodes.split("\n").sort()).toEqual([...masters, ...workers].map((name) => `${name} v${later} True`));
  await expectPlane("master-1");
  await kubectl("get", "configmap", "written-before");
  await eventually(120, async () => {
    for (const set of ["daemonset/kube-proxy", "deployment/coredns"]) {
      expect(await kubectl("-n", "kube-system", "rollout", "status", set, "--timeout=5s")).toContain("successfully");
    }
  });
  await inLab("pulumi", "preview", "--expect-no-changes", "--stack", "sim", ...wanted);
  expect(failures).toEqual([]);
});
