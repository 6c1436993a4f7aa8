import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stepPath } from "../../render/step";
import { FakeMachine } from "../support/steps";

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
  machine.program("crictl", etcd);
  machine.program("curl", etcdApi);
});
afterEach(() => {
  machine.remove();
});

const file = (name: string) => join(machine.folder, name);
const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), "utf8").trimEnd().split("\n") : []);

/** etcd on this master: its members are a file, those that are healthy another one. */
const etcd = `
folder=$(dirname "$(dirname "$0")")
case "$*" in
  *" ps "*) echo etcd-container ;;
  *"member list"*) cat "$folder/members" ;;
  *"endpoint health"*) for word; do [[ $word == https://*:2379 ]] && grep -qx "\${word:8:-5}" "$folder/healthy" && exit; done; exit 1 ;;
esac`;
/** etcd's HTTP API, of a member that stays. */
const etcdApi = `
folder=$(dirname "$(dirname "$0")")
for word; do case $word in *'"ID"'*) echo "remove $word" >>"$folder/done" ;; esac; done
echo '{"members":[]}'`;
/** Members have numbers. */
const idOf = (name: string) => Buffer.from(name.slice(-4)).toString("hex");
const members = (...names: string[]) => {
  const line = (name: string) => `${idOf(name)}, started, ${name}, https://${name}:2380, https://${name}:2379, false\n`;
  writeFileSync(file("members"), names.map(line).join(""));
  writeFileSync(file("healthy"), names.map((name) => `${name}\n`).join(""));
};
const healthy = (...names: string[]) => {
  writeFileSync(file("healthy"), names.map((name) => `${name}\n`).join(""));
};

/** kubectl, which notes what changes something, and answers questions by the first pattern of a shell that fits. */
const kubectl = (answers: Record<string, string>) => {
  const cases = Object.entries(answers).map(([pattern, answer]) => `  ${pattern}) ${answer} ;;`);
  machine.program(
    "kubectl",
    `case "$1" in cordon|uncordon|annotate|label|taint|drain|delete|wait) echo "$*" >>${file("done")} ;; esac
case "$*" in
${cases.join("\n")}
  *"get node "*"--output name"*) echo node/there ;;
esac`,
  );
};
const said = (stderr: string) => stderr.trimEnd().split("\n").at(-1);

describe("a node's labels and taints", () => {
  const set = (labels: string[], taints: string[]) =>
    machine.run("label-node", {
      parameters: { NAME: "worker-1" },
      texts: { LABELS: labels.join("\n"), TAINTS: taints.join("\n") },
    });
  /** What the node has, and whether it is Ready. */
  const node = (applied: string, taints: string, more: Record<string, string> = {}) => {
    kubectl({
      ...more,
      "*esxi-k8s/applied*": `echo '${applied}'`,
      "*spec.taints*": `printf '${taints}'`,
      "*esxi-k8s/away*": "echo yes",
      "*Ready*": "echo True",
    });
  };
  const own = "label rack;taint dedicated:NoSchedule;";

  test("of a node that is new are set once it is Ready, without emptying it", async () => {
    node("", "dedicated=a:NoExecute\\n");
    await expect(set(["rack=1", "pool="], ["dedicated=a:NoExecute"])).resolves.toMatchObject({ status: 0 });
    expect(read("done")).toEqual([
      "wait --for=condition=Ready --timeout=4m node worker-1",
      "label node worker-1 --overwrite rack=1 pool=",
      "taint node worker-1 --overwrite dedicated=a:NoExecute",
      "annotate node worker-1 --overwrite esxi-k8s/applied=label rack;label pool;taint dedicated:NoExecute;",
    ]);
  });

  test("change beside those of others: what the configuration said before goes, and nothing else", async () => {
    node(own, "dedicated=:NoSchedule\\nof-others=:NoExecute\\n");
    await expect(set(["zone=a"], ["dedicated:PreferNoSchedule"])).resolves.toMatchObject({ status: 0 });
    expect(read("done")).toEqual([
      "label node worker-1 rack-",
      "taint node worker-1 dedicated:NoSchedule-",
      "label node worker-1 --overwrite zone=a",
      "taint node worker-1 --overwrite dedicated:PreferNoSchedule",
      "annotate node worker-1 --overwrite esxi-k8s/applied=label zone;taint dedicated:PreferNoSchedule;",
    ]);
  });

  test.each(["dedicated:NoExecute", "dedicated=b:NoExecute"])(
    "empty it for the new taint %s, and take it back",
    async (taint) => {
      node(own, "dedicated=a:NoExecute\\n");
      await expect(set(["rack=1"], [taint])).resolves.toMatchObject({
        status: 0,
        stdout: "labelled: worker-1, which was emptied for a new taint\n",
      });
      const done = read("done").map((line) => line.split(" ").slice(0, 3).join(" "));
      expect(done).toEqual([
        ...["cordon worker-1", "annotate --overwrite node", "drain worker-1 --ignore-daemonsets"],
        ...["taint node worker-1", "label node worker-1", "taint node worker-1", "annotate node worker-1"],
        ...["wait --for=condition=Ready --timeout=30s", "uncordon worker-1", "annotate node worker-1"],
      ]);
    },
  );

  test("stay as they are when its pods have nowhere to go", async () => {
    node(own, "", { "drain*": "echo 'Cannot evict pod'; exit 1", "*.data.timeout*": "echo 2s" });
    const { status, stderr } = await set(["rack=1"], ["dedicated:NoExecute"]);
    expect(status).toBe(1);
    expect(said(stderr)).toContain("worker-1 was not empty after 2s, so nothing was removed");
    expect(read("done").filter((line) => /^(label|taint)/.test(line))).toEqual([]);
    expect(read("done")).toContain("uncordon worker-1");
  });
});

