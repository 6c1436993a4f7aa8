import { contains, hasNoHostBits, isNetworkOrBroadcast, overlap, parseNetwork } from "./addresses";
import type { PlacedNode } from "./nodes";
import type { Problem } from "./problem";
import type { StackConfig } from "./schema";

/** What is wrong with networks, addresses and ports. */
export function networkProblems(config: StackConfig, nodes: PlacedNode[]): Problem[] {
  return [
    ...rangeProblems(config),
    ...frontendProblems(config),
    ...addressProblems(config, nodes),
    ...resolverProblems(config),
  ];
}

function rangeProblems({ network, controlPlane, workers }: StackConfig): Problem[] {
  const problems: Problem[] = [];
  const networks = [
    ["network.subnet", network.subnet],
    ["network.podCidr", network.podCidr],
    ["network.serviceCidr", network.serviceCidr],
  ] as const;

  for (const [path, cidr] of networks) {
    if (!hasNoHostBits(cidr)) {
      problems.push({ path, got: cidr, expected: "a network address, with no bit set beyond the prefix" });
    }
  }
  networks.forEach(([path, cidr], index) => {
    for (const [otherPath, other] of networks.slice(0, index)) {
      if (overlap(parseNetwork(cidr), parseNetwork(other))) {
        problems.push({ path, got: cidr, expected: `a network that does not overlap with ${otherPath} (${other})` });
      }
    }
  });

  const nodeCount = [controlPlane, ...Object.values(workers)].reduce(
    (sum, group) => sum + Object.keys(group.nodes).length,
    0,
  );
  // kube-controller-manager hands every node a /24 of the pod network, and kubeadm takes no more than 2^16 of them.
  const podPrefix = parseNetwork(network.podCidr).prefix;
  if (podPrefix < 8) {
    problems.push({ path: "network.podCidr", got: network.podCidr, expected: "a prefix of /8 or longer" });
  } else if (2 ** (24 - podPrefix) < nodeCount) {
    problems.push({
      path: "network.podCidr",
      got: network.podCidr,
      expected: `room for a /24 for each of ${String(nodeCount)} nodes, for example a /16`,
    });
  }
  // What kubeadm accepts: CoreDNS gets the tenth address.
  const servicePrefix = parseNetwork(network.serviceCidr).prefix;
  if (servicePrefix < 12 || servicePrefix > 28) {
    problems.push({ path: "network.serviceCidr", got: network.serviceCidr, expected: "a prefix from /12 to /28" });
  }
  return problems;
}

function frontendProblems({ frontend }: StackConfig): Problem[] {
  const problems: Problem[] = [];
  if (Object.keys(frontend.nodes).length > 1 && frontend.virtualAddress === undefined) {
    problems.push({
      path: "frontend.virtualAddress",
      got: "nothing",
      expected: "a free address of the subnet, because several HAProxy machines share one by VRRP",
    });
  }
  const { http, https } = frontend.ingressNodePorts;
  if (http === https) {
    problems.push({
      path: "frontend.ingressNodePorts",
      got: `${String(http)} for both`,
      expected: "a port for http and another one for https",
    });
  }
  return problems;
}

function addressProblems({ network, frontend, vcenter }: StackConfig, nodes: PlacedNode[]): Problem[] {
  const subnet = parseNetwork(network.subnet);
  const gateway = { path: "network.gateway", address: network.gateway };
  const others = [
    { path: "vcenter.server", address: vcenter.server.replace(/:\d+$/, "") },
    ...network.dns.map((address, index) => ({ path: `network.dns.${String(index)}`, address })),
    gateway,
  ];
  const own = [
    ...(frontend.virtualAddress === undefined
      ? []
      : [{ path: "frontend.virtualAddress", address: frontend.virtualAddress }]),
    ...nodes.map(({ path, address }) => ({ path: `${path}.address`, address })),
  ];

  const problems: Problem[] = [];
  // These may be one machine, which none of the stack's can be.
  const owners = new Map(others.map(({ path, address }) => [address, path]));
  for (const { path, address } of [gateway, ...own]) {
    const owner = path === gateway.path ? undefined : owners.get(address);
    if (!contains(subnet, address)) {
      problems.push({ path, got: address, expected: `an address inside network.subnet (${network.subnet})` });
    } else if (isNetworkOrBroadcast(subnet, address)) {
      problems.push({
        path,
        got: address,
        expected: `an address other than the network and the broadcast address of ${network.subnet}`,
      });
    } else if (owner !== undefined) {
      const shares = owner === "frontend.virtualAddress" && path.startsWith("frontend.nodes.");
      const how = ": docs/runbooks/two-haproxies.md says how a machine's address becomes the shared one";
      problems.push({
        path,
        got: address,
        expected: `an address of its own, because ${owner} has this one${shares ? how : ""}`,
      });
    } else {
      owners.set(address, path);
    }
  }
  return problems;
}

/** Nodes send what is for pods and services into the cluster, where no resolver of the network is. */
function resolverProblems({ network: { dns, subnet, podCidr, serviceCidr } }: StackConfig): Problem[] {
  const inside = { "network.podCidr": podCidr, "network.serviceCidr": serviceCidr };
  return dns.flatMap((address, index) =>
    Object.entries(inside)
      // Where a network overlaps with the nodes', that is what has to be said.
      .filter(([, cidr]) => contains(parseNetwork(cidr), address) && !contains(parseNetwork(subnet), address))
      .map(([path, cidr]) => ({
        path: `network.dns.${String(index)}`,
        got: address,
        expected: `an address outside of ${path} (${cidr}), which nodes look for inside the cluster`,
      })),
  );
}
