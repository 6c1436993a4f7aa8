import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeCertificates } from "./certificates";
import { describeCluster } from "./cluster";
import { describeConsul } from "./consul";
import { describeCreation, printed, processes } from "./creation";
import { describeDisk } from "./disk";
import { describeDown } from "./down";
import { describeDrift, describeNoDrift, describeRepair } from "./drift";
import { describeDrivers } from "./drivers";
import { describeEnvironments } from "./environments";
import { describeExample } from "./example";
import { describeIngress } from "./ingress";
import { describeInstalling } from "./installing";
import { describeLoad } from "./load";
import { describeMachine } from "./machine";
import { describeMembers } from "./members";
import { describeMetrics } from "./metrics";
import { describePullRequest } from "./pull-request";
import { describeRestore } from "./restore";
import { describeReviews } from "./reviews";
import { describeFailure, describeRuns } from "./runs";
import { describeSdk } from "./sdk";
import { describeClasses } from "./volumes";
import {
  afflict,
  attempt,
  containers,
  eventually,
  folders,
  forget,
  inLab,
  inventory,
  machines,
  make,
  onMachine,
  power,
  pulumi,
  run,
  sideBySide,
  ssh,
} from "./support/lab";
import { expectNoSecret, secretTexts } from "./support/secrets";

/**
 * The life of one cluster on a simulated lab of its own: brought up with an interruption, used, disturbed, destroyed.
 * The order matters: a cluster costs minutes, so all tests share it.
 */
beforeAll(async () => {
  // What a crashed run of these tests may have left.
  await run("sim/down", []);
});

afterAll(async () => {
  await run("sim/down", []);
});

describe("a cluster is made", () => {
  sideBySide({ "pulumi up": describeCreation, "sim/prepare": describeMachine, "a larger disk": describeDisk });
});

describe("a cluster is used", () => {
  sideBySide({
    "the cluster": describeCluster,
    "Pulumi, again": describeRuns,
    Consul: describeConsul,
    "the ingress": describeIngress,
    "what is measured": describeMetrics,
    "drivers of storage": describeDrivers,
    "another stack": describeExample,
    "environments of the repository": describeEnvironments,
    "the vSphere SDK of unit tests": describeSdk,
  });
});

describe("Traefik at 100 requests a second", describeLoad);

describe("machines come and go", describeMembers);

describe("one machine is down", describeDown);

describe("classes of storage", describeClasses);

describe("a cluster without a quorum", describeRestore);

describe("a pull request", describePullRequest);

describe("the search for drift", describeNoDrift);

describe("a change by hand", describeRepair);

describe("certificates", describeCertificates);

describe("the stack", () => {
  let preview = "";

  it("asks nobody for a second up, whatever has happened", async () => {
    preview = await pulumi("preview", "--diff", "--expect-no-changes");
  });

  it("has no secret in clear: not in the state, the logs, the output, a preview or the arguments of a process", async () => {
    const needles = await secretTexts();
    // Seeds and passwords, the kubeconfig's keys, private keys of machines, of joins and of the administrator.
    expect(needles.length).toBeGreaterThan(12);

    const state = await inLab("pulumi", "stack", "export", "--stack", "sim");
    const logs = await inLab(
      "bash",
      "-c",
      'folder=${PULUMI_BACKEND_URL#file://} && cd "${folder%%\\?*}" && cat ../log/* .pulumi/history/*/*/*.json',
    );
    const nodeLogs = await Promise.all(
      Object.keys(machines).map((machine) => onMachine(machine, "cat /var/log/esxi-k8s/*.log")),
    );
    const places = {
      preview,
      state,
      logs,
      nodeLogs: nodeLogs.join("\n"),
      printed: printed.join("\n"),
      processes: [...processes].join("\n"),
    };
    expect(places.processes).toContain("pulumi");
    expect(places.preview).toContain("Resources:");
    expectNoSecret(needles, places);
  });
});

/** A machine's end, as vCenter sees it. */
function describeVcenter(): void {
  it("sees that a machine has switched itself off", async () => {
    // At once, services or not. The connection goes with it.
    await attempt("sim/enter", await ssh("worker-2", "systemctl poweroff -ff"));
    await eventually(30, async () => {
      expect(await run("sim/vcenter", ["inventory"])).toMatch(/^worker-2 +poweredOff /m);
    });
  });
}

describe("what goes wrong", () => {
  sideBySide({ "a step": describeFailure, "a machine": describeVcenter });
});

describe("a stack whose machines install what they need", describeInstalling);

describe("reviews of a stack", () => {
  describeReviews(Object.keys(machines));
});

describe("the search for drift without a cluster", describeDrift);

describe("make down", () => {
  it("takes as long for machines that are off, hang, are cut off, gone or not recorded, and leaves nothing", async () => {
    // Two of them run again, the others stay off.
    await power("master-2", "on");
    await power("worker-1", "on");
    await afflict.hang("master-2");
    await afflict.isolate("worker-1");
    await run("sim/vcenter", ["delete", "haproxy-1"]);
    await forget("VirtualMachine::master-3");
    const started = Date.now();
    await make("down");
    // A minute more than for those that are well, which is half a minute on busy cores.
    expect((Date.now() - started) / 1000).toBeLessThan(90);
    const state = JSON.parse(await inLab("pulumi", "stack", "export", "--stack", "sim")) as {
      deployment: { resources?: unknown[] };
    };
    expect(state.deployment.resources ?? []).toEqual([]);
    expect(await inventory()).toEqual({});
    expect(await containers()).toEqual([]);
    expect(await folders()).not.toContain("esxi-k8s/sim");
  });
});

describe("make sim-down", () => {
  it("leaves no process, namespace, mount or folder behind", async () => {
    await make("sim-down");
    const lab = String(process.env.ESXI_K8S_LAB);
    expect(await run("bash", ["-c", "ip netns list"])).not.toContain(`esxi-k8s-${lab}`);
    expect(await run("cat", ["/proc/self/mountinfo"])).not.toContain(`/esxi-k8s/${lab}`);
    expect(
      await run("bash", [
        "-c",
        `grep -alzF ESXI_K8S_LAB_RUN=/run/esxi-k8s/${lab} /proc/[0-9]*/environ 2>/dev/null || true`,
      ]),
    ).toBe("");
    expect((await attempt("test", ["-e", `/run/esxi-k8s/${lab}`])).code).toBe(1);
  });
});
