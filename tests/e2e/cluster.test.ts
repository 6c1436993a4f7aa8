import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeIngress } from "./ingress";
import { describeInstalling } from "./installing";
import {
  addresses,
  allUp,
  attempt,
  eventually,
  frontend,
  inLab,
  killUpAfter,
  kubectl,
  make,
  masters,
  onMachine,
  output,
  power,
  rejoined,
  run,
  seeProcesses,
  serverStates,
  temporaryFile,
  workers,
} from "./support/lab";

/**
 * The life of one cluster on a simulated lab of its own: brought up with an interruption, used, disturbed, destroyed.
 * The order matters: a cluster costs minutes, so all tests share it.
 */
const machines: Record<string, string> = {
  "haproxy-1": "esxi-1.lab.internal",
  "master-1": "esxi-1.lab.internal",
  "master-2": "esxi-2.lab.internal",
  "master-3": "esxi-1.lab.internal",
  "worker-1": "esxi-1.lab.internal",
  "worker-2": "esxi-2.lab.internal",
};

/** What `make up` printed, and the arguments of every process that was seen while it worked. */
const printed: string[] = [];
const processes = new Set<string>();

/** Name and host of the stack's machines that vCenter has. */
async function inventory(): Promise<Record<string, string>> {
  const rows = (await run("sim/vcenter", ["inventory"])).split("\n").map((line) => line.split(/\s{2,}/));
  return Object.fromEntries(rows.flatMap(([name = "", , host = ""]) => (name in machines ? [[name, host]] : [])));
}

beforeAll(async () => {
  // What a crashed run of these tests may have left.
  await run("sim/down", []);
});

afterAll(async () => {
  await run("sim/down", []);
});

describe("pulumi up", () => {
  it("refuses bad configurations with one clear message each and creates nothing", async () => {
    await run("sim/up", []);
    const good = await readFile("Pulumi.sim.yaml", "utf8");
    const refusal = async (bad: string) => {
      const file = ["--config-file", await temporaryFile(bad)];
      const { code, stdout } = await attempt("sim/enter", ["pulumi", "up", "--yes", "--stack", "sim", ...file]);
      expect(code).not.toBe(0);
      const lines = stdout.split("\n").map((line) => line.trim());
      const first = lines.findIndex((line) => line.includes("the configuration of stack"));
      const problems = lines.slice(first + 1).filter((line) => / got .*, expected /.test(line));
      return [lines[first]?.replace(/^.*(?=the configuration of stack)/, ""), ...problems].join("\n");
    };
    const firstLine = (problems: string) =>
      `the configuration of stack sim has ${problems}; edit Pulumi.sim.yaml (namespace esxi-k8s), nothing was changed`;

    expect(
      await refusal(
        good
          .replace(/^ +master-3: .*\n/m, "")
          .replace("host: esxi-2, address: 10.20.0.32", "host: esxi-9, address: 10.20.0.31")
          .replace(
            "    domain: lab.localhost\n",
            `    domain: lab.localhost
    replicas: 3
    dynamic:
      http:
        routers:
          wiki: { rule: "Host(\`wiki lab\`)", service: demo-file }
          again: { rule: "Host(\`demo-consul.lab.localhost\`)", service: demo-file }
`,
          ),
      ),
    ).toBe(
      [
        firstLine("6 problems"),
        "workers.general.nodes.worker-2.address: got 10.20.0.31, expected an address of its own, because workers.general.nodes.worker-1.address has this one",
        "workers.general.nodes.worker-2.host: got esxi-9, expected a key of hosts: esxi-1, esxi-2",
        "controlPlane.nodes: got 2 masters, expected an odd number of three or more, because etcd needs a majority to survive a loss; controlPlane.allowNonHa: true accepts a stack that is not highly available",
        "ingress.replicas: got 3, expected at most 2, because Traefik places one pod on a worker and there are 2 workers that take pods",
        "ingress.dynamic.http.routers.wiki.rule: got `wiki lab` at character 6, expected a DNS name such as app.example.org",
        "ingress.dynamic.http.routers.again.rule: got demo-consul.lab.localhost, expected a host that no other source claims, because the demonstration has it",
      ].join("\n"),
    );
    expect(await refusal(`${good}  esxi-k8s:storage: { type: ceph }\n`)).toBe(
      `${firstLine("1 problem")}\nstorage.type: got "ceph", expected one of "local-path"|"none"`,
    );
    expect(await inventory()).toEqual({});
  });

  it("converges after it was killed in the middle of the masters' joins and of a Helm release", async () => {
    // kubeadm needs about 15 s for a master: this is when its etcd member is being taken in.
    const seeing = seeProcesses(processes);
    printed.push(await killUpAfter(/master-2-join creating/, 5));
    // And in the middle of a Helm release, which Helm will call pending.
    printed.push(await killUpAfter(/Release consul creating/, 2));
    const again = await attempt("make", ["--no-print-directory", "up"]);
    await seeing.stop();
    printed.push(again.stdout, again.stderr);
    expect(again, again.stderr).toMatchObject({ code: 0 });
  });

  it("changes nothing the second time", async () => {
    await make("up");
    await inLab("pulumi", "preview", "--expect-no-changes", "--stack", "sim");
  });

  it("takes over objects that an interrupted run made and could not record", async () => {
    const { deployment } = JSON.parse(await inLab("pulumi", "stack", "export", "--stack", "sim")) as {
      deployment: { resources: { urn: string }[] };
    };
    for (const name of ["control-plane-flannel-daemon", "demo-application", "demo-ingress"]) {
      const urn = deployment.resources.map((resource) => resource.urn).find((of) => of.endsWith(`::${name}`));
      await inLab("pulumi", "state", "delete", String(urn), "--yes", "--stack", "sim");
    }
    expect(await make("up")).toContain("+ 3 created");
  });

  it("puts every machine on the host that the configuration names", async () => {
    expect(await inventory()).toEqual(machines);
  });
});

