import { certificateProblem } from "./certificates";
import { schedulable } from "./nodes";
import { longestValue, mostKeyBytes } from "../render/consul";
import type { Problem } from "./problem";
import type { StackConfig } from "./schema";
import { howToSet } from "./secrets";

/** How many of Consul's servers may stand on fewer machines. */
const mostServersThatShare = 3;

/** What is wrong with Consul and Traefik apart from the routes, and with the workers that they need. */
export function ingressProblems(config: StackConfig, now: Date): Problem[] {
  return [
    ...workerProblems(config),
    ...consulProblems(config),
    ...demonstrationProblems(config),
    ...certificateProblems(config, now),
  ];
}

function workerProblems({ workers, storage, metrics, consul, ingress }: StackConfig): Problem[] {
  const count = schedulable(workers).reduce((sum, { nodes }) => sum + Object.keys(nodes).length, 0);
  const on = count === 1 ? "1 worker that takes pods" : `${String(count)} workers that take pods`;

  if (count === 0) {
    const needy = {
      ...(Object.keys(storage.classes).length > 0 && { storage: "storage.classes: {}" }),
      ...(metrics.enabled && { metrics: "metrics.enabled: false" }),
      ...(consul.enabled && { consul: "consul.enabled: false" }),
      ...(ingress.enabled && { ingress: "ingress.enabled: false" }),
    };
    const list = (texts: string[]) => new Intl.ListFormat("en-GB").format(texts);
    return Object.keys(needy).length === 0
      ? []
      : [
          {
            path: "workers",
            got: Object.keys(workers).length === 0 ? "no worker" : "no worker that takes pods without a toleration",
            expected: `a worker for ${list(Object.keys(needy))}, or ${list(Object.values(needy))}`,
          },
        ];
  }
  const problems: Problem[] = [];
  if (ingress.enabled && ingress.replicas !== undefined && ingress.replicas > count) {
    problems.push({
      path: "ingress.replicas",
      got: String(ingress.replicas),
      expected: `at most ${String(count)}, because Traefik places one pod on a worker and there ${count === 1 ? "is" : "are"} ${on}`,
    });
  }
  if (consul.enabled && consul.replicas > Math.max(count, mostServersThatShare)) {
    problems.push({
      path: "consul.replicas",
      got: String(consul.replicas),
      expected:
        `at most ${String(mostServersThatShare)} on ${on}, or a worker for each, ` +
        "because more servers than machines survive no further loss",
    });
  }
  return problems;
}

function consulProblems({ consul }: StackConfig): Problem[] {
  if (!consul.enabled) {
    return [];
  }
  const problems: Problem[] = [];
  if (consul.replicas % 2 === 0) {
    problems.push({
      path: "consul.replicas",
      got: String(consul.replicas),
      expected: "an odd number, because Consul needs a majority to survive a loss",
    });
  }
  for (const [key, value] of Object.entries(consul.kv)) {
    const [bytes, most] = [Buffer.byteLength(value), longestValue(key)];
    if (bytes > most) {
      problems.push({
        path: `consul.kv.${key}`,
        got: `a value of ${String(bytes)} bytes`,
        expected: `at most ${String(most)}, which is what Consul takes in one transaction`,
      });
    }
  }
  const keyBytes = Object.keys(consul.kv).reduce((sum, key) => sum + Buffer.byteLength(key) + 1, 0);
  if (keyBytes > mostKeyBytes) {
    problems.push({
      path: "consul.kv",
      got: `keys of ${String(keyBytes)} bytes`,
      expected: `at most ${String(mostKeyBytes)}, because a list of them is one of Consul's values`,
    });
  }
  return problems;
}

function demonstrationProblems({ demo, consul, ingress }: StackConfig): Problem[] {
  if (!demo || (consul.enabled && ingress.enabled)) {
    return [];
  }
  const missing = [...(consul.enabled ? [] : ["consul"]), ...(ingress.enabled ? [] : ["ingress"])];
  return [
    {
      path: "demo",
      got: "true",
      expected: `false, or ${missing.map((key) => `${key}.enabled: true`).join(" and ")}, because it shows a route of each source`,
    },
  ];
}

function certificateProblems(
  { ingress: { certificate }, ingressCertificateKey: key }: StackConfig,
  now: Date,
): Problem[] {
  if (certificate === undefined && key === undefined) {
    return [];
  }
  if (key === undefined) {
    return [
      {
        path: "ingressCertificateKey",
        got: "nothing",
        expected: howToSet("ingressCertificateKey"),
      },
    ];
  }
  if (certificate === undefined) {
    return [
      {
        path: "ingress.certificate",
        got: "nothing",
        expected: "the certificate that ingressCertificateKey belongs to",
      },
    ];
  }
  const problem = certificateProblem(certificate, key, now);
  return problem === undefined ? [] : [problem];
}
