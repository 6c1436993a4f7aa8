import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { eventually, inLab, power, run } from "./lab";

/** Runs a line of bash with the lab's names and its docker. */
const withLab = (line: string, ...args: string[]) =>
  run("bash", ["-c", `source sim/lab.sh && ${line}`, "bash", ...args]);
/** The id of a machine's container. */
const container = (machine: string) => withLab('lab_docker ps --quiet --filter "name=vcsim-$1-"', machine);
/** Runs a line of bash on a machine as root, by docker: not by the network, which is disturbed here. */
export const onConsole = async (machine: string, line: string): Promise<string> =>
  withLab('lab_docker exec "$1" bash -c "$2"', await container(machine), line);

/** Where a machine's network cable ends. */
async function port(machine: string): Promise<string> {
  const index = await onConsole(machine, "cat /sys/class/net/eth0/iflink");
  const links = await inLab("ip", "-o", "link");
  return new RegExp(`^${index}: (\\S+?)[@:]`, "m").exec(links)?.[1] ?? "";
}

/** Something that can happen to a HAProxy machine. */
export interface Fault {
  /** Makes it happen to a machine; returns what ends it. */
  strike: (machine: string) => Promise<() => Promise<unknown>>;
  /** The machine mends itself, so that it may keep the address. */
  passes?: boolean;
  /** Seconds until it is ended; default 6. */
  lasts?: number;
}

/** A signal to all processes of a unit, until another one. */
const signalled = (unit: string, signal: string, end?: string) => async (machine: string) => {
  await onConsole(machine, `systemctl kill --signal ${signal} ${unit}`);
  return () => (end === undefined ? Promise.resolve() : onConsole(machine, `systemctl kill --signal ${end} ${unit}`));
};

export const faults = {
  "HAProxy is killed": { strike: signalled("haproxy", "KILL"), passes: true },
  "HAProxy stops": {
    strike: async (machine) => {
      await onConsole(machine, "systemctl stop haproxy");
      return () => onConsole(machine, "systemctl start haproxy");
    },
  },
  "HAProxy is paused": { strike: signalled("haproxy", "STOP", "CONT") },
  "keepalived is killed": { strike: signalled("keepalived", "KILL"), passes: true },
  "keepalived is paused": { strike: signalled("keepalived", "STOP", "CONT") },
  "the plug is pulled": {
    strike: async (machine) => {
      await power(machine, "off");
      return () => power(machine, "on");
    },
  },
  // Shorter ones may move the address once more: HAProxy has to have noticed that it reaches no server.
  "the network is cut": {
    lasts: 12,
    strike: async (machine) => {
      const name = await port(machine);
      await inLab("ip", "link", "set", name, "nomaster");
      return () => inLab("ip", "link", "set", name, "master", "lab0");
    },
  },
  "the link is down": {
    lasts: 12,
    strike: async (machine) => {
      const name = await port(machine);
      await inLab("ip", "link", "set", name, "down");
      return () => inLab("ip", "link", "set", name, "up");
    },
  },
} satisfies Record<string, Fault>;

/** What a client on the lab's network got for an answer, in seconds. */
export interface Answered {
  /** Longest time without an answer of the API and of the ingress controller. */
  api: number;
  ingress: number;
  /** Connections that were refused or broken off. */
  refused: number;
}

/** What it saw of an address that machines share as well, in seconds. */
export interface Seen extends Answered {
  /** Longest time in which two machines answered for the address. */
  two: number;
  /** How many moments were looked at. */
  samples: number;
}

/** Asks the API and the ingress controller for something, by an address and from the lab's network, while something is done. */
export async function askAllTheWhile(address: string, work: () => Promise<void>): Promise<Answered> {
  const urls = [`api=https://${address}:6443/readyz`, `ingress=http://${address}/`];
  const client = spawn("sim/enter", ["node", "tests/e2e/support/watch.mjs", ...urls], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const printed = text(client.stdout);
  try {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await work();
    await new Promise((resolve) => setTimeout(resolve, 1500));
  } finally {
    client.stdin.end();
  }
  const { api, ingress } = JSON.parse(await printed) as Record<
    "api" | "ingress",
    { answered: number; refused: number; gap: number }
  >;
  expect(api.answered).toBeGreaterThan(5);
  expect(ingress.answered).toBeGreaterThan(5);
  return { api: api.gap, ingress: ingress.gap, refused: api.refused + ingress.refused };
}

/** The HAProxy machines of a stack, and their virtual address, as a client sees them. */
export class SharedAddress {
  /** @param observer a machine that the tests leave alone: what it hears of the address counts */
  constructor(
    readonly address: string,
    readonly observer: string,
  ) {}

  /** The machine among some that has the address now. */
  async holder(machines: string[]): Promise<string> {
    const has = await Promise.all(
      machines.map(async (machine) => {
        const shown = await onConsole(machine, `ip -o -4 address show to ${this.address}`).catch(() => "");
        return shown === "" ? [] : [machine];
      }),
    );
    expect(has.flat()).toHaveLength(1);
    return String(has.flat()[0]);
  }

  /** Looks from the lab's network while something is done. */
  async watch(work: () => Promise<void>): Promise<Seen> {
    const docker = ["-c", 'source sim/lab.sh && exec docker --host "$LAB_DOCKER" exec --interactive "$@"', "bash"];
    const script = 'exec python3 -c "$1" eth0 "$2"';
    const program = await run("cat", ["tests/e2e/support/holders.py"]);
    const arp = spawn(
      "bash",
      [...docker, await container(this.observer), "bash", "-c", script, "bash", program, this.address],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    const printed = text(arp.stdout);
    let answered: Answered;
    try {
      answered = await askAllTheWhile(this.address, work);
    } finally {
      arp.stdin.end();
    }
    const holders = JSON.parse(await printed) as [number, string[]][];
    let two = 0;
    let since: number | undefined;
    for (const [at, macs] of holders) {
      since = macs.length > 1 ? (since ?? at) : undefined;
      two = Math.max(two, since === undefined ? 0 : at + 0.1 - since);
    }
    return { ...answered, two, samples: holders.length };
  }

  /**
   * Lets something happen to the machine that has the address, and ends it again.
   * @param machines all that may have it
   * @returns what clients saw of both
   */
  async survive(fault: Fault, machines: string[]): Promise<Seen> {
    const struck = await this.holder(machines);
    const others = machines.filter((machine) => machine !== struck);
    const seen = await this.watch(async () => {
      const end = await fault.strike(struck);
      let holder: string;
      try {
        await new Promise((resolve) => setTimeout(resolve, (fault.lasts ?? 6) * 1000));
        holder = await this.holder(fault.passes ? machines : others);
      } finally {
        await end();
      }
      // Until it is back for good, it might want the address again.
      await eventually(60, async () => {
        for (const unit of ["haproxy", "keepalived"]) {
          expect(await onConsole(struck, `systemctl is-active ${unit}`)).toBe("active");
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 6000));
      expect(await this.holder(machines)).toBe(holder);
    });
    expect(seen.samples).toBeGreaterThan(60);
    return seen;
  }
}