describe("the cluster", () => {
  it("has all its nodes Ready, of the configured version", async () => {
    const rows = await kubectl(
      "get",
      "nodes",
      "-o",
      'jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}',
    );
    expect(rows.trim().split("\n").sort()).toEqual([...masters, ...workers].map((name) => `${name} v1.37.2 True`));
  });

  it("answers through HAProxy, which sees every master up", async () => {
    expect(await output("apiUrl")).toBe(`https://${frontend}:6443`);
    expect(await kubectl("get", "--raw", "/readyz")).toBe("ok");

    await eventually(10, async () => {
      expect(await serverStates("kube-apiserver")).toEqual(allUp(masters));
    });
    expect((await attempt("sim/enter", ["curl", "-sf", await output("statsUrl")])).code).toBe(22);
  });

  it("labels its workers", async () => {
    const names = await kubectl("get", "nodes", "-l", "esxi-k8s/pool=general", "-o", "name");
    expect(names.split("\n").sort()).toEqual(workers.map((name) => `node/${name}`));
  });

  it("carries pods' traffic between workers and resolves names", async () => {
    const pod = (name: string, node: string) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, labels: { app: "probe" } },
      spec: {
        nodeName: node,
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: "web",
            image: "docker.io/library/busybox:1.36",
            imagePullPolicy: "IfNotPresent",
            command: ["sh", "-c", `mkdir /www; echo ${node} >/www/index.html; exec httpd -f -p 8080 -h /www`],
          },
        ],
      },
    });
    for (const node of workers) {
      await kubectl(
        "create",
        "--raw",
        "/api/v1/namespaces/default/pods",
        "-f",
        await temporaryFile(JSON.stringify(pod(`probe-${node}`, node))),
      );
    }
    await kubectl("wait", "--for=condition=Ready", "--timeout=120s", ...workers.map((node) => `pod/probe-${node}`));
    for (const [from, to] of [workers, [...workers].reverse()]) {
      const address = await kubectl("get", "pod", `probe-${String(to)}`, "-o", "jsonpath={.status.podIP}");
      const inPod = (...command: string[]) => kubectl("exec", `probe-${String(from)}`, "--", ...command);
      expect(await inPod("wget", "-qO-", `http://${address}:8080/`)).toBe(to);
      expect(await eventually(30, () => inPod("nslookup", "kubernetes.default.svc.cluster.local"))).toContain(
        "10.96.0.1",
      );
    }
    await kubectl("delete", "pod", "-l", "app=probe");
  });

  it("has a pod of CoreDNS on every node", async () => {
    await eventually(60, async () => {
      const nodes = await kubectl(
        "-n",
        "kube-system",
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=kube-dns",
        "-o",
        "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].nodeName}",
      );
      expect(nodes.split(" ").sort()).toEqual([...masters, ...workers]);
    });
  });

  it.each(masters)("keeps serving the API and the demonstration while %s is powered off", async (master) => {
    await power(master, "off");
    try {
      // HAProxy knows, and etcd has elected a leader, without which no check succeeds: from here on every request has to be
      // answered, not one after a while.
      await eventually(60, async () => {
        const states = { ...allUp(masters), [master]: expect.stringMatching(/^DOWN/) as string };
        expect(await serverStates("kube-apiserver")).toEqual(states);
      });
      for (let i = 0; i < 10; i++) {
        expect(await kubectl("get", "--raw", "/readyz")).toBe("ok");
      }
      await kubectl("create", "configmap", `written-without-${master}`);
      // Two of them are reached by a name of the cluster.
      expect((await make("demo-check")).split("\n").at(-1)).toBe("3/3 sources answer");
    } finally {
      await power(master, "on");
    }
    await eventually(180, async () => {
      expect(await serverStates("kube-apiserver")).toEqual(allUp(masters));
      expect(await onMachine(master, "curl -sk https://127.0.0.1:6443/readyz")).toBe("ok");
    });
    await rejoined(master);
  });
});