describe("a node that leaves", () => {
  const leave = (name: string, more: Record<string, string> = {}) =>
    machine.run("leave-node", { parameters: { NAME: name, NODE_UID: "uid-of-it", ...more } });
  const worker = (name: string, { ready = true, taints = [] as object[], labels = {} } = {}) => ({
    metadata: { name, labels },
    spec: { taints },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "Unknown" }] },
  });
  const pod = (name: string, spec = {}, owner = "ReplicaSet") => ({
    metadata: { namespace: "shop", name, ownerReferences: [{ kind: owner, controller: true }] },
    spec,
    status: { phase: "Running" },
  });
  const cluster = (nodes: object[], pods: object[], policy: Record<string, string> = {}) => {
    writeFileSync(file("nodes.json"), JSON.stringify({ items: nodes }));
    writeFileSync(file("pods.json"), JSON.stringify({ items: pods }));
    kubectl({
      "*get\\ nodes\\ --output\\ json": `cat ${file("nodes.json")}`,
      "*get\\ pods*--output\\ json": `cat ${file("pods.json")}`,
      "*metadata.uid*": "echo uid-of-it",
      "*status.conditions*": "echo True",
      ...Object.fromEntries(Object.entries(policy).map(([key, value]) => [`*.data.${key}*`, `echo '${value}'`])),
      "delete*--raw*": "cat >/dev/null",
    });
    members("master-1");
  };
  const isGone = () => read("done").some((line) => line.startsWith("delete --raw"));
  const masterTaint = [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }];

  const elsewhere = [worker("worker-2"), worker("master-1", { taints: masterTaint })];
  const gpu = { nodeSelector: { "esxi-k8s/pool": "gpu" } };
  test.each<[string, object[], object[]]>([
    ["of which another node takes the pods", elsewhere, [pod("web")]],
    ["of which a master takes the pods", [elsewhere[1] ?? {}], [pod("web", { tolerations: [{ operator: "Exists" }] })]],
    ["whose pods go with it", [], [pod("agent", {}, "DaemonSet"), pod("kube-proxy", {}, "Node")]],
    ["of a pool with another", [worker("worker-2", { labels: gpu.nodeSelector })], [pod("model", gpu)]],
  ])("goes, %s", async (_, others, pods) => {
    cluster([worker("worker-1", { labels: gpu.nodeSelector }), ...others], pods, { nodes: "master-1 worker-2" });
    await expect(leave("worker-1")).resolves.toMatchObject({ status: 0, stdout: "left: worker-1\n" });
    expect(isGone()).toBe(true);
  });

  const stays = [
    ["the last one", [worker("master-1", { taints: masterTaint })], [pod("web")]],
    ["beside one that is down", [worker("worker-2", { ready: false })], [pod("web")]],
    ["the last one of a pool", [worker("worker-2", { labels: { "esxi-k8s/pool": "general" } })], [pod("web", gpu)]],
    [
      "the last one that an affinity allows",
      [worker("worker-2", { labels: { zone: "b" } })],
      [
        pod("web", {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] }],
              },
            },
          },
        }),
      ],
    ],
  ] as const;
  test.each(stays)("stays while pods need it: %s", async (_, others, pods) => {
    cluster([worker("worker-1", { labels: { ...gpu.nodeSelector, zone: "a" } }), ...others], [...pods], { nodes: "" });
    const { status, stderr } = await leave("worker-1");
    expect(status).toBe(1);
    expect(said(stderr)).toBe(
      "worker-1 stays, because no other node may take shop/web: give them another place or remove them, or set kubernetes.drain.force to leave them without, and run pulumi up again",
    );
    expect(read("done")).toEqual([]);
  });

  test.each([
    ["it is made anew", { nodes: "worker-1" }],
    ["the policy says so", { nodes: "", force: "true" }],
  ])("goes though pods need it when %s", async (_, policy) => {
    cluster([worker("worker-1")], [pod("web")], policy);
    await expect(leave("worker-1")).resolves.toMatchObject({ status: 0 });
    expect(isGone()).toBe(true);
  });

  const master = (name: string) => leave(name, { MEMBER: idOf(name) });
  test("goes as a master, member first", async () => {
    cluster([worker("master-3"), ...elsewhere], [], { masters: "master-1 master-2", nodes: "master-1 master-2" });
    members("master-1", "master-2", "master-3");
    await expect(master("master-3")).resolves.toMatchObject({ status: 0 });
    expect(read("done").filter((line) => /^(remove|delete)/.test(line))[0]).toBe(
      `remove {"ID":"${String(parseInt(idOf("master-3"), 16))}"}`,
    );
    expect(isGone()).toBe(true);
  });

  test.each([
    [
      "its successor has not joined",
      ["master-1", "master-2", "master-3"],
      ["master-1", "master-2", "master-3"],
      "master-3 stays a master until master-4, which is to be one, has joined: see why it has not, and run pulumi up again",
      "master-1 master-2 master-4",
    ],
    [
      "the others would be no majority",
      ["master-1", "master-2", "master-3"],
      ["master-1", "master-3"],
      "without master-3, 1 of 2 etcd members would be healthy, which is no majority: bring the others back first",
      "master-1 master-2",
    ],
    [
      "it is the only one",
      ["master-3"],
      ["master-3"],
      "master-3 is the only master: the cluster would be lost with it, so let others join first",
      "master-3",
    ],
  ])("stays a master when %s", async (_, present, well, message, masters) => {
    cluster([worker("master-3")], [], { masters, nodes: masters });
    members(...present);
    healthy(...well);
    const { status, stderr } = await master("master-3");
    expect(status).toBe(1);
    expect(said(stderr)).toBe(message);
    expect(read("done")).toEqual([]);
  });

  test("is not taken for another that has its name, nor for gone when nobody can say", async () => {
    cluster([worker("worker-1")], []);
    await expect(leave("worker-1", { NODE_UID: "of-an-older-one" })).resolves.toMatchObject({ status: 0 });
    expect(read("done")).toEqual([]);
    kubectl({ "*": "exit 1" });
    await expect(leave("worker-1")).resolves.toMatchObject({ status: 1 });
  });
});

