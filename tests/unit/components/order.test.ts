import { describe, expect, test } from "vitest";
import { stackFile } from "../../support/configs";
import { isOnMachine, recordOnce, stepsOf, type Declared } from "../../support/recorder";

const sim = stackFile("sim").raw;

// A preview and an update have to agree on the order, or the preview shows another plan than what happens.
describe.each([{ preview: false }, { preview: true }])("order of steps, $preview preview", ({ preview }) => {
  const recorded = recordOnce(sim, { stack: "sim", preview });

  test("every step waits for exactly what it needs", async () => {
    const lines = recorded()
      .resources.filter(isOnMachine)
      .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
      .map((step) => `${step.name} <- ${recorded().directSteps(step).join(", ")}`.trimEnd());
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("../__snapshots__/order-of-sim.txt");
  });

  test("init comes after the frontend, the preparation and the permission to join", () => {
    const steps = recorded().directSteps(recorded().command("control-plane-founded"));
    expect(steps).toEqual(expect.arrayContaining(["haproxy-1-haproxy", "master-1-prepare", "master-1-allow-joins"]));
  });

  test("init waits for no other master", () => {
    const steps = recorded().stepsBefore(recorded().command("control-plane-founded"));
    expect(steps.filter((name) => /^master-[23]|^worker/.test(name))).toEqual([]);
  });

  test("two masters join at the same time, once the first one serves", () => {
    for (const master of ["master-2", "master-3"]) {
      const steps = recorded().stepsBefore(recorded().command(`${master}-join`));
      expect(steps).toContain("control-plane-founded");
      expect(steps.filter((name) => name.endsWith("-join"))).toEqual([]);
    }
  });

  test.each(["worker-1", "worker-2"])("%s joins beside all others, as soon as the first master serves", (worker) => {
    const before = [...recorded().before(recorded().command(`${worker}-join`))];
    const steps = before.filter(isOnMachine).map(({ name }) => name);
    expect(steps).toEqual(expect.arrayContaining(["control-plane-founded", `${worker}-prepare`]));
    const foreign = steps.filter(
      (name) => !/^(master-1|haproxy-1|control-plane)-/.test(name) && !name.startsWith(`${worker}-`),
    );
    expect(foreign).toEqual([]);
    // The virtual machines of later masters are no business of a worker either: one may be down for repair.
    const machines = before.filter(({ type }) => type.endsWith(":VirtualMachine")).map(({ name }) => name);
    expect(machines.sort()).toEqual(["haproxy-1", "master-1", worker].sort());
  });

  test("workers are labelled after their joins", () => {
    for (const worker of ["worker-1", "worker-2"]) {
      expect(recorded().stepsBefore(recorded().command(`${worker}-labels`))).toContain(`${worker}-join`);
    }
  });

  test("the kubeconfig is read once the cluster exists and does not wait for later masters", () => {
    const steps = recorded().stepsBefore(recorded().command("control-plane-kubeconfig"));
    expect(steps).toContain("control-plane-founded");
    expect(steps.filter((name) => name.endsWith("-join"))).toEqual([]);
  });

  test("the pod network needs the API alone", () => {
    const daemon = recorded().get("DaemonSet", "control-plane-flannel-daemon");
    const steps = recorded().stepsBefore(daemon);
    expect(steps).toContain("control-plane-kubeconfig");
    expect(steps.filter((name) => name.endsWith("-join"))).toEqual([]);
  });

  test("CoreDNS is asked for a pod on every node without waiting for one to join", () => {
    const deployment = recorded().get("DeploymentPatch", "cluster-dns-deployment");
    expect(deployment.inputs.spec).toEqual({
      replicas: 5,
      template: {
        spec: {
          affinity: {
            podAntiAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [
                {
                  topologyKey: "kubernetes.io/hostname",
                  labelSelector: { matchLabels: { "k8s-app": "kube-dns" } },
                  matchLabelKeys: ["pod-template-hash"],
                },
              ],
            },
          },
        },
      },
    });
    const service = recorded().get("ServicePatch", "cluster-dns-service");
    expect(service.inputs.spec).toEqual({ trafficDistribution: "PreferSameNode" });
    for (const [{ inputs }, name] of [
      [deployment, "coredns"],
      [service, "kube-dns"],
    ] as const) {
      expect(inputs.metadata).toEqual({
        name,
        namespace: "kube-system",
        annotations: {
          "pulumi.com/patchForce": "true",
          "pulumi.com/skipAwait": "true",
          "esxi-k8s/kubernetes": "1.37.2",
        },
      });
    }
    const steps = recorded().stepsBefore(deployment);
    expect(steps).toContain("control-plane-kubeconfig");
    expect(steps.filter((name) => name.endsWith("-join"))).toEqual([]);
  });

  test.each(["master-1", "master-3"])("%s is awaited after its join", (master) => {
    expect(recorded().stepsBefore(recorded().command(`${master}-ready`))).toContain(`${master}-join`);
  });

  test("no virtual machine waits for another", () => {
    const waits = (vm: Declared) => [...recorded().before(vm)].filter(({ type }) => type === vm.type);
    const machines = recorded().ofType("VirtualMachine");
    expect(machines).toHaveLength(6);
    expect(machines.flatMap(waits)).toEqual([]);
  });

  test("every step waits until its machine has taken it in, and one on any master until all of them have", () => {
    const steps = stepsOf(recorded());
    expect(steps.length).toBeGreaterThan(19);
    for (const step of steps) {
      const machines = /^(control-plane-kubeconfig|consul-.*)$|-(ready|labels)$/.test(step.name)
        ? recorded().masters()
        : [
            step.name
              .replace(/^control-plane-founded$/, "master-1")
              .replace(/-(disk|haproxy|prepare|allow-joins|snapshots|join|certificates|approver)$/, ""),
          ];
      for (const machine of machines) {
        expect(recorded().directSteps(step), step.name).toContain(`${machine}-booted`);
        expect(recorded().before(recorded().command(`${machine}-booted`))).toContain(recorded().vm(machine));
      }
    }
  });
});

describe("order of steps in other shapes", () => {
  describe("one master", () => {
    const recorded = recordOnce(oneMaster());

    test("is awaited after its init", () => {
      expect(recorded().stepsBefore(recorded().command("master-1-ready"))).toContain("master-1-join");
    });
  });

  describe("eleven masters", () => {
    const recorded = recordOnce(manyMasters(11));

    test("are ordered by number, whatever the order of the file", () => {
      const chain = Array.from({ length: 9 }, (_, index) => index + 3);
      for (const number of chain) {
        const joins = recorded()
          .directSteps(recorded().command(`master-${number}-join`))
          .filter((name) => name.endsWith("-join"));
        expect(joins).toEqual(number > 3 ? [`master-${number - 2}-join`] : []);
      }
      for (const master of ["master-2", "master-3"]) {
        expect(recorded().directSteps(recorded().command(`${master}-join`))).toContain("control-plane-founded");
      }
    });
  });
});

function withMasters(nodes: Record<string, { host: string; address: string }>) {
  const controlPlane = sim.controlPlane as Record<string, unknown>;
  return { ...sim, controlPlane: { ...controlPlane, nodes, allowNonHa: true } };
}

function oneMaster() {
  return withMasters({ "master-1": { host: "esxi-1", address: "10.20.0.21" } });
}

function manyMasters(count: number) {
  const numbers = Array.from({ length: count }, (_, index) => count - index);
  return withMasters(
    Object.fromEntries(
      numbers.map((number) => [`master-${number}`, { host: "esxi-1", address: `10.20.0.${100 + number}` }]),
    ),
  );
}
