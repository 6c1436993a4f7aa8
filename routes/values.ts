import type { Check } from "./matchers";

/** What 64 bits hold: Traefik refuses all of a source for a number or a duration beyond. */
const most = 2n ** 63n - 1n;

/** Traefik keeps the priorities beyond for routers of its own. */
const mostPriority = most - 1000n;

/** Nanoseconds. */
const units: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

export const wholeNumber: Check = (value) => {
  const number = BigInt(value.replace("+", ""));
  return -most - 1n <= number && number <= most ? undefined : `a whole number from -2^63 to 2^63 - 1 (${String(most)})`;
};

export const priority: Check = (value) =>
  BigInt(value.replace("+", "")) <= mostPriority ? undefined : `a whole number up to ${String(mostPriority)}`;

export const wholeDuration: Check = (value) => {
  let sum = 0n;
  for (const [, whole = "", fraction = "", unit = "s"] of value.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)?/g)) {
    const length = units[unit] ?? 0n;
    sum += BigInt(whole) * length + (BigInt(fraction) * length) / 10n ** BigInt(fraction.length);
  }
  return sum <= most ? undefined : "a duration of less than 292 years (2562047h)";
};

/** Traefik connects to nothing else; what has no scheme is a path, or a scheme itself. */
export const url: Check = (value) =>
  /^(https?|h2c):\/\/[^/?#]/i.test(value) ? undefined : "a URL with its scheme, such as http://192.0.2.10:8080";

export const endpoint: Check = (value) =>
  /^([^:]+|\[[^\]]+\]):\d{1,5}$/.test(value) ? undefined : "an address with a port, such as 192.0.2.10:5432";