describe("a node that could not be emptied", () => {
  test("takes pods again, also when the API server has to be asked twice whether it was cordoned here", async () => {
    kubectl({
      "drain*": "exit 1",
      "*.data.timeout*": "echo 2s",
      "*esxi-k8s/away}*": `[ -e ${file("asked")} ] || { touch ${file("asked")}; exit 1; }; echo yes`,
      "*status.conditions*": "echo True",
    });
    members("master-1");
    const { status } = await machine.run("drain-node", { parameters: { NAME: "worker-1", SIZE: "2x4096" } });
    expect(status).toBe(1);
    expect(read("done").slice(-2)).toEqual(["uncordon worker-1", "annotate node worker-1 esxi-k8s/away-"]);
  });
});

describe("a StorageClass", () => {
  const keep = () => machine.run("keep-class", { parameters: { CLASS: "disks" } });

  test("goes when nothing is of it", async () => {
    kubectl({ "*'disks'*": "true" });
    await expect(keep()).resolves.toMatchObject({ status: 0, stdout: "no volume and no snapshot is of disks\n" });
  });

  describe("in a cluster with snapshots", () => {
    const snapshots = "get\\ volumesnapshots.snapshot.storage.k8s.io*'disks'*";
    const contents = "get\\ volumesnapshotcontents.snapshot.storage.k8s.io*'disks'*";
    const known = { "get\\ customresourcedefinitions*": "echo customresourcedefinition/volumesnapshotcontents" };

    test("goes when none is of it", async () => {
      kubectl({ ...known, "get\\ volumesnapshot*'disks'*": "true", "get\\ volumesnapshot*": "echo shop/other" });
      await expect(keep()).resolves.toMatchObject({ status: 0 });
    });

    test("stays while there are snapshots of it, and what was kept of some", async () => {
      kubectl({
        ...known,
        [snapshots]: "printf 'shop/before\\nshop/daily\\n'",
        [contents]: "printf 'shop/daily snapcontent-1\\nshop/gone snapcontent-2\\nshop/before snapcontent-3\\n'",
      });
      const { status, stderr } = await keep();
      expect(status).toBe(1);
      expect(said(stderr)).toBe(
        "the StorageClass disks is to go, and has snapshots: shop/before, shop/daily, snapcontent-2: delete them once their data is elsewhere, or keep the class in storage.classes",
      );
    });

    test("stays for what is kept alone", async () => {
      kubectl({ ...known, [contents]: "printf 'shop/gone snapcontent-2\\n'" });
      const { status, stderr } = await keep();
      expect(status).toBe(1);
      expect(said(stderr)).toContain("has snapshots: snapcontent-2:");
    });

    test.each([["get\\ customresourcedefinitions*"], [snapshots], [contents]])(
      "stays while nobody can tell: %s",
      async (question) => {
        kubectl({ ...known, [question]: "exit 1" });
        expect((await keep()).status).toBe(1);
      },
    );
  });

  test("stays while a claim waits for a volume, and while nobody can tell", async () => {
    kubectl({ "get\\ persistentvolumeclaims*": "echo shop/db", "get\\ persistentvolumes\\ *": "true" });
    const { status, stderr } = await keep();
    expect(status).toBe(1);
    expect(said(stderr)).toContain("has volumes: shop/db:");
    kubectl({ "get\\ persistentvolumeclaims*": "true", "*": "exit 1" });
    expect((await keep()).status).toBe(1);
  });
});

