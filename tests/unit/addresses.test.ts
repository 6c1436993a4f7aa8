import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  contains,
  hasNoHostBits,
  isNetworkOrBroadcast,
  overlap,
  parseNetwork,
  toInteger,
} from "../../config/addresses";
import { findProblems } from "../../config/problems";
import { stackConfig, type StackConfig } from "../../config/schema";
import { variant } from "../support/configs";

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

const integer = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const cidr = fc.tuple(integer, fc.integer({ min: 0, max: 32 })).map(([value, prefix]) => `${dotted(value)}/${prefix}`);
const network = cidr.map(parseNetwork);

describe("addresses", () => {
  test("become integers, all 32 bits of them", () => {
    expect(toInteger("255.255.255.255")).toBe(4294967295);
    fc.assert(fc.property(integer, (value) => toInteger(dotted(value)) === value));
  });

  test("texts that are none are refused", () => {
    for (const text of ["", "10.0.0.0.1", "10.0.0.256", "fe80::1", "host"]) {
      expect(() => toInteger(text), text).toThrow();
    }
  });

  test("what the schema takes for an address means here what it says", () => {
    // 010.0.0.1 and 0xa.0.0.1 are addresses to some readers, and not the same one to all of them.
    const { gateway } = stackConfig.shape.network.shape;
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV4Extended()), (text) => {
        fc.pre(gateway.safeParse(text).success);
        return dotted(toInteger(text)) === text;
      }),
    );
  });
});

describe("networks", () => {
  test.each([
    ["10.20.0.77/24", { first: "10.20.0.0", last: "10.20.0.255", prefix: 24 }],
    ["0.0.0.0/0", { first: "0.0.0.0", last: "255.255.255.255", prefix: 0 }],
    ["192.0.2.9/32", { first: "192.0.2.9", last: "192.0.2.9", prefix: 32 }],
    ["172.31.255.1/12", { first: "172.16.0.0", last: "172.31.255.255", prefix: 12 }],
  ])("%s", (text, { first, last, prefix }) => {
    expect(parseNetwork(text)).toEqual({ first: toInteger(first), last: toInteger(last), prefix });
  });

  test("hold every address that shares their prefix, and no other", () => {
    fc.assert(
      fc.property(cidr, integer, (text, value) => {
        const { first, prefix } = parseNetwork(text);
        const bits = (address: number) => address.toString(2).padStart(32, "0").slice(0, prefix);
        return contains(parseNetwork(text), dotted(value)) === (bits(value) === bits(first));
      }),
    );
  });

  test("have host bits unless they are written by their first address", () => {
    fc.assert(
      fc.property(cidr, (text) => {
        const { first, prefix } = parseNetwork(text);
        expect(hasNoHostBits(`${dotted(first)}/${prefix}`)).toBe(true);
        expect(hasNoHostBits(text)).toBe(text === `${dotted(first)}/${prefix}`);
      }),
    );
  });

  test("overlap both ways or not at all, and always with themselves", () => {
    fc.assert(
      fc.property(network, network, (a, b) => {
        expect(overlap(a, b)).toBe(overlap(b, a));
        expect(overlap(a, a)).toBe(true);
      }),
    );
  });

  test("overlap when one lies within the other", () => {
    fc.assert(
      fc.property(network, network, (a, b) => {
        const nested = contains(a, dotted(b.first)) || contains(b, dotted(a.first));
        expect(overlap(a, b)).toBe(nested);
      }),
    );
    const within = fc.tuple(network, fc.nat()).map(([outer, seed]) => {
      const prefix = outer.prefix + (seed % (33 - outer.prefix));
      const value = outer.first + (seed % (outer.last - outer.first + 1));
      return [outer, parseNetwork(`${dotted(value)}/${prefix}`)] as const;
    });
    fc.assert(fc.property(within, ([outer, inner]) => overlap(outer, inner)));
  });

  test("reserve their first and their last address", () => {
    fc.assert(
      fc.property(network, (it) => {
        expect(isNetworkOrBroadcast(it, dotted(it.first))).toBe(true);
        expect(isNetworkOrBroadcast(it, dotted(it.last))).toBe(true);
        if (it.last - it.first > 1) {
          expect(isNetworkOrBroadcast(it, dotted(it.first + 1))).toBe(false);
          expect(isNetworkOrBroadcast(it, dotted(it.last - 1))).toBe(false);
        }
      }),
    );
  });
});

/** Where an address plan has its addresses, in the order in which they are judged. */
const paths = [
  "network.gateway",
  "frontend.virtualAddress",
  "frontend.nodes.haproxy-1.address",
  "controlPlane.nodes.master-1.address",
  "controlPlane.nodes.master-2.address",
  "controlPlane.nodes.master-3.address",
  "workers.general.nodes.worker-1.address",
  "workers.general.nodes.worker-2.address",
] as const;

