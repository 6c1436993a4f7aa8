import { describe, expect, test } from "vitest";
import { stepPath } from "../../../render/step";
import { validConfig, vary } from "../../support/configs";
import { readStep, recordOnce, runProgram } from "../../support/recorder";

const recorded = recordOnce(validConfig());
const container = () => {
  const { spec } = recorded().get("Deployment", "metrics-deployment").inputs as {
    spec: { template: { spec: { containers: { image: string; args: string[] }[] } } };
  };
  return spec.template.spec.containers[0];
};

describe("what measures nodes and pods", () => {
  test("trusts kubelets whom the cluster has signed, and is trusted by the API server for the stack's authority", () => {
    expect(container()?.args.join(" ")).not.toContain("insecure");
    const { spec } = recorded().get("APIService", "metrics-api").inputs as { spec: Record<string, unknown> };
    expect(spec).not.toHaveProperty("insecureSkipTLSVerify");
    const bundle = Buffer.from(String(spec.caBundle), "base64").toString();
    expect(bundle).toBe(recorded().exports.certificateAuthority?.value);
  });

  test("is not there where nobody wants it", async () => {
    const recording = await runProgram(vary(validConfig(), { metrics: { enabled: false } }));
    expect(recording.ofType("MetricsServer")).toEqual([]);
    expect(recording.ofType("APIService")).toEqual([]);
  });
});

describe("what judges requests for serving certificates", () => {
  test("knows every node of the stack by its address, and no other machine", () => {
    expect(recorded().get("ConfigMap", "control-plane-serving-certificates-nodes").inputs).toMatchObject({
      metadata: { name: "esxi-k8s-nodes", namespace: "kube-system" },
      data: {
        "master-1": "10.20.0.21",
        "master-2": "10.20.0.22",
        "master-3": "10.20.0.23",
        "worker-1": "10.20.0.31",
        "worker-2": "10.20.0.32",
      },
    });
  });

  test("may read requests, approve them for this one signer, and read the list of nodes", () => {
    const rules = ["ClusterRole", "Role"].flatMap((kind) =>
      recorded()
        .ofType(kind)
        .filter(({ name }) => name.startsWith("control-plane-serving-certificates-"))
        .flatMap(({ inputs }) => inputs.rules as { resources: string[]; resourceNames?: string[]; verbs: string[] }[]),
    );
    expect(
      rules.map(({ resources, resourceNames, verbs }) => [...resources, ...(resourceNames ?? []), ...verbs]),
    ).toEqual([
      ["certificatesigningrequests", "get", "list", "watch"],
      ["certificatesigningrequests/approval", "update"],
      ["signers", "kubernetes.io/kubelet-serving", "approve"],
      ["configmaps", "esxi-k8s-nodes", "get"],
    ]);
  });

  test("runs on every master that has joined, as a user of its own", () => {
    for (const master of recorded().masters()) {
      const step = recorded().command(`${master}-approver`);
      const { script, texts } = readStep(step);
      expect(script).toBe("run-approver");
      expect(texts.UNIT).toContain(`ExecStart=${stepPath("approve-serving-certificates")} `);
      expect(texts.UNIT).toContain("DynamicUser=yes\n");
      expect(recorded().stepsBefore(step)).toContain(`${master}-membership`);
    }
  });

  test("is nothing that a join waits for", () => {
    for (const node of ["master-2", "worker-1"]) {
      const before = recorded().stepsBefore(recorded().command(`${node}-join`));
      expect(before.filter((name) => name.endsWith("-approver"))).toEqual([]);
    }
  });
});
