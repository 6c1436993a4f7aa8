import { isIP } from "node:net";
import { dnsNameForm, dnsNameLength } from "./dns-names";
import type { Problem } from "./problem";
import type { StackConfig } from "./schema";
import { defaultKubernetesVersion, supportedKubernetesMinors } from "./versions";

/** What `kubeadm` asks of a master: https://github.com/kubernetes/kubernetes, cmd/kubeadm/app/constants */
const least = {
  cpus: 2,
  // 1700 MiB that the kernel has left; it keeps some 80 MiB of a machine of this size for itself.
  memoryMiB: 1792,
};

/** Checks of `kubeadm init` and `kubeadm join`: those with a name of their own, and those that a port, a path or a service follows. */
const preflightChecks = [
  "ContainerRuntimeVersion",
  "CRI",
  "ExternalEtcdClientCertificates",
  "ExternalEtcdVersion",
  "Firewalld",
  "Hostname",
  "HTTPProxy",
  "HTTPProxyCIDR",
  "ImagePull",
  "IsPrivilegedUser",
  "KubeletVersion",
  "KubernetesVersion",
  "Mem",
  "NumCPU",
  "Swap",
  "SystemVerification",
];
const preflightGroups = ["DirAvailable-", "FileAvailable-", "FileContent-", "FileExisting-", "Port-", "Service-"];

/** Addresses of a node's /24 of the pod network. */
const addressesOfNode = 254;

/** What kubeadm and the kubelet would refuse once machines exist, or could not do what is asked of them. */
export function kubernetesProblems(config: StackConfig): Problem[] {
  return [
    ...versionProblems(config),
    ...certificateNameProblems(config),
    ...preflightProblems(config),
    ...masterSizeProblems(config),
    ...kubeletProblems(config),
    ...metricsProblems(config),
  ];
}

function versionProblems({ kubernetes }: StackConfig): Problem[] {
  const minor = kubernetes.version.split(".").slice(0, 2).join(".");
  if (supportedKubernetesMinors.some((supported) => supported === minor)) {
    return [];
  }
  return [
    {
      path: "kubernetes.version",
      got: kubernetes.version,
      expected: `a release of ${supportedKubernetesMinors.join(", ")}, for example ${defaultKubernetesVersion}`,
    },
  ];
}

function certificateNameProblems({ kubernetes: { apiServerCertSANs } }: StackConfig): Problem[] {
  return apiServerCertSANs.flatMap((name, index) =>
    isIP(name) !== 0 || isHostName(name.replace(/^\*\./, ""))
      ? []
      : [
          {
            path: `kubernetes.apiServerCertSANs.${String(index)}`,
            got: name,
            expected: "a DNS name such as k8s.example.org or *.example.org, or an address; no scheme or port",
          },
        ],
  );
}

/** kubeadm puts names in lower case. No name ends with a number, an address that is none does. */
function isHostName(name: string): boolean {
  return name.length <= dnsNameLength && dnsNameForm.test(name.toLowerCase()) && !/(^|\.)\d+$/.test(name);
}

function preflightProblems({ kubernetes: { ignorePreflightErrors } }: StackConfig): Problem[] {
  const path = "kubernetes.ignorePreflightErrors";
  const unknown = ignorePreflightErrors.filter((check) => {
    const lower = check.toLowerCase();
    return (
      lower !== "all" &&
      !preflightChecks.some((known) => known.toLowerCase() === lower) &&
      !preflightGroups.some((group) => lower.startsWith(group.toLowerCase()) && lower.length > group.length)
    );
  });
  const problems = unknown.map((check) => ({
    path,
    got: check,
    expected: `all, or checks of kubeadm: ${[...preflightChecks, ...preflightGroups.map((group) => `${group}…`)].join(", ")}`,
  }));
  if (isIgnored("all", ignorePreflightErrors) && new Set(ignorePreflightErrors.map((c) => c.toLowerCase())).size > 1) {
    problems.push({
      path,
      got: ignorePreflightErrors.join(", "),
      expected: "all, or single checks: kubeadm refuses both at once",
    });
  }
  return problems;
}

function masterSizeProblems({ controlPlane, kubernetes: { ignorePreflightErrors } }: StackConfig): Problem[] {
  const refuse = (key: "cpus" | "memoryMiB", check: string, reason: string): Problem[] =>
    controlPlane[key] >= least[key] ||
    isIgnored(check, ignorePreflightErrors) ||
    isIgnored("all", ignorePreflightErrors)
      ? []
      : [
          {
            path: `controlPlane.${key}`,
            got: String(controlPlane[key]),
            expected: `at least ${String(least[key])}, ${reason}, or ${check} in kubernetes.ignorePreflightErrors`,
          },
        ];
  return [
    ...refuse("cpus", "NumCPU", "because kubeadm sets up no master with fewer"),
    ...refuse("memoryMiB", "Mem", "because kubeadm wants 1700 MiB beside what the kernel takes"),
  ];
}

function isIgnored(check: string, ignored: string[]): boolean {
  return ignored.some((name) => name.toLowerCase() === check.toLowerCase());
}

function kubeletProblems({ kubernetes: { kubelet } }: StackConfig): Problem[] {
  const { maxPods } = kubelet;
  if (
    maxPods === undefined ||
    (typeof maxPods === "number" && Number.isInteger(maxPods) && maxPods >= 0 && maxPods <= addressesOfNode)
  ) {
    return [];
  }
  return [
    {
      path: "kubernetes.kubelet.maxPods",
      got: JSON.stringify(maxPods),
      expected: `a whole number up to ${String(addressesOfNode)}, because a node has a /24 for its pods`,
    },
  ];
}

/** What measures nodes trusts the certificates alone that the cluster signs. */
function metricsProblems({ kubernetes: { kubelet }, metrics }: StackConfig): Problem[] {
  return !metrics.enabled || kubelet.serverTLSBootstrap !== false
    ? []
    : [
        {
          path: "metrics.enabled",
          got: "true",
          expected:
            "false, or no kubernetes.kubelet.serverTLSBootstrap: false, with which kubelets sign their certificates themselves",
        },
      ];
}