describe("a change of the machines", () => {
  const judge = (
    masters: string,
    workers: string,
    { version = "1.36.3", repository = "", classes = "local-path" } = {},
  ) =>
    machine.run("check-change", {
      parameters: { MASTERS: masters, WORKERS: workers, VERSION: version, REPOSITORY: repository, CLASSES: classes },
    });
  const cluster = (answers: Record<string, string> = {}) => {
    kubectl({
      "get\\ nodes\\ --selector*": "printf 'master-1 True\\nmaster-2 True\\nmaster-3 True\\n'",
      "get\\ nodes*": "printf 'master-1=192.0.2.21\\nworker-1=192.0.2.31\\n'",
      "*kubeadm-config*":
        "printf 'apiVersion: kubeadm.k8s.io/v1beta4\\nkubernetesVersion: v1.36.3\\nnetworking: {}\\n'",
      ...answers,
    });
  };
  beforeEach(() => {
    members("master-1", "master-2", "master-3");
    cluster();
    machine.program("ping", "exit 1");
    // Of those that were asked for, the kernel knows who has answered.
    machine.program("ip", `[ "$2" = flush ] || grep "^$3 " ${file("network")} || echo "$3 dev ens192 FAILED"`);
    writeFileSync(file("network"), "192.0.2.33 dev ens192 lladdr 02:00:00:00:00:99 REACHABLE\n");
  });
  const masters = "master-1=192.0.2.21 master-2=192.0.2.22 master-3=192.0.2.23";

  test("is taken when everybody is well and addresses are free", async () => {
    await expect(judge(masters, "worker-1=192.0.2.31 worker-2=192.0.2.32")).resolves.toMatchObject({
      status: 0,
      stdout: "the cluster takes this change\n",
    });
  });

  test("is refused for an address that somebody has, who answers to no ping", async () => {
    const { status, stderr } = await judge(masters, "worker-3=192.0.2.33");
    expect(status).toBe(1);
    expect(said(stderr)).toBe(
      "192.0.2.33 is to be that of worker-3, but the machine with the MAC address 02:00:00:00:00:99 has it: give worker-3 another, or free this one",
    );
  });

  test("is refused for a StorageClass that is to go and has volumes, by their names", async () => {
    cluster({
      "get\\ storageclasses*": "printf 'disks local-path shared'",
      "get\\ persistentvolumeclaims*'disks'*": "printf 'shop/db\\nshop/cache\\n'",
      "get\\ persistentvolumes\\ *'disks'*": "printf 'Bound pvc-1\\nReleased pvc-old\\n'",
      "get\\ persistentvolume*": "true",
    });
    const { status, stderr } = await judge(masters, "", { classes: "local-path" });
    expect(status).toBe(1);
    expect(said(stderr)).toBe(
      "the StorageClass disks is to go, and has volumes: pvc-old, shop/cache, shop/db: delete them once their data is elsewhere, or keep the class in storage.classes",
    );
    expect((await judge(masters, "", { classes: "disks local-path" })).status).toBe(0);
  });

  test("is refused for a StorageClass that is to go and has snapshots", async () => {
    cluster({
      "get\\ storageclasses*": "printf 'disks local-path'",
      "get\\ customresourcedefinitions*": "echo customresourcedefinition/volumesnapshotcontents",
      "get\\ volumesnapshots.*'disks'*": "echo shop/before",
    });
    const { status, stderr } = await judge(masters, "", { classes: "local-path" });
    expect(status).toBe(1);
    expect(said(stderr)).toBe(
      "the StorageClass disks is to go, and has snapshots: shop/before: delete them once their data is elsewhere, or keep the class in storage.classes",
    );
    expect((await judge(masters, "", { classes: "disks local-path" })).status).toBe(0);
  });

  test("is refused while members are down without which those that stay are no majority", async () => {
    healthy("master-1");
    const { status, stderr } = await judge(masters, "");
    expect(status).toBe(1);
    expect(said(stderr)).toBe(
      "etcd's members master-2 master-3 are down, and 1 of the 3 that stay are no majority: bring them back first",
    );
  });

  describe("to another Kubernetes", () => {
    const repository = "https://packages.example.org/v1.37/deb/";
    const sources = "etc/apt/sources.list.d/esxi-k8s-kubernetes.sources";
    const upgrade = (version: string) => judge(masters, "", { version, repository });
    const snapshots = () => file("var/lib/esxi-k8s/snapshots");
    beforeEach(() => {
      const snapshot = '*"snapshot save"*) touch "${@: -1}" ;; *"snapshot status"*) [ -e "${@: -1}" ] ;;';
      machine.program("crictl", etcd.replace("esac", `${snapshot} esac`));
      mkdirSync(file("var/lib/etcd"), { recursive: true });
      mkdirSync(file(join(sources, "..")), { recursive: true });
      writeFileSync(file(sources), "Types: deb\nURIs: https://packages.example.org/v1.36/deb/\nSuites: /\n");
      // The repository that is asked has two releases of its minor.
      machine.program(
        "apt-get",
        `for word; do case $word in Dir::Etc::sourcelist=*) grep -qx 'URIs: ${repository}' "\${word#*=}" || { echo 'E: not that one'; exit 100; } ;; esac; done`,
      );
      machine.program(
        "apt-cache",
        `echo " \${@: -1} | 1.37.2-1.1 | repository"; echo " \${@: -1} | 1.37.1-1.1 | repository"`,
      );
    });

    test("is taken when all is well, once a verified snapshot is there", async () => {
      const { status, stdout } = await upgrade("1.37.2");
      expect(status).toBe(0);
      expect(stdout).toContain(`/snapshots/before-1.37.2.db on master-1\n`);
      expect(readdirSync(snapshots())).toEqual(["before-1.37.2.db"]);
      expect(readdirSync(file("var/lib/etcd"))).toEqual([]);
    });

    test("is no matter when the cluster has it", async () => {
      machine.program("apt-get", "exit 100");
      await expect(upgrade("1.36.3")).resolves.toMatchObject({ status: 0, stdout: "the cluster takes this change\n" });
      expect(existsSync(snapshots())).toBe(false);
    });

    test.each([
      [
        "1.36.2",
        "the cluster has Kubernetes 1.36.3 and does not go back to 1.36.2: set kubernetes.version to 1.36.3 or newer",
      ],
      [
        "1.38.0",
        "the cluster has Kubernetes 1.36.3 and takes one minor release at a time: set kubernetes.version to one of 1.37 first",
      ],
      [
        "1.37.9",
        `${repository} has no kubectl 1.37.9, only 1.37.2-1.1 1.37.1-1.1: set kubernetes.version to one that is there, or mirror the wanted one`,
      ],
    ])("is refused: %s", async (version, message) => {
      const { status, stderr } = await upgrade(version);
      expect(status).toBe(1);
      expect(said(stderr)).toBe(message);
      expect(existsSync(snapshots())).toBe(false);
    });

    test.each<[string, () => void, string]>([
      [
        "an etcd member that is down",
        () => {
          healthy("master-1", "master-3");
        },
        "the etcd member master-2 is not healthy: an upgrade begins when all are, so bring it back first",
      ],
      [
        "a master that is not Ready",
        () => {
          cluster({ "get\\ nodes\\ --selector*": "printf 'master-1 True\\nmaster-2 Unknown\\nmaster-3 True\\n'" });
        },
        "the master master-2 is not Ready: an upgrade begins when all are, so bring it back first, or remove it",
      ],
      [
        "an API server that does not answer",
        () => {
          machine.program("curl", 'case "$*" in *master-3:6443/readyz*) exit 7 ;; esac');
        },
        "the API server of master-3 does not answer at https://master-3:6443: an upgrade begins when all do, so bring it back first",
      ],
      [
        "a repository that does not answer",
        () => {
          machine.program("apt-get", "echo 'E: The repository does not have a Release file.'; exit 100");
        },
        `the package repository ${repository} cannot be used: E: The repository does not have a Release file.`,
      ],
      [
        "a snapshot that cannot be read",
        () => {
          machine.program("crictl", etcd.replace("esac", '*snapshot*) echo "the database is damaged"; exit 1 ;; esac'));
        },
        "the database is damaged",
      ],
    ])("is refused with %s", async (_, happens, message) => {
      happens();
      const { status, stderr } = await upgrade("1.37.2");
      expect(status).toBe(1);
      expect(said(stderr)).toBe(message);
      expect(existsSync(file("var/lib/esxi-k8s/snapshots/before-1.37.2.db"))).toBe(false);
    });
  });
});

