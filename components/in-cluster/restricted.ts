import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/** A namespace whose pods keep to the level `restricted` of pod security. */
export function restrictedNamespace(name: string, namespace: string, opts: pulumi.CustomResourceOptions) {
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  return new k8s.core.v1.Namespace(name, { metadata: { name: namespace, labels } }, opts);
}

/** A namespace for pods that change their node, which the default level does not allow. */
export function privilegedNamespace(name: string, namespace: string, opts: pulumi.CustomResourceOptions) {
  const labels = { "pod-security.kubernetes.io/enforce": "privileged" };
  return new k8s.core.v1.Namespace(name, { metadata: { name: namespace, labels } }, opts);
}

/** Security context of a pod at the level `restricted`. */
export const restrictedPod = { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } };

/** Security context of its containers. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};
