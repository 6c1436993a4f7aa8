import type * as k8s from "@pulumi/kubernetes";

/** Spreads pods with these labels over nodes as far as there are any: fewer nodes than pods keep none from its place. */
export function acrossNodes(matchLabels: Record<string, string>): k8s.types.input.core.v1.TopologySpreadConstraint {
  return {
    ...{ maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway" },
    labelSelector: { matchLabels },
  };
}
