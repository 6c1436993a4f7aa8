import * as ipaddr from "ipaddr.js";

/** An IPv4 network as two unsigned integers, both inclusive, and its prefix length in bits. */
export interface Network {
  first: number;
  last: number;
  prefix: number;
}

/**
 * Turns dotted notation into an unsigned 32 bit integer.
 * @throws Error when the text is no IPv4 address
 */
export function toInteger(address: string): number {
  return ipaddr.IPv4.parse(address)
    .toByteArray()
    .reduce((sum, byte) => sum * 256 + byte, 0);
}

/** The network that `cidr` lies in; host bits are ignored. */
export function parseNetwork(cidr: string): Network {
  const [address, prefix] = ipaddr.IPv4.parseCIDR(cidr);
  const size = 2 ** (32 - prefix);
  const first = Math.floor(toInteger(address.toString()) / size) * size;
  return { first, last: first + size - 1, prefix };
}

/** True when `cidr` names the network itself, as in 192.0.2.0/24, and not an address inside of it. */
export function hasNoHostBits(cidr: string): boolean {
  return toInteger(cidr.split("/")[0] ?? "") === parseNetwork(cidr).first;
}

export function contains(network: Network, address: string): boolean {
  const value = toInteger(address);
  return network.first <= value && value <= network.last;
}

export function overlap(a: Network, b: Network): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** The network's own address and its broadcast address: no machine can have them. */
export function isNetworkOrBroadcast(network: Network, address: string): boolean {
  return [network.first, network.last].includes(toInteger(address));
}