describe("a node that was restarted or upgraded", () => {
  const pods = (...rows: string[]) => `printf '${rows.map((row) => `${row}\\n`).join("")}'`;
  const node = (version: string, answers: Record<string, string> = {}) => {
    kubectl({
      "*renewTime*": `echo x >>${file("leases")}; wc -l <${file("leases")}`,
      "*kubeletVersion*": `echo ${version}`,
      "*esxi-k8s/away*": "echo yes",
      "get\\ pods*": pods(
        "DaemonSet True kube-system/kube-proxy",
        "ReplicaSet False shop/web",
        "Node True kube-system/etcd",
      ),
      ...answers,
    });
    members("master-1", "master-2");
  };
  const settle = (name: string) =>
    machine.run("settle-node", { parameters: { NAME: name, SIZE: "2x4096", VERSION: "1.37.2" } }, (scripts) =>
      scripts.replaceAll(/retry_for \d+/g, "retry_for 1"),
    );

  test.each(["worker-1", "master-1", "master-2"])("is taken back when it does its work: %s", async (name) => {
    node("v1.37.2");
    await expect(settle(name)).resolves.toMatchObject({ status: 0, stdout: `back: ${name}\n` });
    expect(read("done")).toEqual([
      `wait --for=condition=Ready --timeout=4m node ${name}`,
      `uncordon ${name}`,
      `annotate node ${name} esxi-k8s/away-`,
    ]);
  });

  const daemon = { "get\\ pods*": pods("DaemonSet False traefik/traefik-x") };
  test.each<[string, string, () => void, string]>([
    [
      "its kubelet is of another version",
      "worker-1",
      () => {
        node("v1.36.3");
      },
      "gave up after 1s waiting for Kubernetes 1.37.2 on worker-1",
    ],
    [
      "its API server does not answer",
      "master-2",
      () => {
        node("v1.37.2");
        machine.program("curl", "exit 22");
      },
      "gave up after 1s waiting for the API server of master-2",
    ],
    [
      "its etcd member is not healthy",
      "master-2",
      () => {
        node("v1.37.2");
        healthy("master-1");
      },
      "gave up after 1s waiting for the etcd member master-2",
    ],
    [
      "what runs on every node does not there",
      "worker-1",
      () => {
        node("v1.37.2", daemon);
      },
      "worker-1 is back, but not Ready there: traefik/traefik-x; see what they lack ('kubectl describe pod'), or set kubernetes.drain.force to go on without them, and run pulumi up again",
    ],
  ])("is not taken back while %s", async (_, name, happens, message) => {
    happens();
    const { status, stderr } = await settle(name);
    expect(status).toBe(1);
    expect(said(stderr)).toBe(message);
    expect(read("done").filter((line) => line.startsWith("uncordon"))).toEqual([]);
  });

  test("is taken back without them when the policy says so", async () => {
    node("v1.37.2", { ...daemon, "*.data.force*": "echo true" });
    await expect(settle("worker-1")).resolves.toMatchObject({ status: 0 });
  });
});

