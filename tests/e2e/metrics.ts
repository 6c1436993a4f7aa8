import { expect, it } from "vitest";
import { addresses, eventually, kubectl, masters, onMachine, run, temporaryFile, workers } from "./support/lab";

const nodes = [...masters, ...workers];

/** What is measured of nodes and pods, and how those who measure are known. */
export function describeMetrics(): void {
  it("knows every kubelet by a certificate of the cluster's authority, for its name and its address", async () => {
    for (const node of nodes) {
      const shown = await onMachine(
        "master-1",
        `openssl s_client -connect ${String(addresses[node])}:10250 -CAfile /etc/kubernetes/pki/ca.crt ` +
          `-verify_return_error -verify_hostname ${node} -verify_ip ${String(addresses[node])} </dev/null 2>/dev/null | openssl x509 -noout -subject`,
      );
      expect(shown).toContain(`system:node:${node}`);
    }
  });

  it("gives no node a certificate for another one", async () => {
    const signer = "kubernetes.io/kubelet-serving";
    const request = await run("bash", [
      "-c",
      "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null " +
        "-subj /O=system:nodes/CN=system:node:worker-1 -addext subjectAltName=DNS:worker-1,DNS:worker-2 2>/dev/null | base64 -w0",
    ]);
    const object = {
      apiVersion: "certificates.k8s.io/v1",
      kind: "CertificateSigningRequest",
      metadata: { name: "of-another-node" },
      spec: { request, signerName: signer, usages: ["digital signature", "server auth"] },
    };
    const asNode = ["--as", "system:node:worker-1", "--as-group", "system:nodes", "--as-group", "system:authenticated"];
    await kubectl("create", ...asNode, "-f", await temporaryFile(JSON.stringify(object)));
    await eventually(40, async () => {
      const condition = "jsonpath={.status.conditions[0].type}: {.status.conditions[0].message}";
      expect(await kubectl("get", "csr", object.metadata.name, "-o", condition)).toBe(
        "Denied: it asks for more than the name worker-1 and the address 10.20.0.31",
      );
    });
    await kubectl("delete", "csr", object.metadata.name);
  });

  it("answers kubectl top for every node and for pods", async () => {
    await eventually(60, async () => {
      const rows = (await kubectl("top", "nodes", "--no-headers")).split("\n").map((row) => row.split(/\s+/)[0]);
      expect(rows.sort()).toEqual([...nodes].sort());
    });
    expect(await kubectl("top", "pods", "--namespace", "kube-system", "--no-headers")).toMatch(
      /^etcd-master-1 .*\d+Mi/m,
    );
  });

  it("makes an autoscaler add pods to one that works hard", async () => {
    const labels = { app: "busy" };
    const list = {
      apiVersion: "v1",
      kind: "List",
      items: [
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: { name: "busy" },
          spec: {
            replicas: 1,
            selector: { matchLabels: labels },
            template: {
              metadata: { labels },
              spec: {
                terminationGracePeriodSeconds: 0,
                containers: [
                  {
                    name: "busy",
                    image: "docker.io/library/busybox:1.36",
                    imagePullPolicy: "IfNotPresent",
                    command: ["sh", "-c", "while :; do :; done"],
                    resources: { requests: { cpu: "20m" }, limits: { cpu: "60m" } },
                  },
                ],
              },
            },
          },
        },
        {
          apiVersion: "autoscaling/v2",
          kind: "HorizontalPodAutoscaler",
          metadata: { name: "busy" },
          spec: {
            scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "busy" },
            minReplicas: 1,
            maxReplicas: 2,
            metrics: [
              { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } },
            ],
          },
        },
      ],
    };
    await kubectl("apply", "-f", await temporaryFile(JSON.stringify(list)));
    await eventually(150, async () => {
      expect(await kubectl("get", "deployment", "busy", "-o", "jsonpath={.spec.replicas}")).toBe("2");
    });
    await kubectl("delete", "deployment,horizontalpodautoscaler", "busy");
  });
}
