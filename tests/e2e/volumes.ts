import { expect, it } from "vitest";
import { allServersVote } from "./support/client";
import { attempt, eventually, inLab, kubectl, make, run, temporaryFile } from "./support/lab";
import { SmallStack } from "./support/stack";

const node = "worker-1";
const text = "written before";

/** A pod that keeps a text in a volume of the default class, on `node` to begin with. */
const objects = (name: string) => [
  {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "10Mi" } } },
  },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas: 1,
      strategy: { type: "Recreate" },
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 0,
          affinity: {
            nodeAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                {
                  weight: 100,
                  preference: {
                    matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [node] }],
                  },
                },
              ],
            },
          },
          containers: [
            {
              name: "keeper",
              image: "docker.io/library/busybox:1.36",
              imagePullPolicy: "IfNotPresent",
              command: ["sleep", "infinity"],
              volumeMounts: [{ name: "data", mountPath: "/data" }],
            },
          ],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }],
        },
      },
    },
  },
];

const running = (name: string) => kubectl("wait", "--for=condition=Available", "--timeout=120s", `deployment/${name}`);
const inPod = (name: string, command: string) => kubectl("exec", `deployment/${name}`, "--", "sh", "-c", command);
const where = (name: string) => kubectl("get", "pods", "-l", `app=${name}`, "-o", "jsonpath={.items[*].spec.nodeName}");

async function keep(name: string): Promise<void> {
  const list = { apiVersion: "v1", kind: "List", items: objects(name) };
  await kubectl("apply", "-f", await temporaryFile(JSON.stringify(list)));
  await running(name);
  expect(await where(name)).toBe(node);
  await inPod(name, `echo ${text} >/data/text`);
}

/** What becomes of folders on nodes: said in docs/storage.md. */
export function describeVolumes(): void {
  it("waits for its node when that is drained, and is there when it is back", async () => {
    await keep("drained");
    await kubectl(
      "drain",
      node,
      "--ignore-daemonsets",
      "--delete-emptydir-data",
      "--timeout=120s",
      "--pod-selector=app=drained",
    );
    await eventually(60, async () => {
      const said = await kubectl(
        ...["get", "events", "--field-selector", "reason=FailedScheduling", "-o"],
        "jsonpath={range .items[*]}{.message}{end}",
      );
      expect(said).toMatch(
        /unschedulable.*(volume node affinity|node affinity)|(volume node affinity|node affinity).*unschedulable/,
      );
    });
    expect(await where("drained")).toBe("");
    await kubectl("uncordon", node);
    await running("drained");
    expect(await inPod("drained", "cat /data/text")).toBe(text);
    expect(await where("drained")).toBe(node);
    await kubectl("delete", "deployment,pvc", "drained");
  });

  it("is empty when its node was lost and is brought back, and replicas fill a new one", async () => {
    await keep("lost");
    const servers = () => kubectl("-n", "consul", "get", "pvc", "-o", "jsonpath={.items[*].metadata.uid}");
    const before = await servers();
    await run("sim/vcenter", ["delete", node]);
    await make("up");
    await running("lost");
    expect(await where("lost")).toBe(node);
    expect(await inPod("lost", "ls /data")).toBe("");
    await allServersVote();
    expect(await servers()).not.toBe(before);
    await kubectl("delete", "deployment,pvc", "lost");
  });
}

/** What keeps a class from going. */
export function describeClasses(): void {
  it("keeps a class that has volumes, and says which", async () => {
    const stack = new SmallStack("sim");
    const { code, stdout } = await stack.up({ storage: () => ({ classes: {} }) });
    expect(code).not.toBe(0);
    expect(stdout).toContain("the StorageClass local-path is to go, and has volumes: consul/data-consul-server-0");
    expect(await kubectl("get", "storageclass", "-o", "name")).toBe("storageclass.storage.k8s.io/local-path");
    expect(await kubectl("-n", "local-path-storage", "get", "deployment", "-o", "name")).toContain("provisioner");
    await make("up");
    expect((await attempt("sim/enter", ["pulumi", "preview", "--stack", "sim", "--expect-no-changes"])).code).toBe(0);
    expect(await inLab("tools/kubectl", "sim", "get", "pvc", "-A", "-o", "name")).not.toBe("");
  });
}