describe("a machine that is prepared", () => {
  let socket: Server;
  /** Versions of what is installed, a line `NAME VERSION` each. */
  const installed = (version: string) => {
    const all = ["kubeadm", "kubelet", "kubectl"].map((name) => `${name} ${version}-1.1\n`);
    writeFileSync(file("packages"), version === "" ? "" : all.join(""));
  };
  const prepare = (packages = "kubeadm=1.37.2-* kubelet=1.37.2-* kubectl=1.37.2-*", files = "") =>
    machine.run(
      "prepare-node",
      {
        parameters: { VERSION: "1.37.2", IGNORE: "Swap,Mem", PACKAGES: packages, PULL: "none", IMAGES: "" },
        texts: { FILES: files },
      },
      (scripts) => scripts.replaceAll('"/proc/$', `"${file("proc")}/$`),
    );
  /** The order of what changes something. */
  const did = () =>
    read("done")
      .map((line) => line.replace(/^(install) .*--no-download install /, "$1 "))
      .filter((line) => /^(install|kubeadm|restart kubelet|apply)/.test(line));
  const isNode = () => {
    mkdirSync(file("etc/kubernetes/manifests"), { recursive: true });
    writeFileSync(file("etc/kubernetes/kubelet.conf"), "");
  };
  const isMaster = (clusterVersion: string) => {
    isNode();
    writeFileSync(file("etc/kubernetes/manifests/kube-apiserver.yaml"), "");
    kubectl({
      "*get\\ configmap\\ esxi-k8s-kubernetes*": `echo '${clusterVersion}'`,
      "*get\\ configmap\\ kubeadm-config*": "printf 'kubernetesVersion: v1.36.3\\n'",
      "apply*": `cat >/dev/null; echo apply >>${file("done")}`,
    });
  };

  beforeEach(async () => {
    for (const folder of ["etc/modules-load.d", "etc/sysctl.d", "run/containerd", "proc"]) {
      mkdirSync(file(folder), { recursive: true });
    }
    writeFileSync(file("etc/fstab"), "");
    writeFileSync(file("etc/os-release"), "VERSION_CODENAME=noble\n");
    for (const program of ["swapoff", "modprobe", "sysctl", "dpkg", "apt-mark"]) {
      machine.program(program, "exit 0");
    }
    machine.program("systemctl", `echo "$*" >>${file("done")}`);
    const version = (name: string) => `$(sed -n 's/^${name} \\(.*\\)-.*/\\1/p' ${file("packages")})`;
    machine.program("kubelet", `echo "Kubernetes v${version("kubelet")}"`);
    machine.program(
      "kubeadm",
      `case "$1" in version) v=${version("kubeadm")}; echo "\${v:+v$v}" ;; *) echo "kubeadm $*" >>${file("done")} ;; esac`,
    );
    machine.program("dpkg-query", `name=\${@: -1}; sed -n "s/^$name /installed /p" ${file("packages")}`);
    machine.program("apt-cache", `echo " \${@: -1} | 1.37.2-1.1 | repository"`);
    machine.program(
      "apt-get",
      `[[ $* != *--no-download* ]] || echo "install $*" >>${file("done")}
for word; do case $word in *=1.37.2-\\*) [[ $* != *--no-download* ]] || { sed -i "/^\${word%%=*} /d" ${file("packages")}; echo "\${word%%=*} 1.37.2-1.1" >>${file("packages")}; } ;; esac; done`,
    );
    socket = createServer().listen(file("run/containerd/containerd.sock"));
    await once(socket, "listening");
  });
  afterEach(() => {
    socket.close();
  });

  test("gets everything at once as long as it is no node, with the keys of its repositories", async () => {
    installed("");
    mkdirSync(file("etc/esxi-k8s"));
    writeFileSync(file("etc/esxi-k8s/keys"), "kubernetes https://packages.example.org/key ABC - -\n");
    machine.program("gpg", "printf 'pub:\\nfpr:::::::::ABC:\\n'");
    await expect(prepare()).resolves.toMatchObject({ status: 0, stdout: "ready for Kubernetes 1.37.2\n" });
    expect(existsSync(file("etc/apt/keyrings/esxi-k8s-kubernetes.asc"))).toBe(true);
    expect(did()).toEqual(["install kubeadm=1.37.2-* kubelet=1.37.2-* kubectl=1.37.2-*"]);
  });

  test("is left alone as a node of this version", async () => {
    installed("1.37.2");
    isMaster("");
    await expect(prepare()).resolves.toMatchObject({ status: 0, stdout: "ready for Kubernetes 1.37.2\n" });
    expect(did()).toEqual([]);
  });

  test.each([
    ["is restarted when its program was replaced", " (deleted)", ["restart containerd"]],
    ["goes on otherwise", "", []],
  ])("has a containerd that %s", async (_, suffix, done) => {
    installed("1.37.2");
    isNode();
    mkdirSync(file("proc/4711"));
    symlinkSync(`/usr/bin/containerd${suffix}`, file("proc/4711/exe"));
    machine.program("systemctl", `[ "$1" != show ] || echo 4711; echo "$*" >>${file("done")}`);
    await expect(prepare()).resolves.toMatchObject({ status: 0 });
    expect(read("done").filter((line) => line.startsWith("restart"))).toEqual(done);
  });

  test.each([
    ["looks where mirrors are", "config_path = '/etc/containerd/certs.d'", 0, ["restart containerd"]],
    ["looks elsewhere", "config_path = '/etc/containerd/certs.d:/etc/docker/certs.d'", 1, []],
  ])("has a template's containerd that %s", async (_, said, status, done) => {
    installed("1.37.2");
    machine.program("containerd", `[ "$*" = "config dump" ] && echo "${said}"`);
    const mirrors = file("etc/containerd/conf.d/esxi-k8s-mirrors.toml");
    const { status: ended, stderr } = await prepare("", `=> ${mirrors}\nversion = 3\n`);
    expect(ended, stderr).toBe(status);
    expect(existsSync(mirrors)).toBe(status === 0);
    expect(read("done").filter((line) => line.startsWith("restart"))).toEqual(done);
    if (status !== 0) {
      expect(stderr).toContain("containerd on master-1 does not look for registryMirrors: let ");
    }
  });

  const around = (upgrade: string[]) => [
    "install kubeadm=1.37.2-*",
    ...upgrade,
    "install kubelet=1.37.2-* kubectl=1.37.2-*",
    "restart kubelet",
  ];
  const options = "--ignore-preflight-errors Swap,Mem";
  test.each<[string, () => void, string[]]>([
    ["worker", isNode, [`kubeadm upgrade node ${options}`]],
    [
      "first master, which takes the cluster along",
      () => {
        isMaster("1.36.3");
      },
      // What it has as a whole is written down before, and after.
      ["apply", `kubeadm upgrade apply v1.37.2 --yes ${options}`, "apply"],
    ],
    [
      "later master",
      () => {
        isMaster("1.37.2");
      },
      [`kubeadm upgrade node ${options}`],
    ],
  ])("becomes another version as a node, the kubelet last: a %s", async (_, is, upgrade) => {
    installed("1.36.3");
    is();
    await expect(prepare()).resolves.toMatchObject({ status: 0, stdout: "upgraded to Kubernetes 1.37.2\n" });
    expect(did()).toEqual(around(upgrade));
  });

  test("goes on after an upgrade that was torn, whatever was installed by then", async () => {
    installed("1.36.3");
    isNode();
    machine.program("systemctl", `[ "$1" != restart ]`);
    await expect(prepare()).resolves.toMatchObject({ status: 1 });
    machine.program("systemctl", `echo "$*" >>${file("done")}`);
    await expect(prepare()).resolves.toMatchObject({ status: 0, stdout: "upgraded to Kubernetes 1.37.2\n" });
    expect(did().slice(-2)).toEqual([`kubeadm upgrade node ${options}`, "restart kubelet"]);
    await expect(prepare()).resolves.toMatchObject({ stdout: "ready for Kubernetes 1.37.2\n" });
  });

  test("is not upgraded where a template brings Kubernetes", async () => {
    installed("1.36.3");
    isNode();
    const { status, stderr } = await prepare("");
    expect(status).toBe(1);
    expect(said(stderr)).toMatch(
      /^master-1 has Kubernetes 1\.36\.3 from its template, and the configuration asks for 1\.37\.2/,
    );
    expect(did()).toEqual([]);
  });
});

