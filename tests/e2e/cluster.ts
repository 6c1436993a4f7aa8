import { expect, it } from "vitest";
import {
  allUp,
  api,
  attempt,
  eventually,
  frontend,
  inLab,
  kubectl,
  make,
  masters,
  onMachine,
  output,
  power,
  rejoined,
  serverStates,
  temporaryFile,
  workers,
} from "./support/lab";

/** The cluster as its users find it, and while it is without one of its masters. */
export function describeCluster(): void {
  it("has all its nodes Ready, of the configured version", async () => {
    // As `make kubectl` does it, which the other tests have no time for.
    const rows = await inLab(
      "tools/kubectl",
      "sim",
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
    const back = () => power(master, "on");
    // HAProxy knows, and etcd has elected a leader, without which no check succeeds: from here on every request has to be
    // answered, not one after a while.
    const noticed = () =>
      eventually(60, async () => {
        const states = { ...allUp(masters), [master]: expect.stringMatching(/^DOWN/) as string };
        expect(await serverStates("kube-apiserver")).toEqual(states);
      });
    await api.disturb(async () => {
      await power(master, "off");
      await noticed().catch(async (error: unknown) => {
        await back();
        throw error;
      });
    });
    try {
      for (let i = 0; i < 10; i++) {
        expect(await kubectl("get", "--raw", "/readyz")).toBe("ok");
      }
      await kubectl("create", "configmap", `written-without-${master}`);
      // Two of them are reached by a name of the cluster.
      expect((await make("demo-check")).split("\n").at(-1)).toBe("3/3 sources answer");
    } finally {
      await back();
    }
    await eventually(180, async () => {
      expect(await serverStates("kube-apiserver")).toEqual(allUp(masters));
      expect(await onMachine(master, "curl -sk https://127.0.0.1:6443/readyz")).toBe("ok");
    });
    await rejoined(master);
  });
}
