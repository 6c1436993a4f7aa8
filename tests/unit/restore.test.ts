import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Issued } from "../support/certificates";
import { FakeMaster, lastLine, makeKeys, type Keys, type Settings } from "../support/master";
import type { Outcome } from "../support/steps";

let keys: Keys;
beforeAll(async () => {
  keys = await makeKeys();
});

let machine: FakeMaster;
beforeEach(() => {
  machine = new FakeMaster(keys);
});
afterEach(() => {
  machine.remove();
});

describe("a snapshot is judged before anything changes", () => {
  /** Texts of a real machine have no newline at their end. */
  const open = (snapshot: Buffer, { scope = "cluster", authority = keys.ca, key = keys.stack } = {}) =>
    openWith(snapshot, { FOR: scope, MASTERS: "192.0.2.21 192.0.2.22", ENDPOINT: "192.0.2.10:6443" }, authority, key);
  const openWith = async (snapshot: Buffer, parameters: Record<string, string>, authority: Issued, key: Issued) => {
    const texts = { CA: authority.certificate, RECIPIENT: key.certificate, KEY: key.key };
    machine.put("snapshot", snapshot);
    // What a step reads is a text here; a file comes from where a test can put it.
    return machine.run("open-snapshot", { parameters, texts }, (scripts) =>
      scripts.replace(`cat >"$opened/snapshot"`, `cat <${machine.file("snapshot")} >"$opened/snapshot"`),
    );
  };
  const taken = async (settings: Settings = {}) => {
    machine.join(settings);
    await machine.take(0);
    return readFileSync(machine.file(`${machine.taken}/${String(machine.snapshots().at(-1))}`));
  };

  test("and opened", async () => {
    const outcome = await open(await taken());
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    expect(outcome.stdout).toMatch(
      /^lab as master-1 saw it at \S+Z: Kubernetes v1\.37\.2, 42 keys at revision 4711\n$/,
    );
    expect(readdirSync(machine.file(machine.opened)).sort()).toEqual(["etcd.db", "manifest", "pki", "sha256sums"]);
  });

  const refused = async (outcome: Promise<Outcome>, reason: string | RegExp) => {
    const { status, stderr } = await outcome;
    expect(status).toBe(1);
    expect(stderr.trimEnd().split("\n").at(-1)).toMatch(reason);
    expect(existsSync(machine.file(machine.opened))).toBe(false);
  };

  test("one that is none, or was cut off", async () => {
    await refused(open(Buffer.from("a text")), "this is no snapshot of this program, or not all of it");
    const whole = await taken();
    await refused(open(whole.subarray(0, whole.length - 100)), "this is no snapshot of this program, or not all of it");
  });

  test("one that was changed", async () => {
    const snapshot = await taken();
    snapshot[snapshot.length - 60] = (snapshot[snapshot.length - 60] ?? 0) ^ 1;
    await refused(open(snapshot), /^the snapshot is damaged/);
  });

  test("one that was encrypted with another key", async () => {
    await refused(
      open(await taken(), { key: keys.otherStack }),
      /^the snapshot is encrypted with another key than this stack's/,
    );
  });

  test("one of another cluster", async () => {
    const snapshot = await taken({ authority: keys.otherCa });
    await refused(open(snapshot), /^the snapshot is of another cluster \(stack lab, \S+Z\)/);
  });

  test("one with keys that do not belong to its authorities", async () => {
    const snapshot = await taken({ authority: { certificate: keys.ca.certificate, key: keys.otherCa.key } });
    await refused(open(snapshot), "the snapshot is damaged: ca.key is not the key of ca.crt");
  });

  test.each([
    ["v1.36.9", /^the snapshot is of Kubernetes v1\.37\.2, and master-1 has v1\.36\.9/],
    ["v1.39.0", /^the snapshot is of Kubernetes v1\.37\.2, and master-1 has v1\.39\.0/],
  ])("one for machines with Kubernetes %s", async (version, reason) => {
    const snapshot = await taken();
    machine.program("kubeadm", `echo ${version}`);
    await refused(open(snapshot), reason);
  });

  test("one for machines that are a minor further", async () => {
    const snapshot = await taken();
    machine.program("kubeadm", "echo v1.38.0");
    await expect(open(snapshot)).resolves.toMatchObject({ status: 0 });
  });

  test.each(["192.0.2.10:6443", "192.0.2.22:6443"])("any, while an API server is ready at %s", async (address) => {
    const snapshot = await taken();
    machine.program("curl", `case "$*" in *//${address}/readyz) echo ok ;; *) exit 7 ;; esac`);
    await refused(open(snapshot), `the cluster lives: the API server at ${address} is ready`);
    // What an interrupted restore left is no cluster that lives.
    machine.put("var/lib/esxi-k8s/restoring", "");
    await expect(open(snapshot)).resolves.toMatchObject({ status: 0 });
    execFileSync("rm", ["-r", machine.file(machine.opened)]);
    // Consul's store is given back to a cluster that lives, if there is one.
    await refused(open(snapshot, { scope: "consul" }), /^the snapshot does not hold Consul's store/);
  });
});

describe("a cluster is begun from an opened snapshot", () => {
  const restore = (parameters = { ADDRESS: "192.0.2.21", OTHERS: "master-2 master-3" }) =>
    machine.run("restore-control-plane", { parameters }, (scripts) => scripts.replaceAll("mktemp -p /run", "mktemp"));
  const done = () => readFileSync(machine.file("done"), "utf8").trimEnd().split("\n");

  beforeEach(() => {
    const note = (name: string, answer = "") => {
      machine.program(name, `echo "${name} $*" >>${machine.file("done")}\n${answer}`);
    };
    note("kubeadm", '[ "$1 $2" != "config images" ] || echo registry.k8s.io/etcd:3.7.0-0');
    for (const name of ["kubectl", "systemctl", "ip"]) {
      note(name);
    }
    machine.put("etc/esxi-k8s/snapshots/kubeadm.yaml", "kind: InitConfiguration\n");
    machine.put("var/lib/esxi-k8s/.keep", "");
    machine.put(`${machine.opened}/etcd.db`, "data");
    machine.put(`${machine.opened}/manifest`, "");
    for (const name of ["ca", "front-proxy-ca", "etcd/ca"]) {
      machine.put(`${machine.opened}/pki/${name}.crt`, `certificate of ${name}`);
      machine.put(`${machine.opened}/pki/${name}.key`, `key of ${name}`);
    }
    machine.put(`${machine.opened}/pki/sa.key`, "key");
    machine.put(`${machine.opened}/pki/sa.pub`, "key");
  });

  test("with its authorities, as another member and another node than its like were", async () => {
    // What a survivor has, and what it remembers.
    machine.put("var/lib/etcd/member/wal/0", "old data");
    machine.put("var/lib/esxi-k8s/init-control-plane.done", "");
    machine.put("run/flannel/subnet.env", "");
    const outcome = await restore();
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    expect(outcome.stdout).toMatch(
      /^what etcd on master-1 had is in \S+\/etcd-until-\d{8}T\d{6}Z\nthe cluster is back on master-1, alone/,
    );
    const lines = done();
    const firsts = lines.map((line) => line.replaceAll(machine.folder, "").split(" ").slice(0, 4).join(" "));
    expect(firsts).toEqual([
      "kubeadm reset --force --skip-phases",
      "ip link delete cni0",
      "ip link delete flannel.1",
      "kubeadm config images list",
      "etcdutl snapshot restore /var/lib/esxi-k8s/restore/etcd.db",
      "kubeadm init --config /etc/esxi-k8s/snapshots/kubeadm.yaml",
      ...["master-1", "master-2", "master-3"].flatMap((node) => [
        `kubectl delete node ${node}`,
        "kubectl delete pods --all-namespaces",
      ]),
      "systemctl restart kubelet",
      "kubectl get node master-1",
      "kubeadm init phase upload-config",
      "kubeadm init phase mark-control-plane",
    ]);
    expect(lines[4]).toMatch(
      /--name master-1 --initial-cluster master-1=https:\/\/192\.0\.2\.21:2380 .* --initial-cluster-token restored-\S+ --bump-revision 1000000000 --mark-compacted$/,
    );
    expect(readFileSync(machine.file("etc/kubernetes/pki/etcd/ca.key"), "utf8")).toBe("key of etcd/ca");
    expect(existsSync(machine.file("var/lib/esxi-k8s/init-control-plane.done"))).toBe(false);
    expect(existsSync(machine.file("var/lib/esxi-k8s/join-node.done"))).toBe(true);
    expect(existsSync(machine.file("run/flannel"))).toBe(false);
    // Keys that are in the clear are where they belong, and nowhere else.
    expect(readdirSync(machine.file(machine.opened))).toEqual(["manifest"]);
  });

  test("from the beginning again when it was interrupted, and no node goes on with what it left", async () => {
    machine.program("systemctl", "exit 1");
    await expect(restore()).resolves.toMatchObject({ status: 1 });
    expect(existsSync(machine.file("var/lib/esxi-k8s/restoring"))).toBe(true);
    const join = await machine.run("join-node", { parameters: { ROLE: "master", ADDRESS: "192.0.2.21", MASTERS: "" } });
    expect(join.status).toBe(1);
    expect(lastLine(join)).toBe(
      "the restore of the cluster on master-1 was interrupted: run make restore again, with the same snapshot",
    );
    machine.program("systemctl", "exit 0");
    await expect(restore()).resolves.toMatchObject({ status: 0 });
    expect(existsSync(machine.file("var/lib/esxi-k8s/restoring"))).toBe(false);
  });

  test("and never without one", async () => {
    machine.put("var/lib/etcd/member/wal/0", "old data");
    execFileSync("rm", ["-r", machine.file(machine.opened)]);
    const outcome = await restore();
    expect(outcome.status).toBe(1);
    expect(lastLine(outcome)).toBe("no snapshot was opened on master-1");
    expect(existsSync(machine.file("done"))).toBe(false);
    expect(existsSync(machine.file("var/lib/etcd/member/wal/0"))).toBe(true);
  });

  test("while the other masters forget the old one", async () => {
    machine.put("var/lib/etcd/member/wal/0", "old data");
    machine.put("var/lib/esxi-k8s/join-node.done", "");
    const { status, stdout } = await machine.run("forget-cluster");
    expect(status).toBe(0);
    expect(stdout).toContain("master-1 is out of the old cluster");
    const [aside = ""] = readdirSync(machine.file("var/lib/esxi-k8s")).filter((name) => name.startsWith("etcd-until-"));
    expect(readFileSync(machine.file(`var/lib/esxi-k8s/${aside}/wal/0`), "utf8")).toBe("old data");
    expect(readdirSync(machine.file("var/lib/etcd"))).toEqual([]);
    expect(existsSync(machine.file("var/lib/esxi-k8s/join-node.done"))).toBe(false);
  });
});

describe("Consul is given the store of a snapshot", () => {
  const restore = (scope: string) =>
    machine.run("restore-consul", { parameters: { IF: scope } }, (scripts) =>
      scripts.replaceAll("mktemp -p /run", "mktemp"),
    );
  /** What its API answers when the stack's own entries are asked for, and two servers, of which one's machine was made anew. */
  const consul = (entries: string) => {
    machine.program(
      "kubectl",
      `case "$*" in
  *"get service consul-ui --ignore"*) echo service/consul-ui ;;
  *"get service"*) echo 10.96.0.9 ;;
  *"get secret"*) echo c2VjcmV0 ;;
  *"get persistentvolumeclaims"*) printf 'data-consul-consul-server-%s\\n' '0 pvc-a' '1 pvc-b' ;;
  *"get persistentvolume pvc-a"*) echo 2026-11-27T10:00:00Z worker-1 ;;
  *"get persistentvolume pvc-b"*) echo 2026-11-27T10:00:00Z worker-2 ;;
  *"get node worker-1"*) echo 2026-11-27T09:00:00Z ;;
  *"get node worker-2"*) echo 2026-11-28T09:00:00Z ;;
  *delete*) echo "$*" >>${machine.file("deleted")} ;;
esac`,
    );
    machine.program(
      "curl",
      `case "$*" in
  *"PUT"*/v1/snapshot*) cat >${machine.file("given")} ;;
  *esxi-k8s/entries*) ${entries} ;;
esac`,
    );
  };
  const lost = "exit 22";
  const given = () => (existsSync(machine.file("given")) ? readFileSync(machine.file("given"), "utf8") : undefined);
  const deleted = () =>
    existsSync(machine.file("deleted")) ? readFileSync(machine.file("deleted"), "utf8").trim().split("\n") : [];
  beforeEach(() => {
    machine.put(`${machine.opened}/consul.snap`, "a store");
    machine.put(`${machine.opened}/manifest`, "taken=2026-11-27T10:00:00Z\n");
  });

  test("when it has lost everything, and servers get volumes for those that were on machines made anew", async () => {
    consul(lost);
    const outcome = await restore("lost");
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    expect(outcome.stdout).toBe(
      "the volume of consul-server-1 was on worker-2, and is lost\nConsul has the store of 2026-11-27T10:00:00Z\n",
    );
    expect(given()).toBe("a store");
    expect(deleted()).toEqual([
      "--namespace consul delete persistentvolumeclaim data-consul-consul-server-1 --wait=false",
      "--namespace consul delete pod consul-server-1 --ignore-not-found --wait=false",
    ]);
    expect(existsSync(machine.file(machine.opened))).toBe(false);
  });

  test("and keeps its own otherwise", async () => {
    consul("echo demo");
    await expect(restore("lost")).resolves.toMatchObject({ status: 0 });
    expect(given()).toBeUndefined();
  });

  test("unless it is asked for alone", async () => {
    consul("echo demo");
    await expect(restore("any")).resolves.toMatchObject({ status: 0 });
    expect(given()).toBe("a store");
  });

  test("or says what to do when the snapshot has none", async () => {
    execFileSync("rm", [machine.file(`${machine.opened}/consul.snap`)]);
    consul(lost);
    const outcome = await restore("lost");
    expect(outcome.status).toBe(1);
    expect(lastLine(outcome)).toMatch(/^Consul has lost its store, .* pulumi up --replace/);
  });
});
