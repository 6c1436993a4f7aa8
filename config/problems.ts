import { chartProblems } from "./chart-problems";
import { ingressProblems } from "./ingress-problems";
import { kubernetesProblems } from "./kubernetes-problems";
import { networkProblems } from "./network-problems";
import { placedNodes, type PlacedNode } from "./nodes";
import { routeProblems } from "../routes/problems";
import type { Problem } from "./problem";
import type { NodeConfig, StackConfig } from "./schema";
import { snapshotProblems } from "./snapshots";
import { sourceProblems } from "./source-problems";
import { storageProblems } from "./storage-problems";
import { valuesProblems } from "./values-problems";

/**
 * What shapes alone cannot express: everything about a configuration's values that would fail later, or worse, not fail.
 * @param now the time at which a certificate has to be valid
 */
export function findProblems(config: StackConfig, now = new Date()): Problem[] {
  const nodes = placedNodes(config);
  return [
    ...networkProblems(config, nodes),
    ...placementProblems(config, nodes),
    ...highAvailabilityProblems(config),
    ...chartProblems(config),
    ...kubernetesProblems(config),
    ...snapshotProblems(config),
    ...sourceProblems(config),
    ...storageProblems(config),
    ...ingressProblems(config, now),
    ...routeProblems(config),
    ...valuesProblems(config),
  ];
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
  return spreadProblems(masters, hosts);
}

/** One host of two always holds the majority of an odd number; of three and more, none has to. */
function spreadProblems(masters: NodeConfig[], hosts: StackConfig["hosts"]): Problem[] {
  const on = new Map<string, number>();
  for (const { host } of masters) {
    // Several keys may be one host with several datastores.
    const name = hosts[host]?.name ?? host;
    on.set(name, (on.get(name) ?? 0) + 1);
  }
  const several = new Set(Object.values(hosts).map(({ name }) => name)).size > 2;
  const most = several ? Math.floor((masters.length - 1) / 2) : masters.length - 1;
  return [...on].flatMap(([host, count]) =>
    count <= most
      ? []
      : [
          {
            path: "controlPlane.nodes",
            got: `${String(count)} of ${String(masters.length)} masters on ${host}`,
            expected:
              (several
                ? `at most ${String(most)} on one host, because etcd needs a majority to survive the loss of any host`
                : "masters on two hosts or more, because etcd does not survive the loss of all its members") +
              "; controlPlane.allowNonHa: true accepts a stack that is not highly available",
          },
        ],
  );
}
