import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
/** Host name of the application; it has to lead to the cluster's frontend. */
const host = config.require("host");
/** The stack that made the cluster; by default the one that is called as this stack is. */
const stack = config.get("cluster") ?? `${pulumi.getOrganization()}/esxi-k8s/${pulumi.getStack()}`;

const cluster = new pulumi.StackReference(stack);
const provider = new k8s.Provider("cluster", {
  // A secret there, and so a secret here.
  kubeconfig: cluster.requireOutput("kubeconfig"),
  // A renewed certificate in the kubeconfig is no other cluster, for which everything would be replaced.
  clusterIdentifier: stack,
});
const inCluster = { provider };

const namespace = new k8s.core.v1.Namespace(
  "hello",
  { metadata: { name: "hello", labels: { "pod-security.kubernetes.io/enforce": "restricted" } } },
  inCluster,
);
const labels = { app: "hello" };
const metadata = { namespace: namespace.metadata.name, labels };
// The application's pods are waited for already, and behind node ports no load balancer has an address.
const unawaited = { ...metadata, annotations: { "pulumi.com/skipAwait": "true" } };

const page = new k8s.core.v1.ConfigMap(
  "page",
  { metadata, data: { "index.html": `Hello from ${stack}, at ${host}.\n` } },
  inCluster,
);

new k8s.apps.v1.Deployment(
  "hello",
  {
    metadata,
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          // httpd does not heed the request to end.
          terminationGracePeriodSeconds: 3,
          securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              name: "web",
              image: "docker.io/library/busybox:1.36",
              command: ["httpd", "-f", "-p", "8080", "-h", "/www"],
              ports: [{ name: "http", containerPort: 8080 }],
              readinessProbe: { tcpSocket: { port: "http" }, periodSeconds: 2 },
              resources: { requests: { cpu: "10m", memory: "16Mi" } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
              },
              volumeMounts: [{ name: "page", mountPath: "/www" }],
            },
          ],
          volumes: [{ name: "page", configMap: { name: page.metadata.name } }],
        },
      },
    },
  },
  inCluster,
);

const service = new k8s.core.v1.Service(
  "hello",
  { metadata: unawaited, spec: { selector: labels, ports: [{ name: "http", port: 80, targetPort: "http" }] } },
  inCluster,
);

// The route, which the cluster's Traefik serves over HTTP and HTTPS.
new k8s.networking.v1.Ingress(
  "hello",
  {
    metadata: unawaited,
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

export const url = `https://${host}/`;
