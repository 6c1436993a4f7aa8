import { expect, it } from "vitest";
import { expectPlane } from "./support/etcd";
import {
  attempt,
  eventually,
  kubectl,
  make,
  masters,
  onMachine,
  pulumi,
  rejoined,
  temporaryFile,
  workers,
} from "./support/lab";

/** Takes a machine out of its cluster as the loss of its disk would. */
const lose = (master: string) =>
  onMachine(master, "kubeadm reset --force --skip-phases remove-etcd-member >/dev/null 2>&1 && rm -rf /var/lib/etcd/*");

/** `make restore`, which is to refuse. */
async function expectRefusal(snapshot: string, reason: string): Promise<void> {
  const { code, stderr } = await attempt("make", ["--no-print-directory", "restore", `SNAPSHOT=${snapshot}`]);
  expect(code).not.toBe(0);
  expect(stderr).toContain(reason);
}

/** The file that `make snapshot` fetched. */
const snapshot = async (): Promise<string> => String((await make("snapshot")).split("\n").at(-1));

/** Snapshots that masters take, and the cluster made anew from one after it lost two of three of them. */
export function describeRestore(): void {
  it("has a snapshot taken by every master, which is on another machine too", async () => {
    for (const master of masters) {
      await onMachine(
        master,
        "systemctl is-active esxi-k8s-snapshot.timer && systemctl start esxi-k8s-snapshot.service",
      );
    }
    const listed = await make("snapshots");
    for (const master of masters) {
      expect(listed).toMatch(new RegExp(`^sim-\\d{8}T\\d{6}Z-${master}\\.snapshot .* haproxy-1, ${master}$`, "m"));
    }
  });

  it("restores no snapshot onto a cluster that lives", async () => {
    await expectRefusal("latest", "the cluster lives: the API server at 10.20.0.10:6443 is ready");
    await expectRefusal("no-such-thing", "SNAPSHOT is a file, 'latest', or one of those that machines have");
  });

  it("restores one that lost its quorum from what its last master has", async () => {
    await kubectl("create", "configmap", "written-before-the-loss");
    const nodes = await kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}");
    await Promise.all([lose("master-1"), lose("master-3")]);
    const file = await snapshot();
    expect(file).toMatch(/-master-2\.snapshot$/);
    await expectRefusal(await temporaryFile("a text"), "this is no snapshot of this program, or not all of it");

    const started = Date.now();
    await make("restore", `SNAPSHOT=${file}`);
    console.log(`restored in ${String(Math.round((Date.now() - started) / 1000))} s`);
    await kubectl("get", "configmap", "written-before-the-loss");
    expect(await kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")).toBe(nodes);
    await Promise.all([...masters, ...workers].map(rejoined));
    await expectPlane("master-2");
  });

  it("has controllers that act then, names and routes that resolve, and nothing left to do", async () => {
    await kubectl("-n", "demo", "rollout", "restart", "deployment/demo");
    await kubectl("-n", "demo", "rollout", "status", "deployment/demo", "--timeout=120s");
    // Whoever watches the cluster has to begin anew.
    await eventually(60, async () => {
      expect(await make("demo-check")).toContain("3/3 sources answer");
    });
    await pulumi("preview", "--diff", "--expect-no-changes");
  });
}