/** A subnet that overlaps with neither pods nor services, and a distinct usable address of it for every path. */
const plan = fc
  .integer({ min: 12, max: 28 })
  .chain((prefix) => {
    const size = 2 ** (32 - prefix);
    return fc.record({
      prefix: fc.constant(prefix),
      first: fc.nat({ max: 2 ** (prefix - 12) - 1 }).map((index) => toInteger("172.16.0.0") + index * size),
      offsets: fc.uniqueArray(fc.integer({ min: 1, max: size - 2 }), {
        minLength: paths.length,
        maxLength: paths.length,
      }),
    });
  })
  .map(({ prefix, first, offsets }) => ({
    subnet: { first, last: first + 2 ** (32 - prefix) - 1, text: `${dotted(first)}/${prefix}` },
    addresses: offsets.map((offset) => dotted(first + offset)),
  }));

const complete = variant({ frontend: { virtualAddress: "10.20.0.5" } });

function withPlan(subnet: string, addresses: string[]): StackConfig {
  const config = structuredClone(complete);
  config.network.subnet = subnet;
  paths.forEach((path, index) => {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    const owner = keys.reduce<Record<string, unknown>>((value, key) => value[key] as Record<string, unknown>, config);
    owner[last] = addresses[index];
  });
  return config;
}

function replaced(addresses: string[], index: number, address: string): string[] {
  return addresses.map((kept, at) => (at === index ? address : kept));
}

const position = fc.nat({ max: paths.length - 1 });

describe("an address plan", () => {
  test("of distinct usable addresses of the subnet has no problem", () => {
    fc.assert(
      fc.property(plan, ({ subnet, addresses }) => {
        expect(findProblems(withPlan(subnet.text, addresses))).toEqual([]);
      }),
    );
  });

  test("with one address twice has one problem, at the later of the two", () => {
    fc.assert(
      fc.property(plan, position, position, ({ subnet, addresses }, a, b) => {
        fc.pre(a !== b);
        const [earlier, later] = [Math.min(a, b), Math.max(a, b)];
        const address = addresses[earlier] ?? "";
        expect(findProblems(withPlan(subnet.text, replaced(addresses, later, address)))).toEqual([
          {
            path: paths[later],
            got: address,
            expected: expect.stringContaining(
              `an address of its own, because ${paths[earlier]} has this one`,
            ) as string,
          },
        ]);
      }),
    );
  });

  test("with one address outside of the subnet has one problem, there", () => {
    fc.assert(
      fc.property(plan, position, integer, ({ subnet, addresses }, index, value) => {
        fc.pre(value < subnet.first || value > subnet.last);
        expect(findProblems(withPlan(subnet.text, replaced(addresses, index, dotted(value))))).toEqual([
          { path: paths[index], got: dotted(value), expected: `an address inside network.subnet (${subnet.text})` },
        ]);
      }),
    );
  });

  test("whose subnet ends just before or after an address has one problem, there", () => {
    fc.assert(
      fc.property(plan, position, fc.boolean(), ({ subnet, addresses }, index, below) => {
        const value = dotted(below ? subnet.first - 1 : subnet.last + 1);
        expect(findProblems(withPlan(subnet.text, replaced(addresses, index, value))).map(({ path }) => path)).toEqual([
          paths[index],
        ]);
      }),
    );
  });

  test("with one reserved address has one problem, there", () => {
    fc.assert(
      fc.property(plan, position, fc.boolean(), ({ subnet, addresses }, index, first) => {
        const value = dotted(first ? subnet.first : subnet.last);
        expect(findProblems(withPlan(subnet.text, replaced(addresses, index, value)))).toEqual([
          {
            path: paths[index],
            got: value,
            expected: `an address other than the network and the broadcast address of ${subnet.text}`,
          },
        ]);
      }),
    );
  });

  test("in a subnet that pods or services use has a problem at the network that has to move", () => {
    const taken = fc.constantFrom(
      { path: "network.podCidr", cidr: "10.244.0.0/16" },
      { path: "network.serviceCidr", cidr: "10.96.0.0/12" },
    );
    fc.assert(
      fc.property(taken, fc.integer({ min: 20, max: 28 }), fc.nat(), ({ path, cidr: used }, prefix, seed) => {
        const outer = parseNetwork(used);
        const size = 2 ** (32 - prefix);
        const first = outer.first + (seed % ((outer.last - outer.first + 1) / size)) * size;
        const subnet = `${dotted(first)}/${prefix}`;
        const addresses = paths.map((_, index) => dotted(first + 1 + index));
        expect(findProblems(withPlan(subnet, addresses))).toEqual([
          { path, got: used, expected: `a network that does not overlap with network.subnet (${subnet})` },
        ]);
      }),
    );
  });
});
