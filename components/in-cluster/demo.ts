import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../../config";
import { demo, ownHosts } from "../../routes/declared";
import { haproxyImage } from "../../config/images";
import { demoConfig } from "../../render/demo";
import { shortHash } from "../../render/step";
import type { ClusterApi } from "./cluster-api";
import { acrossNodes } from "./spread";
import { podField } from "./pod-field";
import { restrictedContainer, restrictedNamespace, restrictedPod } from "./restricted";

export interface DemoArgs {
  api: ClusterApi;
  /** Names the domain below which the application's hosts are. */
  config: Pick<LoadedConfig, "ingress">;
  /** Nodes that take its pods. */
  dependsOn: pulumi.Resource[];
}

const labels = { app: "demo" };
const port = 8080;
const configFile = "haproxy.cfg";

/**
 * A small application to see the ingress at work: says which of its pods answered, and what it knows of who asked. Three host
 * names lead to it, one of each source of routes.
 */
export class Demo extends pulumi.ComponentResource {
  constructor(name: string, args: DemoArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Demo", name, {}, opts);
    const { api, config, dependsOn } = args;
    // Files and Consul have theirs already (declaredRoutes).
    const host = ownHosts(config).demo.kubernetes;
    const inCluster = api.inCluster(this, dependsOn);
    const namespace = restrictedNamespace(`${name}-namespace`, demo.namespace, inCluster);
    const metadata = { name: demo.service, namespace: namespace.metadata.name };
    const text = demoConfig(port);
    const page = new k8s.core.v1.ConfigMap(`${name}-page`, { metadata, data: { [configFile]: text } }, inCluster);
    new k8s.apps.v1.Deployment(
      `${name}-application`,
      {
        metadata,
        spec: {
          replicas: 2,
          selector: { matchLabels: labels },
          template: {
            // Pods read it once: another text has to make other pods.
            metadata: { labels, annotations: { "esxi-k8s/settings": shortHash(text) } },
            spec: podSpec(page),
          },
        },
      },
      inCluster,
    );
    const service = new k8s.core.v1.Service(
      `${name}-service`,
      {
        metadata: {
          ...metadata,
          // Traefik passes requests to the Service, not to its pods: which of them answers is the Service's affair.
          annotations: {
            "traefik.ingress.kubernetes.io/service.nativelb": "true",
            // Its pods are waited for already; that they stay its pods would be waited for ten seconds more.
            "pulumi.com/skipAwait": "true",
          },
        },
        spec: {
          selector: labels,
          ports: [{ name: "http", port: 80, targetPort: port }],
          // A node's Traefik asks the node's pod: when a node stops, nobody on the others is waiting for its pods.
          trafficDistribution: "PreferSameNode",
        },
      },
      inCluster,
    );
    new k8s.networking.v1.Ingress(
      `${name}-ingress`,
      {
        metadata: {
          ...metadata,
          annotations: {
            // A middleware of another source.
            "traefik.ingress.kubernetes.io/router.middlewares": "security-headers@file",
            // Behind node ports there is no address of a load balancer to wait for.
            "pulumi.com/skipAwait": "true",
          },
        },
        spec: {
          ingressClassName: "traefik",
          rules: [
            {
              host,
              http: {
                paths: [
                  {
                    path: "/",
                    pathType: "Prefix",
                    backend: { service: { name: service.metadata.name, port: { name: "http" } } },
                  },
                ],
              },
            },
          ],
        },
      },
      inCluster,
    );
    this.registerOutputs({ host });
  }
}

function podSpec(page: k8s.core.v1.ConfigMap): k8s.types.input.core.v1.PodSpec {
  const folder = "/etc/demo";
  return {
    automountServiceAccountToken: false,
    securityContext: restrictedPod,
    topologySpreadConstraints: [acrossNodes(labels)],
    containers: [
      {
        name: "demo",
        image: haproxyImage,
        imagePullPolicy: "IfNotPresent",
        command: ["haproxy", "-db", "-f", `${folder}/${configFile}`],
        ports: [{ name: "http", containerPort: port }],
        env: [
          { name: "POD", valueFrom: podField("metadata.name") },
          { name: "NODE", valueFrom: podField("spec.nodeName") },
        ],
        readinessProbe: { tcpSocket: { port }, periodSeconds: 2 },
        // What a hundred requests a second take.
        resources: { requests: { cpu: "100m", memory: "32Mi" } },
        // Nodes send it new connections until all of them know that it goes.
        lifecycle: { preStop: { sleep: { seconds: 10 } } },
        securityContext: restrictedContainer,
        volumeMounts: [{ name: "page", mountPath: folder }],
      },
    ],
    volumes: [{ name: "page", configMap: { name: page.metadata.name } }],
  };
}