describe("an upgrade of the cluster", () => {
  const pods = (...rows: string[]) => `printf '${rows.map((row) => `pod ${row}\\n`).join("")}'`;
  const well = ["worker-1 True registry.k8s.io/kube-proxy:v1.37.2", "worker-2 True registry.k8s.io/kube-proxy:v1.37.2"];
  const finish = (kubeadm: string, recorded: string, configured: string, proxy: string, proxies = well) => {
    machine.program("kubeadm", `[ "$1" = version ] && echo ${kubeadm} || echo "kubeadm $*" >>${file("done")}`);
    kubectl({
      "*daemonset\\ kube-proxy*": `echo registry.k8s.io/kube-proxy:${proxy}`,
      "*get\\ configmap\\ esxi-k8s-kubernetes*": `echo '${recorded}'`,
      "*get\\ configmap\\ kubeadm-config*": `printf 'kubernetesVersion: v${configured}\\n'`,
      "get\\ nodes*": "printf 'node worker-1 True\\nnode worker-2 True\\nnode worker-3 Unknown\\n'",
      "*get\\ pods*": pods(...proxies),
      "apply*": "cat >/dev/null",
    });
    return machine.run("finish-upgrade", { parameters: { VERSION: "1.37.2" } }, (scripts) =>
      scripts.replace("retry_for 300", "retry_for 1"),
    );
  };

  const apply = ["kubeadm upgrade apply v1.37.2 --yes"];
  test.each<[string, string, string, string, string[]]>([
    ["was finished by the last master", "1.37.2", "1.37.2", "v1.37.2", []],
    ["never was, of a cluster that was founded like this", "", "1.37.2", "v1.37.2", []],
    ["was torn when kubeadm had written its own down", "1.36.3", "1.37.2", "v1.36.3", apply],
    ["is finished after masters were made anew", "", "1.37.2", "v1.36.3", apply],
    ["is finished when kube-proxy was left behind", "1.37.2", "1.37.2", "v1.36.3", apply],
  ])("%s", async (_, recorded, configured, proxy, done) => {
    await expect(finish("v1.37.2", recorded, configured, proxy)).resolves.toMatchObject({
      status: 0,
      stdout: "the cluster has Kubernetes 1.37.2\n",
    });
    expect(read("done")).toEqual(done);
  });

  test.each([
    ["an older one", "worker-1 True registry.k8s.io/kube-proxy:v1.36.3"],
    ["one that is not Ready", "worker-1 False registry.k8s.io/kube-proxy:v1.37.2"],
    ["none", "worker-2 True registry.k8s.io/kube-proxy:v1.37.2"],
  ])("is not finished while a node that is well has %s of kube-proxy", async (_, pod) => {
    const { status, stderr } = await finish("v1.37.2", "1.37.2", "1.37.2", "v1.37.2", [pod, ...well.slice(1)]);
    expect(status).toBe(1);
    expect(said(stderr)).toMatch(/^kube-proxy 1\.37\.2 is not Ready on worker-1: see what it lacks there/);
  });

  test("is not finished by a master that has not taken part", async () => {
    const { status, stderr } = await finish("v1.36.3", "", "1.36.3", "v1.36.3");
    expect(status).toBe(1);
    expect(said(stderr)).toMatch(
      /^master-1 has kubeadm v1\.36\.3, so the cluster cannot be brought to v1\.37\.2 from here/,
    );
    expect(read("done")).toEqual([]);
  });
});

describe("a node that joins", () => {
  const image = "registry.k8s.io/kube-proxy:v1.36.3";
  const admission = `printf 'token=a\\nca_hash=b\\nkube_proxy=${image}\\n'`;
  const joining = async (images: string, pull: string, answer = admission) => {
    machine.program("ssh", answer);
    machine.program("crictl", `case "$*" in *" images "*) echo '${images}' ;; *" pull "*) ${pull} ;; esac`);
    machine.program(
      "kubeadm",
      `case "$1" in join) echo join >>${file("done")}; mkdir -p ${file("etc/kubernetes")}; touch ${file("etc/kubernetes/kubelet.conf")} ;; esac`,
    );
    kubectl({ "*get\\ node\\ *": "printf uid" });
    mkdirSync(file("run"), { recursive: true });
    return machine.run("join-node", {
      parameters: { ROLE: "worker", ADDRESS: "192.0.2.31", MASTERS: "ssh://k8s@192.0.2.10:6022" },
      texts: { CONFIG: "token: @TOKEN@", KNOWN_HOSTS: "" },
    });
  };

  test.each([
    ["has", `{"repoTags": ["${image}"]}`, "exit 1"],
    ["pulls", '{"images": []}', `echo pull >>"$(dirname "$(dirname "$0")")/done"`],
  ])("%s the kube-proxy of the cluster before, which an upgrade may have left behind", async (what, images, pull) => {
    const { status, stderr } = await joining(images, pull);
    expect(status, stderr).toBe(0);
    expect(read("done")).toEqual(what === "has" ? ["join"] : ["pull", "join"]);
  });

  test("does not without it, and says where it is wanted", async () => {
    const { status, stderr } = await joining('{"images": []}', "echo 'desc = not found' >&2; exit 1");
    expect(status, stderr).toBe(1);
    expect(stderr).toContain(`master-1 cannot pull ${image}\nnot found\nput it there`);
    expect(read("done")).toEqual([]);
  });

  test("asks again when another one's turn came first", async () => {
    const second = `if [ -e ${file("asked")} ]; then ${admission}; else touch ${file("asked")}; exit 5; fi`;
    const { status, stderr } = await joining(`{"repoTags": ["${image}"]}`, "exit 1", second);
    expect(status, stderr).toBe(0);
    expect(read("done")).toEqual(["join"]);
  });
});

