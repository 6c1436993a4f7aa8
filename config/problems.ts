import { contains, hasNoHostBits, isNetworkOrBroadcast, overlap, parseNetwork } from "./addresses";
import { chartProblems } from "./chart-problems";
import { ingressProblems } from "./ingress-problems";
import { routeProblems } from "../routes/problems";
import type { Problem } from "./problem";
import type { NodeConfig, StackConfig } from "./schema";
import { defaultKubernetesVersion, supportedKubernetesMinors } from "./versions";

/** A machine's configuration with the path at which it stands. */
interface PlacedNode extends NodeConfig {
  name: string;
  path: string;
}

/**
 * What shapes alone cannot express: everything about a configuration's values that would fail later, or worse, not fail.
 * @param now the time at which a certificate has to be valid
 */
export function findProblems(config: StackConfig, now = new Date()): Problem[] {
  const nodes = placedNodes(config);
  return [
    ...networkProblems(config),
    ...addressProblems(config, nodes),
    ...placementProblems(config, nodes),
    ...highAvailabilityProblems(config),
    ...versionProblems(config),
    ...chartProblems(config),
    ...ingressProblems(config, now),
    ...routeProblems(config),
  ];
}

function placedNodes(config: StackConfig): PlacedNode[] {
  const place = (group: string, nodes: Record<string, NodeConfig>) =>
    Object.entries(nodes).map(([name, node]) => ({ ...node, name, path: `${group}.nodes.${name}` }));
  return [
    ...place("frontend", config.frontend.nodes),
    ...place("controlPlane", config.controlPlane.nodes),
    ...Object.entries(config.workers).flatMap(([pool, { nodes }]) => place(`workers.${pool}`, nodes)),
  ];
}

function networkProblems({ network, frontend, controlPlane, workers }: StackConfig): Problem[] {
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
  // kube-controller-manager hands every node a /24 of the pod network.
  if (2 ** (24 - parseNetwork(network.podCidr).prefix) < nodeCount) {
    problems.push({
      path: "network.podCidr",
      got: network.podCidr,
      expected: `room for a /24 for each of ${String(nodeCount)} nodes, for example a /16`,
    });
  }
  const servicePrefix = parseNetwork(network.serviceCidr).prefix;
  if (servicePrefix < 12 || servicePrefix > 24) {
    problems.push({ path: "network.serviceCidr", got: network.serviceCidr, expected: "a prefix from /12 to /24" });
  }
  if (Object.keys(frontend.nodes).length > 1 && frontend.virtualAddress === undefined) {
    problems.push({
      path: "frontend.virtualAddress",
      got: "nothing",
      expected: "a free address of the subnet, because several HAProxy machines share one by VRRP",
    });
  }
  return problems;
}

function addressProblems({ network, frontend }: StackConfig, nodes: PlacedNode[]): Problem[] {
  const subnet = parseNetwork(network.subnet);
  const addresses = [
    { path: "network.gateway", address: network.gateway },
    ...(frontend.virtualAddress === undefined
      ? []
      : [{ path: "frontend.virtualAddress", address: frontend.virtualAddress }]),
    ...nodes.map(({ path, address }) => ({ path: `${path}.address`, address })),
  ];

  const problems: Problem[] = [];
  const owners = new Map<string, string>();
  for (const { path, address } of addresses) {
    const owner = owners.get(address);
    if (!contains(subnet, address)) {
      problems.push({ path, got: address, expected: `an address inside network.subnet (${network.subnet})` });
    } else if (isNetworkOrBroadcast(subnet, address)) {
      problems.push({
        path,
        got: address,
        expected: `an address other than the network and the broadcast address of ${network.subnet}`,
      });
    } else if (owner !== undefined) {
      problems.push({ path, got: address, expected: `an address of its own, because ${owner} has this one` });
    } else {
      owners.set(address, path);
    }
  }
  return problems;
}

function placementProblems({ hosts }: StackConfig, nodes: PlacedNode[]): Problem[] {
  const problems: Problem[] = [];
  const owners = new Map<string, string>();
  for (const { name, host, path } of nodes) {
    if (!Object.hasOwn(hosts, host)) {
      problems.push({ path: `${path}.host`, got: host, expected: `a key of hosts: ${Object.keys(hosts).join(", ")}` });
    }
    const owner = owners.get(name);
    if (owner === undefined) {
      owners.set(name, path);
    } else {
      problems.push({ path, got: name, expected: `a machine name of its own, because ${owner} has this one` });
    }
  }
  return problems;
}

function highAvailabilityProblems({ controlPlane, hosts }: StackConfig): Problem[] {
  const masters = Object.values(controlPlane.nodes);
  const path = "controlPlane.nodes";
  if (masters.length === 0) {
    return [{ path, got: "no master", expected: "three or five masters" }];
  }
  if (controlPlane.allowNonHa) {
    return [];
  }
  if (masters.length < 3 || masters.length % 2 === 0) {
    return [
      {
        path,
        got: `${String(masters.length)} master${masters.length === 1 ? "" : "s"}`,
        expected:
          "an odd number of three or more, because etcd needs a majority to survive a loss; " +
          "controlPlane.allowNonHa: true accepts a stack that is not highly available",
      },
    ];
  }
  const used = new Set(masters.map(({ host }) => host));
  if (used.size === 1 && Object.keys(hosts).length > 1) {
    return [
      {
        path,
        got: `every master on ${[...used].join("")}`,
        expected: "masters spread over several hosts, or controlPlane.allowNonHa: true",
      },
    ];
  }
  return [];
}

function versionProblems({ kubernetes }: StackConfig): Problem[] {
  const minor = kubernetes.version.split(".").slice(0, 2).join(".");
  if (supportedKubernetesMinors.some((supported) => supported === minor)) {
    return [];
  }
  return [
    {
      path: "kubernetes.version",
      got: kubernetes.version,
      expected: `a release of ${supportedKubernetesMinors.join(", ")}, for example ${defaultKubernetesVersion}`,
    },
  ];
}
