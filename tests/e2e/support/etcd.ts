import { inLab } from "./lab";

/** etcdctl on a master, whose answer is JSON. */
export async function etcdctl(master: string, ...args: string[]): Promise<unknown> {
  const pki = "/etc/kubernetes/pki/etcd";
  const trust = ["--cacert", `${pki}/ca.crt`, "--cert", `${pki}/server.crt`, "--key", `${pki}/server.key`];
  const pod = ["-n", "kube-system", "exec", `etcd-${master}`, "--", "etcdctl"];
  return JSON.parse(await inLab("tools/kubectl", "sim", ...pod, ...trust, ...args, "--write-out", "json"));
}
