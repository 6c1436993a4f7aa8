import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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

describe("a change of the machines", () => {
  const judge = (masters: string, workers: string) =>
    machine.run("check-change", { parameters: { MASTERS: masters, WORKERS: workers } });
  beforeEach(() => {
    members("master-1", "master-2", "master-3");
    kubectl({ "get\\ nodes*": "printf 'master-1=192.0.2.21\\nworker-1=192.0.2.31\\n'" });
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

  test("is refused while members are down without which those that stay are no majority", async () => {
    healthy("master-1");
    const { status, stderr } = await judge(masters, "");
    expect(status).toBe(1);
    expect(said(stderr)).toBe(
      "etcd's members master-2 master-3 are down, and 1 of the 3 that stay are no majority: bring them back first",
    );
  });
});
