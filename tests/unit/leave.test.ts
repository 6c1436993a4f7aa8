import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeMachine } from "../support/steps";

const member = (id: string, name: string, host: string) =>
  `${id}, started, ${name}, https://${host}:2380, https://${host}:2379, false`;
/** As etcd lists it; by its programs it is known in decimal, with more digits than a number of JavaScript holds. */
const leaves = "e6d07570ff5b5d44";

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
  const list = [member("6c1", "master-1", "a"), member(leaves, "master-2", "b"), member("c51", "master-3", "c")];
  machine.program(
    "crictl",
    `case "$*" in *"member list"*) printf '%s\\n' ${list.map((line) => `'${line}'`).join(" ")} ;; *) echo etcd ;; esac`,
  );
  machine.program("kubectl", "exit 0");
});
afterEach(() => {
  machine.remove();
});

describe("the step that lets a node leave", () => {
  test.each([
    ["while it is emptied", "drain"],
    ["before it is removed", "the removal"],
  ])("is done when the step of a run that was cut off does the same: %s", async (_, when) => {
    const node = join(machine.folder, "node");
    const gone = `rm -f ${node}; echo 'nodes "worker-1" not found' >&2; exit 1`;
    writeFileSync(node, "uid-1");
    machine.program(
      "kubectl",
      `case "$*" in
         *"get node worker-1"*metadata.uid*) cat ${node} 2>/dev/null || true ;;
         *"get node worker-1"*conditions*) echo True ;;
         *"get node worker-1"*name*) [ ! -e ${node} ] || echo node/worker-1 ;;
         *data.nodes*) echo worker-1 ;;
         "taint node"*) [ -e ${node} ] ;;
         *"get pods"*"--output json") echo '{"items":[]}' ;;
         drain*) ${when === "drain" ? gone : "exit 0"} ;;
         "delete --raw"*) ${gone} ;;
       esac`,
    );
    const parameters = { NAME: "worker-1", NODE_UID: "uid-1" };
    const outcome = await machine.run("leave-node", { parameters }, (scripts) =>
      scripts.replaceAll("mktemp -p /run", "mktemp").replaceAll("retry_for 60", "retry_for 3"),
    );
    expect(outcome).toEqual({ status: 0, stdout: "left: worker-1\n", stderr: "" });
    expect(existsSync(node)).toBe(false);
  });
});

describe("what passes requests on, on a node that leaves", () => {
  const pod = (name: string, owner: string, tolerations: object[] = [], phase = "Running") => ({
    metadata: { namespace: "some", name, ownerReferences: [{ kind: owner }] },
    spec: { tolerations },
    status: { phase },
  });
  const stay = [
    pod("flannel", "DaemonSet", [{ operator: "Exists" }]),
    pod("static", "Node"),
    pod("done", "Job", [], "Succeeded"),
  ];
  const usual = [{ key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" }];
  const leave = async (states: object[][]) => {
    const asked = join(machine.folder, "asked");
    states.forEach((pods, index) => {
      writeFileSync(join(machine.folder, `pods-${String(index)}`), JSON.stringify({ items: pods }));
    });
    machine.program(
      "kubectl",
      `echo "$*" >>${asked}
       case "$*" in
         *"get node worker-1"*metadata.uid*) grep --quiet "^delete --raw" ${asked} || echo uid-1 ;;
         *"get node worker-1"*conditions*) echo True ;;
         *data.nodes*) echo worker-1 ;;
         *"get pods"*"--output json") times=$(grep -c "get pods.*--output json$" ${asked}); cat ${machine.folder}/pods-$((times - 1)) ;;
       esac`,
    );
    const outcome = await machine.run(
      "leave-node",
      { parameters: { NAME: "worker-1", NODE_UID: "uid-1" } },
      (scripts) => scripts.replaceAll("mktemp -p /run", "mktemp").replaceAll("retry_for 40", "retry_for 2"),
    );
    return { outcome, asked: readFileSync(asked, "utf8").split("\n") };
  };
  const left = { status: 0, stdout: "left: worker-1\n", stderr: "" };

  test("ends in its own time, once the node is empty and before it is removed", async () => {
    const { outcome, asked } = await leave([[...stay, pod("traefik", "DaemonSet", usual)], stay]);
    expect(outcome).toEqual(left);
    const order = [
      /^drain /,
      /^taint node worker-1 .*esxi-k8s\/leaving=:NoExecute$/,
      /get pods.*--output json$/,
      /^delete --raw/,
    ];
    const places = order.map((what) => asked.findIndex((line) => what.test(line)));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
    expect(asked.filter((line) => /get pods.*--output json$/.test(line))).toHaveLength(2);
  });

  test("does not keep the node when it does not end", async () => {
    const lasting = [...stay, pod("traefik", "DaemonSet", usual)];
    const { outcome } = await leave(Array.from({ length: 20 }, () => lasting));
    expect(outcome).toEqual(left);
  });
});

describe("the step that lets a master leave", () => {
  /** @param answers of members to the request that one of them is removed, by their hosts; nothing is an answer that is lost */
  const leave = async (answers: Record<string, string>) => {
    const asked = join(machine.folder, "asked");
    const cases = Object.entries(answers).map(([host, answer]) => `*//${host}:*) echo '${answer}' ;;`);
    machine.program("curl", `echo "$*" >>${asked}\ncase "$*" in ${cases.join("\n")} *) exit 52 ;; esac`);
    const parameters = { NAME: "master-2", NODE_UID: "", MEMBER: leaves };
    const outcome = await machine.run("leave-node", { parameters }, (scripts) =>
      scripts.replaceAll("mktemp -p /run", "mktemp").replaceAll("retry_for 60", "retry_for 0"),
    );
    return { ...outcome, asked: readFileSync(asked, "utf8").trim().split("\n") };
  };
  const removed = '{"header":{},"members":[{"ID":"1"}]}';

  test("asks a member that stays, even on the machine that leaves", async () => {
    const { status, stdout, asked } = await leave({ a: removed, b: removed, c: removed });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "left: master-2\n" });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatch(
      new RegExp(`--data {"ID":"${String(BigInt(`0x${leaves}`))}"} https://a:2379/v3/cluster/member/remove$`),
    );
  });

  test("asks the next one when one does not answer, and takes a member that is gone for removed", async () => {
    const { status, asked } = await leave({ c: '{"code":5,"message":"etcdserver: member not found"}' });
    expect(status).toBe(0);
    expect(asked.map((line) => line.split("https://")[1])).toEqual(
      ["a", "c"].map((host) => `${host}:2379/v3/cluster/member/remove`),
    );
  });

  test("fails, and says what it was told, when none of them does it", async () => {
    const refusal = '{"code":14,"message":"etcdserver: unhealthy cluster"}';
    const { status, stderr } = await leave({ a: refusal, c: refusal });
    expect(status).toBe(1);
    expect(stderr).toContain("https://c:2379: " + refusal);
    expect(stderr).toContain(`the removal of the etcd member ${leaves}`);
  });
});