describe("the ingress", describeIngress);

describe("secrets", () => {
  it("are nowhere in clear: not in the state, the logs, the output, a preview or the arguments of a process", async () => {
    const needles = await secretTexts();
    // Seeds and passwords, the kubeconfig's keys, private keys of machines, of joins and of the administrator.
    expect(needles.length).toBeGreaterThan(12);

    const preview = await inLab("pulumi", "preview", "--diff", "--stack", "sim");
    const state = await inLab("pulumi", "stack", "export", "--stack", "sim");
    const logs = await inLab(
      "bash",
      "-c",
      'cd "${PULUMI_BACKEND_URL#file://}" && cat ../log/* .pulumi/history/*/*/*.json',
    );
    const nodeLogs: string[] = [];
    for (const machine of Object.keys(machines)) {
      nodeLogs.push(await onMachine(machine, "cat /var/log/esxi-k8s/*.log"));
    }
    const places = {
      preview,
      state,
      logs,
      nodeLogs: nodeLogs.join("\n"),
      printed: printed.join("\n"),
      processes: [...processes].join("\n"),
    };
    expect(places.processes).toContain("pulumi");
    for (const needle of needles) {
      for (const [where, text] of Object.entries(places)) {
        // Not toContain: its message would print the secret.
        expect(text.includes(needle), `a secret is in clear in ${where}`).toBe(false);
        const encoded = Buffer.from(needle)
          .toString("base64")
          .replace(/.{0,3}=*$/, "");
        expect(text.includes(encoded), `a secret is in clear, in base64, in ${where}`).toBe(false);
      }
    }
  });
});

/** What betrays each secret of the stack's state: passwords whole, of keys and certificates' keys their longest lines. */
async function secretTexts(): Promise<string[]> {
  const state = await inLab("pulumi", "stack", "export", "--show-secrets", "--stack", "sim");
  const plain = [...state.matchAll(/"plaintext": ("(?:[^"\\]|\\.)*")/g)].map(([, text = '""']) => {
    const value: unknown = JSON.parse(JSON.parse(text) as string);
    return typeof value === "string" ? value : JSON.stringify(value);
  });
  const passwords = plain.filter((text) => /^\S{16,64}$/.test(text));
  // The first three lines of an OpenSSH key are its header and its public half.
  const keys = plain.flatMap((text) => [...text.matchAll(/KEY-----\\?n?\n?((?:[A-Za-z0-9+/=]+(?:\\n|\n))+)-----END/g)]);
  // A key on an elliptic curve has three lines in all.
  const keyLines = keys
    .map(([, body = ""]) => body.trim().split(/\\n|\n/))
    .map((lines) => lines[3] ?? lines.at(-2) ?? "");
  const kubeconfigKeys = plain.flatMap((text) =>
    [...text.matchAll(/client-key-data: (\S+)/g)].map(([, key = ""]) => key),
  );
  const vcenterPassword = await inLab("pulumi", "config", "get", "vcenterPassword", "--stack", "sim");
  return [...new Set([...passwords, ...keyLines, ...kubeconfigKeys, vcenterPassword])].filter(
    ({ length }) => length >= 16,
  );
}

describe("vCenter", () => {
  it("sees that a machine has switched itself off", async () => {
    // At once, services or not. The connection goes with it.
    await attempt("sim/enter", ["tests/e2e/support/ssh", String(addresses["worker-2"]), "systemctl poweroff -ff"]);
    await eventually(30, async () => {
      expect(await run("sim/vcenter", ["inventory"])).toMatch(/^worker-2 +poweredOff /m);
    });
  });
});

describe("a stack whose machines install what they need", describeInstalling);

describe("make down", () => {
  it("destroys the machines and leaves the stack empty", async () => {
    await make("down");
    const state = JSON.parse(await inLab("pulumi", "stack", "export", "--stack", "sim")) as {
      deployment: { resources?: unknown[] };
    };
    expect(state.deployment.resources ?? []).toEqual([]);
    expect(await inventory()).toEqual({});
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