describe("a master that admits", () => {
  const admit = async (role: string, who: string) => {
    await machine.receive(["admit"]);
    return machine.shell(`exec sudo -n ${stepPath("admit")} ${role} '${who}'`, "");
  };
  beforeEach(() => {
    mkdirSync(file("etc/kubernetes/pki"), { recursive: true });
    for (const name of ["admin.conf", "pki/ca.key", "pki/ca.crt"]) {
      writeFileSync(file(`etc/kubernetes/${name}`), "");
    }
    machine.program("openssl", "echo 1234 -");
    // Of a file it is what the machine takes in; of what is piped, any hash will do.
    machine.program(
      "sha256sum",
      `if [ $# = 0 ]; then cat >/dev/null; echo 5678; else basename "$1" .new | sed 's/.*-//'; fi`,
    );
    machine.program("kubeadm", 'case "$*" in *"token create"*) echo the-token ;; esac');
    const config = ["data:", "  ClusterConfiguration: |", "    kubernetesVersion: v1.36.3", "    networking: {}"];
    kubectl({
      "*kubeadm-config\\ -o\\ yaml*": `printf '${config.join("\\n")}\\n'`,
      "*replace*": `{ echo replaced with; sed 's/^ *//'; } >>${file("done")}`,
    });
    members("master-2");
  });
  const changed = () => read("done").find((line) => line.startsWith("kubernetesVersion"));

  test.each([
    ["a master of a newer release brings it", "master", "v1.37.2", "kubernetesVersion: v1.37.2"],
    ["a master of the same one changes nothing", "master", "v1.36.3", undefined],
    ["nor does an older one", "master", "v1.36.2", undefined],
    ["a worker never does", "worker", "v1.37.2", undefined],
  ])("writes down another release: %s", async (_, role, version, written) => {
    const { status, stdout, stderr } = await admit(role, `${role}-1 192.0.2.21 ${version}`);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain("token=the-token\n");
    expect(changed()).toBe(written);
  });

  describe("masters one after the other", () => {
    const learner = (name: string) => {
      appendFileSync(file("members"), `f00d, started, ${name}, https://${name}:2380, https://${name}:2379, true\n`);
    };
    const lease = (holder: string, age: number, refuse = "") => {
      kubectl({
        "*get\\ lease*": holder && `echo "7 ${holder} $(date --utc --date '-${String(age)} seconds' +%FT%T.%6NZ)"`,
        "*\\ -f\\ -*": refuse || `{ echo "$1"; cat; } >>${file("done")}`,
      });
    };
    const written = () => read("done").map((line) => line.trim());
    const ask = () => admit("master", "master-3 192.0.2.23 v1.36.3");

    test.each([
      ["when nobody has joined yet", "", 0, undefined],
      ["when the one before votes", "master-2", 5, "7"],
      ["when it is its own, of a join that was torn", "master-3", 5, "7"],
      ["when the one before has had it for too long", "master-4", 130, "7"],
    ])("takes its turn %s", async (_, holder, age, resourceVersion) => {
      lease(holder, age);
      const { status, stdout, stderr } = await ask();
      expect(status, stderr).toBe(0);
      expect(stdout).toContain("certificate_key=5678\n");
      expect(written()).toContain(resourceVersion ? "replace" : "create");
      expect(written()).toEqual(expect.arrayContaining(["name: esxi-k8s-etcd-join", "holderIdentity: master-3"]));
      expect(written().filter((line) => line.startsWith("resourceVersion"))).toEqual(
        resourceVersion ? [`resourceVersion: '${resourceVersion}'`] : [],
      );
    });

    test.each([
      ["while another one has it", "master-4", "waits for master-4, which is joining"],
      ["while etcd has a learner", "", "waits for master-5, which etcd is taking in"],
      ["when another one was faster", "master-2", ""],
    ])("is asked again %s", async (_, holder, said) => {
      lease(holder, 5, said ? "" : "exit 1");
      if (said.includes("master-5")) learner("master-5");
      await expect(ask()).resolves.toMatchObject({ status: 5, stdout: "", stderr: said && `master-3 ${said}\n` });
    });
  });

  test.each([
    ["new", ["data-consul-server-2", "pvc-2"]],
    ["member", []],
  ])("gives replicas new volumes when those on a machine of that name are gone: %s", async (before, deleted) => {
    kubectl({
      "*get\\ persistentvolumes*": `echo 'consul data-consul-server-2 pvc-2 worker-1'; echo 'consul data-consul-server-1 pvc-1 worker-2'
        echo 'shop data-db pvc-3 worker-1'`,
      "*namespace\\ consul\\ get\\ pods*":
        "echo 'consul-server-2|Running|worker-1|StatefulSet|consul-server|data-consul-server-2'",
      "*get\\ daemonset\\ kube-proxy*": "printf registry.k8s.io/kube-proxy:v1.36.3",
      "*namespace\\ shop\\ get\\ pods*": "echo 'db-0|Pending||StatefulSet|db|data-db'",
      "*get\\ statefulset\\ consul-server*": "echo 3",
      "*get\\ statefulset\\ db*": "echo 1",
      "*delete\\ persistentvolumeclaim\\ *": `echo "$*" >>${file("done")}`,
    });
    const { status, stdout, stderr } = await admit("worker", `worker-1 192.0.2.31 v1.37.2 ${before}`);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^token=the-token\nca_hash=\S+\nkube_proxy=registry\.k8s\.io\/kube-proxy:v1\.36\.3\n$/);
    const gone = read("done").flatMap((line) => /delete persistentvolume(?:claim)? (\S+)/.exec(line)?.[1] ?? []);
    expect(gone).toEqual(deleted);
  });

  test.each(["master-1 192.0.2.21", "master-1 192.0.2.21 newest", "master-1 v1.37.2"])(
    "refuses who does not say all of that: %s",
    async (who) => {
      await expect(admit("master", who)).resolves.toMatchObject({
        status: 2,
        stderr: "a joining node has to give its name, its address and its version\n",
      });
    },
  );
});
