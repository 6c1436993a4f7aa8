import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeMachine } from "../support/steps";

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
  // A worker is no member of etcd.
  machine.program(
    "crictl",
    "[ $3 = ps ] && echo etcd || echo '1, started, master-1, https://a:2380, https://a:2379, false'",
  );
});
afterEach(() => {
  machine.remove();
});

/** A kubectl that answers as a test says, by what is asked: with each of the lines in turn, then with the last one. */
function answers(to: Record<string, string[]>): void {
  const cases = Object.entries(to).map(
    ([what, lines]) => `*"${what}"*) what="${what}" lines=(${lines.map((line) => `'${line}'`).join(" ")}) ;;`,
  );
  machine.program(
    "kubectl",
    `echo "$*" >>${asked()}
     case "$*" in
       ${cases.join("\n")}
       *) exit 0 ;;
     esac
     times=$(grep -c -F -e "$what" ${asked()})
     line=\${lines[times - 1]-\${lines[-1]}}
     [[ $line != error:* ]] || { echo "$line" >&2; exit 1; }
     echo "$line"`,
  );
}
const asked = () => join(machine.folder, "asked");
const drains = () => readFileSync(asked(), "utf8").match(/^drain .*$/gm) ?? [];
const drainNode = () =>
  machine.run("drain-node", { parameters: { NAME: "worker-1", SIZE: "2x4096" } }, (scripts) =>
    scripts
      .replaceAll("mktemp -p /run", "mktemp")
      .replaceAll(/sleep [12]\b/g, "sleep 0.1")
      .replaceAll("retry_for 180 ", "retry_for 3 "),
  );
const ready = {
  ...{ ".status.conditions": ["True"], ".data.timeout": ["1h30m5s"], ".data.force": ["false"] },
  "--output name": ["node/worker-1"],
};

describe("the step that empties a node", () => {
  test("drains again when the connection ends, with the time that is left", async () => {
    answers({ ...ready, "drain worker-1": ["error: unable to drain: unexpected EOF", "drained"] });
    expect(await drainNode()).toMatchObject({ status: 0, stdout: "empty: worker-1\n" });
    expect(drains()).toHaveLength(2);
    for (const drain of drains()) {
      expect(Number(/--timeout (\d+)s/.exec(drain)?.[1])).toBeGreaterThan(5300);
    }
  });

  test("takes no second time to learn what may not be deleted", async () => {
    answers({
      ...ready,
      "drain worker-1": ["error: unable to drain: cannot delete Pods that declare no controller: default/alone"],
      "esxi-k8s/away}": ["yes"],
    });
    const { status, stderr } = await drainNode();
    expect(status).toBe(1);
    expect(stderr).toContain("default/alone");
    expect(drains()).toHaveLength(1);
    expect(readFileSync(asked(), "utf8")).toContain("uncordon worker-1");
  });

  test("ends with the time that the policy gives", async () => {
    answers({ ...ready, ".data.timeout": ["1s"], "drain worker-1": ["error: unable to drain: timed out"] });
    expect(await drainNode()).toMatchObject({ status: 1 });
    expect(drains()).toEqual([expect.stringContaining("--timeout 1s")]);
  });

  test("asks again what was not answered, and not what was answered with no", async () => {
    const lost = "error: Get nodes: write: broken pipe";
    answers({ ...ready, "cordon worker-1": [lost, lost, "cordoned"] });
    expect(await drainNode()).toMatchObject({ status: 0 });
    expect(readFileSync(asked(), "utf8").match(/^cordon/gm)).toHaveLength(3);

    answers({ ...ready, "annotate --overwrite": ["error: nodes is forbidden"] });
    expect(await drainNode()).toMatchObject({ status: 1, stderr: expect.stringContaining("forbidden") as string });
    expect(readFileSync(asked(), "utf8").match(/^annotate --overwrite .*yes$/gm)).toHaveLength(2);
  });
});

describe("a node that has just come", () => {
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString().replace(/\.\d+/, "");
  const nodes = (...all: [name: string, minutes: number, pool: string][]) =>
    all.map(([name, minutes, pool]) => `${name} ${minutesAgo(minutes)} pool=${pool}`).join("\n");
  const pod = (node: string, kind: string, owner: string, isReady = "True") =>
    [node, kind, owner, isReady].join(" ").trim();
  const there = [pod("worker-1", "DaemonSet", "traefik"), pod("worker-1", "ReplicaSet", "demo")];
  const asksForPods = "ownerReferences[0].name} {.status.conditions";
  const looks = () => readFileSync(asked(), "utf8").split(asksForPods).length - 1;
  const pods = (...states: string[][]) => ({ [asksForPods]: states.map((more) => [...there, ...more].join("\n")) });
  const come = (...all: [string, number, string][]) => ({
    creationTimestamp: [nodes(["worker-1", 90, "general"], ...all)],
  });

  test("has what the next one runs by DaemonSets before that is emptied", async () => {
    const states = [[], [pod("worker-2", "DaemonSet", "traefik", "False")], [pod("worker-2", "DaemonSet", "traefik")]];
    answers({ ...come(["worker-2", 2, "general"]), ...pods(...states), ...ready });
    expect(await drainNode()).toMatchObject({ status: 0, stdout: "empty: worker-1\n" });
    expect(looks()).toBe(3);
    const all = readFileSync(asked(), "utf8");
    expect(all.lastIndexOf(asksForPods)).toBeLessThan(all.indexOf("cordon worker-1"));
  });

  test.each([
    ["has been there for long", ["worker-2", 11, "general"]],
    ["is of another pool", ["worker-2", 2, "large"]],
    ["is a master", ["master-1", 2, ""]],
  ] as const)("is awaited no more when it %s", async (_, [name, minutes, pool]) => {
    answers({ ...come([name, minutes, pool]), ...pods([]), ...ready });
    expect(await drainNode()).toMatchObject({ status: 0 });
    expect(looks()).toBe(1);
  });

  test("is not awaited for ever, and not at all when drains are forced", async () => {
    answers({ ...come(["worker-2", 2, "general"]), ...pods([]), ...ready });
    expect(await drainNode()).toMatchObject({ status: 0 });
    expect(machine.log("drain-node")).toContain("worker-1 is emptied all the same; not Ready yet: traefik on worker-2");
    const before = looks();
    answers({ ...come(["worker-2", 2, "general"]), ...pods([]), ...ready, ".data.force": ["true"] });
    expect(await drainNode()).toMatchObject({ status: 0 });
    expect(looks()).toBe(before);
  });
});
