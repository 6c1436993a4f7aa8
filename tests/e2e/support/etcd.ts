import { expect } from "vitest";
import { inLab, masters } from "./lab";

/** etcdctl on a master, whose answer is JSON. */
async function etcdctl(master: string, ...args: string[]): Promise<unknown> {
  const pki = "/etc/kubernetes/pki/etcd";
  const trust = ["--cacert", `${pki}/ca.crt`, "--cert", `${pki}/server.crt`, "--key", `${pki}/server.key`];
  const pod = ["-n", "kube-system", "exec", `etcd-${master}`, "--", "etcdctl"];
  return JSON.parse(await inLab("tools/kubectl", "sim", ...pod, ...trust, ...args, "--write-out", "json"));
}

/** A member as etcd lists it. */
export interface Member {
  ID: number;
  name: string;
  isLearner?: boolean;
}

/** The members, as a master knows them. */
export const members = async (master: string): Promise<Member[]> =>
  ((await etcdctl(master, "member", "list")) as { members: Member[] }).members;

/** Every master, and nobody else, is a member that votes, all are healthy, and etcd had to refuse none. */
export async function expectPlane(master: string, all = masters): Promise<void> {
  expect((await members(master)).map(({ name, isLearner }) => [name, isLearner ?? false]).sort()).toEqual(
    [...all].sort().map((name) => [name, false]),
  );
  const health = (await etcdctl(master, "endpoint", "health", "--cluster")) as { health: boolean }[];
  expect(health.map((endpoint) => endpoint.health)).toEqual(all.map(() => true));
  for (const name of all) {
    const log = await inLab("tools/kubectl", "sim", "-n", "kube-system", "logs", `etcd-${name}`);
    expect(log).not.toMatch(/too many learner members|peerURL exists/);
  }
}
