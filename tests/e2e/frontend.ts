import { describe, expect, it } from "vitest";
import { eventually, inLab, power } from "./support/lab";
import { faults, onConsole, SharedAddress, type Seen } from "./support/frontend";
import type { Changes, SmallStack } from "./support/stack";

/** Seconds for which nobody may answer, or two may have the address. */
export const bearable = 4;

export function expectBearable(what: string, { api, ingress, two }: Seen): void {
  console.log(
    `${what}: API ${String(api)} s, ingress ${String(ingress)} s without an answer, two holders ${two.toFixed(1)} s`,
  );
  expect(Math.max(api, ingress, two)).toBeLessThan(bearable);
}

/** Runs Pulumi on some resources of a stack alone; with `--target-replace`, whether they change or not. */
export async function upOf(stack: SmallStack, changes: Changes, names: string[], option = "--target") {
  const state = JSON.parse(await inLab("pulumi", "stack", "export", "--stack", stack.name)) as {
    deployment: { resources: { urn: string }[] };
  };
  const urns = state.deployment.resources.map(({ urn }) => urn);
  const targets = names.map((name) => String(urns.find((urn) => urn.endsWith(`::${name}`))));
  return stack.pulumi("up", changes, "--yes", "--skip-preview", ...targets.flatMap((urn) => [option, urn]));
}

/** Two HAProxy machines that share an address, in front of one master and one worker. */
export function describeFrontend(
  stack: SmallStack,
  configuration: () => Changes,
  { machines, address, master, worker }: { machines: string[]; address: string; master: string; worker: string },
): void {
  const shared = new SharedAddress(address, worker);
  const withFrontend = (more: object): Changes => {
    const { frontend, ...others } = configuration();
    return { ...others, frontend: (values) => ({ ...(frontend?.(values) as object), ...more }) };
  };

  describe("keeps serving, with the address on one machine", () => {
    it.each(["HAProxy is paused", "keepalived is paused", "the network is cut"] as const)("when %s", async (what) => {
      expectBearable(what, await shared.survive(faults[what], machines));
    });
  });

  it("reloads another configuration, one machine after the other, without a gap", async () => {
    const changed = withFrontend({ ingressNodePorts: { https: 30444 } });
    const names = machines.map((machine) => `${machine}-haproxy`);
    const holder = await shared.holder(machines);
    const seen = await shared.watch(async () => {
      const { code, stdout } = await upOf(stack, changed, names);
      expect(code, stdout).toBe(0);
    });
    console.log("HAProxy reloads:", seen);
    expect(seen).toMatchObject({ refused: 0, two: 0 });
    expect(Math.max(seen.api, seen.ingress)).toBeLessThan(bearable / 2);
    expect(await shared.holder(machines)).toBe(holder);
  });

  it("refuses an address that somebody else has, before keepalived hears of it, and says who", async () => {
    const all = (verb: string) => Promise.all(machines.map((each) => onConsole(each, `systemctl ${verb} keepalived`)));
    const somebody = (verb: string) => inLab("ip", "address", verb, `${address}/32`, "dev", "lab0");
    await all("stop");
    await somebody("add");
    try {
      const step = `${String(machines[0])}-keepalived`;
      const { code, stdout } = await upOf(stack, configuration(), [step], "--target-replace");
      expect(code).not.toBe(0);
      const said =
        "is in use by the machine with the MAC address [0-9A-F:]{17}, which is no HAProxy machine of this stack: take";
      expect(stdout).toMatch(new RegExp(`${address.replaceAll(".", "\\.")} ${said}`));
    } finally {
      await somebody("delete");
      await all("start");
    }
    await eventually(30, () => shared.holder(machines));
  });

  it("passes 80 and 443 on while no master is there", async () => {
    const { ingress, two } = await shared.watch(async () => {
      await power(master, "off");
      // Longer than it takes HAProxy to notice, and keepalived to ask HAProxy thrice.
      await new Promise((resolve) => setTimeout(resolve, 10_000));
    });
    await power(master, "on");
    console.log(`no master: ingress ${String(ingress)} s without an answer`);
    expect(ingress).toBeLessThan(bearable / 2);
    expect(two).toBe(0);
    await eventually(180, async () => {
      await inLab("curl", "-skf", "--max-time", "2", `https://${address}:6443/readyz`);
    });
  });
}
