import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/** A namespace whose pods keep to the level `restricted` of pod security. */
export function restrictedNamespace(name: string, namespace: string, opts: pulumi.CustomResourceOptions) {
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  return new k8s.core.v1.Namespace(name, { metadata: { name: namespace, labels } }, opts);
}

/** Security context of a pod at that level. */
export const restrictedPod = { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } };

/** Security context of its containers. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};
