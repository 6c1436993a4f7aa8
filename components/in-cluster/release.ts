import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../../config";
import { failAbandonedReleases, knownMark } from "./helm-history";
import { mergeValues } from "../../render/merge";
import { apiClient } from "./api-client";
import type { ClusterApi } from "./cluster-api";
import { restrictedNamespace } from "./restricted";

export interface ReleaseArgs {
  /** Name of the release, of its namespace, and of its folder in charts/. */
  chart: string;
  namespace: k8s.core.v1.Namespace;
  api: ClusterApi;
  /** The official chart, if the configuration asks for it, and what it merges over `values`. */
  config: Pick<LoadedConfig["consul"], "chart" | "values">;
  values: Record<string, unknown>;
}

/** Root of the project, with respect to which Pulumi finds charts. */
const root = join(__dirname, "..", "..");

/**
 * A Helm release in the namespace of its name, done when its pods are ready. One that an interrupted run left in a state that
 * Helm refuses to touch is marked as failed first, which Helm repairs.
 */
export function release(
  name: string,
  args: ReleaseArgs,
  opts: { parent: pulumi.Resource; dependsOn: pulumi.Resource[] },
): k8s.helm.v3.Release {
  const { chart, namespace, api, config } = args;
  const source: Pick<k8s.helm.v3.ReleaseArgs, "chart" | "version" | "repositoryOpts" | "description"> = config.chart
    ? { chart, version: config.chart.version, repositoryOpts: { repo: config.chart.repository } }
    : // Pulumi does not look into a folder for changes, but at what it says of it here.
      { chart: `./charts/${chart}`, description: `charts/${chart} ${digest(join(root, "charts", chart))}` };
  const inCluster = api.inCluster(opts.parent, opts.dependsOn);
  const made = new k8s.helm.v3.Release(
    name,
    {
      ...source,
      name: chart,
      namespace: namespace.metadata.name,
      values: healed(args, opts.dependsOn).apply(() => mergeValues(args.values, config.values)),
      // Definitions of Traefik's objects are a release of their own: Helm never upgrades those that a chart brings beside its templates.
      skipCrds: true,
      // Seconds. Pulling the images is part of it.
      timeout: 600,
      // A failed first install may be tried again.
      replace: true,
      maxHistory: 5,
    },
    inCluster,
  );
  new k8s.core.v1.ConfigMap(
    `${name}-known`,
    { metadata: { name: knownMark, namespace: namespace.metadata.name } },
    { ...inCluster, dependsOn: [made] },
  );
  return made;
}

/**
 * Definitions of objects, in a release of their own, which upgrades them: of those that a chart brings beside its templates, Helm does not.
 * They need no node, and what they define outlives what made it.
 * @param chart one of charts/ that has nothing else
 */
export function definitions(
  name: string,
  chart: string,
  api: ClusterApi,
  parent: pulumi.Resource,
): k8s.helm.v3.Release {
  const namespace = restrictedNamespace(`${name}-namespace`, chart, api.inCluster(parent));
  return release(name, { chart, namespace, api, config: { values: {} }, values: {} }, { parent, dependsOn: [] });
}

/** A hash of all files below a folder, with their names. */
function digest(folder: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of files.map((file) => join(file.parentPath, file.name)).sort()) {
    hash.update(path.slice(folder.length)).update("\0").update(readFileSync(path));
  }
  return hash.digest("hex").slice(0, 12);
}

/**
 * Resolves once no revision of the release is abandoned. Asked on every run, because an interrupted one leaves nothing in the state
 * that would tell. A resource hook would be the place for it, if every language host passed it on.
 * @param before what the release waits for: asked earlier, an installation that a killed run began could still end in between
 */
function healed({ chart, api }: ReleaseArgs, before: pulumi.Resource[]): pulumi.Output<void> {
  if (pulumi.runtime.isDryRun()) {
    return pulumi.output(undefined);
  }
  return pulumi.unsecret(
    pulumi.all([api.kubeconfig, pulumi.all(before.map(({ urn }) => urn))]).apply(async ([kubeconfig]) => {
      const heal = async () => failAbandonedReleases(apiClient(kubeconfig), chart, chart);
      // Again if somebody wrote in between. An API that does not answer, or is not there, is for those to report who need it.
      await heal()
        .catch(heal)
        .catch((error: unknown) =>
          pulumi.log.debug(`the history of release ${chart} could not be read: ${String(error)}`),
        );
    }),
  );
}
