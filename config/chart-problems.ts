import type { Problem } from "./problem";
import type { StackConfig } from "./schema";
import { hasType } from "./storage";
import { fittingCharts } from "./versions";

/** Official charts that would not take this program's values: by Helm's word in the middle of an update, or in silence. */
export function chartProblems({ consul, ingress, storage }: StackConfig): Problem[] {
  return [
    ...(consul.enabled ? versionProblems("consul", "Consul", consul.chart, fittingCharts.consul) : []),
    ...(ingress.enabled ? versionProblems("ingress", "Traefik", ingress.chart, fittingCharts.traefik) : []),
    ...(["nfs", "smb"] as const).flatMap((type) =>
      hasType(type, storage.classes)
        ? versionProblems(
            `storage.drivers.${type}`,
            `csi-driver-${type}`,
            storage.drivers[type].chart,
            fittingCharts[type],
          )
        : [],
    ),
  ];
}

function versionProblems(
  key: string,
  component: string,
  chart: StackConfig["consul"]["chart"],
  fitting: (typeof fittingCharts)[keyof typeof fittingCharts],
): Problem[] {
  if (chart === undefined || chart.version.startsWith(`${fitting.range}.`)) {
    return [];
  }
  return [
    {
      path: `${key}.chart.version`,
      got: chart.version,
      expected:
        `a release ${fitting.range}.x such as ${fitting.example}: ` +
        `those install ${component} ${fitting.component} and take the values of this program`,
    },
  ];
}
