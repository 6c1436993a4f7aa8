import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { countRequests, type Load } from "../e2e/load";
import { allServersVote, domain, status } from "../e2e/support/client";
import { expectPlane } from "../e2e/support/etcd";
import { askAllTheWhile, onConsole } from "../e2e/support/frontend";
import { attempt, eventually, forMake, frontend, kubectl, power, run, temporaryFile } from "../e2e/support/lab";
import { changed } from "../e2e/support/stack";
import { Writers } from "../e2e/support/writers";

/**
 * What clients see while something breaks, on three masters, three workers and two HAProxy machines on two hosts. One fault after the
 * other; ONLY is a part of the names of those that are to happen. The table is in artifacts/faults.md, each result in faults.jsonl.
 */
const hosts: Record<string, string> = {
  ...{ "haproxy-1": "esxi-1", "haproxy-2": "esxi-2" },
  ...{ "master-1": "esxi-1", "master-2": "esxi-2", "master-3": "esxi-1" },
  ...{ "worker-1": "esxi-1", "worker-2": "esxi-2", "worker-3": "esxi-1" },
};
const machines = Object.keys(hosts);
/** The nodes, in the order of their names. */
const cluster = machines.filter((name) => !name.startsWith("haproxy")).sort();
const masters = machines.filter((name) => name.startsWith("master"));
const on = (host: string) => machines.filter((name) => hosts[name] === host);
const nodes = (kind: string, first: number) =>
  Object.fromEntries(
    machines
      .filter((name) => name.startsWith(kind))
      .map((name, index) => [name, { host: hosts[name], address: `10.20.0.${String(first + index)}` }]),
  );

interface Fault {
  name: string;
  /** What it needs; returns what undoes that. */
  prepare?: () => Promise<() => Promise<unknown>>;
  /** Makes it happen; returns what ends it. */
  strike: () => Promise<() => Promise<unknown>>;
  /** Seconds until it is ended. Default 20. */
  lasts?: number;
  /** What has to hold, in seconds without an answer. */
  api?: number;
  ingress?: number;
}

const pullPlug = (names: string[]) => async () => {
  await Promise.all(names.map((name) => power(name, "off")));
  return () => Promise.all(names.map((name) => power(name, "on")));
};
const nothing = () => Promise.resolve();
/** A line of bash on a machine, and one that ends what it did. */
const line = (machine: string, strike: string, end?: string) => async () => {
  await onConsole(machine, strike);
  return () => (end === undefined ? nothing() : onConsole(machine, end));
};
/** Rules before all others in the machine's own packet filter. */
const filter = (machine: string, ...rules: string[]) =>
  line(
    machine,
    rules.map((rule) => `iptables -I ${rule}`).join(" && "),
    rules.map((rule) => `iptables -D ${rule}`).join(" && "),
  );
const others = "! -i lo -j DROP";
const away = "! -o lo -j DROP";
/** Everything that others send to etcd and the API server of a master waits a tenth of a second. */
const delayed = (machine: string) => async () => {
  const program = await readFile("tests/long/delay.py", "utf8");
  const port = "16380";
  const ports = "-p tcp -m multiport --dports 2379,2380,6443";
  const redirect = `PREROUTING ! -i lo ${ports} -j REDIRECT --to-ports ${port}`;
  const reset = `INPUT ! -i lo ${ports} -j REJECT --reject-with tcp-reset`;
  await onConsole(
    machine,
    `base64 --decode <<<${Buffer.from(program).toString("base64")} >/run/delay.py
     systemd-run --quiet --unit delay python3 /run/delay.py ${port} 0.1
     iptables -t nat -I ${redirect}
     # Connections that are there already go on as they are: they end, and come again.
     iptables -I ${reset}; sleep 2; iptables -D ${reset}`,
  );
  return () => onConsole(machine, `iptables -t nat -D ${redirect}; systemctl stop delay`);
};

/** What has to be true of a master before its etcd's disk can be filled: that it is one of its own, and a small one, in memory. */
async function ownDisk(machine: string): Promise<() => Promise<unknown>> {
  const etcd = "crictl --runtime-endpoint unix:///run/containerd/containerd.sock ps --quiet --name '^etcd$'";
  const manifest = "/etc/kubernetes/manifests/etcd.yaml";
  const stopped = (lines: string) =>
    onConsole(
      machine,
      `set -e; mv ${manifest} /root/etcd.yaml; while [ -n "$(${etcd})" ]; do sleep 1; done
       ${lines}
       mv /root/etcd.yaml ${manifest}`,
    );
  const folder = "/var/lib/etcd";
  await stopped(
    `mkdir -p /run/etcd-disk; mount -t tmpfs -o size=600M none /run/etcd-disk
     cp --archive ${folder}/. /run/etcd-disk/; mount --bind /run/etcd-disk ${folder}`,
  );
  await untilWell(300);
  return () =>
    stopped(
      `umount ${folder}; rm -rf ${folder}/member; cp --archive /run/etcd-disk/. ${folder}/; umount /run/etcd-disk`,
    );
}

/** Seconds that a client may wait for the API when a master, and when a HAProxy machine is gone. */
const [master, haproxy] = [3, 4];

/** Takes memory until the kernel ends it, again and again. */
const hungry = JSON.stringify({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "hungry", namespace: "demo" },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: "hungry" } },
    template: {
      metadata: { labels: { app: "hungry" } },
      spec: {
        securityContext: { runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: "hungry",
            image: "IMAGE",
            command: ["sh", "-c", "exec tail /dev/zero"],
            resources: { limits: { memory: "32Mi" } },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
          },
        ],
      },
    },
  },
});

const faults: Fault[] = [
  ...masters.map((name) => ({ name: `${name} is off`, strike: pullPlug([name]), api: master })),
  ...["haproxy-1", "haproxy-2"].map((name) => ({
    name: `${name} is off`,
    strike: pullPlug([name]),
    api: haproxy,
    ingress: haproxy,
  })),
  ...["worker-1", "worker-2", "worker-3"].map((name) => ({ name: `${name} is off`, strike: pullPlug([name]) })),
  ...["esxi-1", "esxi-2"].map((host) => ({
    name: `${host} is off, with all its machines`,
    strike: pullPlug(on(host)),
  })),
  ...["master-2", "worker-2"].flatMap((name) => [
    { name: `${name} hears nobody`, strike: filter(name, `INPUT ${others}`) },
    { name: `nobody hears ${name}`, strike: filter(name, `OUTPUT ${away}`) },
    {
      name: `the network of ${name} is cut`,
      strike: filter(name, `INPUT ${others}`, `OUTPUT ${away}`, `FORWARD -j DROP`),
    },
  ]),
  {
    name: "master-2 loses three packets of ten",
    strike: filter("master-2", "INPUT ! -i lo -m statistic --mode random --probability 0.3 -j DROP"),
    lasts: 30,
  },
  { name: "what master-2 hears is late by 0.1 s", strike: delayed("master-2"), lasts: 30 },
  {
    name: "the disk of master-2's etcd is full",
    prepare: () => ownDisk("master-2"),
    strike: async () => {
      await onConsole("master-2", "dd if=/dev/zero of=/var/lib/etcd/full bs=1M 2>/dev/null || true");
      // What etcd has reserved is enough for little ones: these are 27 MB.
      const file = await temporaryFile("x".repeat(900_000));
      const large = Array.from({ length: 30 }, (_, index) => `large-${String(index)}`);
      for (const name of large) {
        await kubectl("-n", "demo", "create", "configmap", name, `--from-file=${file}`);
      }
      await eventually(60, async () => {
        expect(await onConsole("master-2", "pgrep -x etcd || echo none")).toBe("none");
      });
      return async () => {
        await onConsole("master-2", "rm /var/lib/etcd/full");
        // The connection may be one to the API server of this master.
        await eventually(60, () => kubectl("-n", "demo", "delete", "--ignore-not-found", "configmaps", ...large));
      };
    },
    lasts: 40,
  },
  {
    name: "pods are over their memory limit",
    strike: async () => {
      const image = await kubectl(
        "-n",
        "demo",
        "get",
        "deployment",
        "demo",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].image}",
      );
      await kubectl("apply", "-f", await temporaryFile(hungry.replace("IMAGE", image)));
      return () => kubectl("-n", "demo", "delete", "deployment", "hungry");
    },
  },
  ...["master-1", "worker-1"].map((name) => ({
    name: `containerd of ${name} is killed`,
    strike: line(name, "systemctl kill --signal KILL containerd"),
    lasts: 10,
  })),
  ...masters.slice(0, 2).map((name) => ({
    name: `etcd of ${name} is paused`,
    strike: line(name, "pkill -STOP -x etcd", "pkill -CONT -x etcd"),
  })),
  {
    name: "Consul has no quorum",
    strike: async () => {
      const scale = (replicas: number) =>
        kubectl("-n", "consul", "scale", "statefulset", "consul-server", `--replicas=${String(replicas)}`);
      await scale(1);
      return () => scale(3);
    },
    lasts: 40,
  },
  { name: "Traefik of worker-1 is killed", strike: line("worker-1", "pkill -KILL -x traefik"), lasts: 10 },
  { name: "the power of everything is off", strike: pullPlug(machines), lasts: 10 },
];

const rows = "artifacts/faults.jsonl";

/**
 * Everything is as it was before.
 * @param since a time, in milliseconds since 1970: what a node said before it is not how it is
 */
async function well(since: number): Promise<void> {
  const leases = await kubectl(
    ...["-n", "kube-node-lease", "get", "leases", "-o"],
    'jsonpath={range .items[*]}{.metadata.name} {.spec.renewTime}{"\\n"}{end}',
  );
  const renewed = leases.split("\n").map((lease) => lease.split(" ") as [string, string]);
  expect(renewed.filter(([, time]) => Date.parse(time) > since).map(([name]) => name)).toEqual(cluster);
  const path = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  const ready = (await kubectl("get", "nodes", "-o", `jsonpath=${path}`)).split("\n");
  expect(ready.sort()).toEqual(cluster.map((name) => `${name} True`));
  await expectPlane("master-2", masters);
  for (const host of ["demo-kubernetes", "demo-file", "demo-consul"]) {
    expect(await status(`https://${host}.${domain}/`)).toBe("200");
  }
  const states = '{range .items[*]}{.status.containerStatuses[*].ready} {.metadata.name}{"\\n"}{end}';
  const pods = await kubectl(
    ...["get", "pods", "--all-namespaces", "--field-selector=status.phase!=Succeeded"],
    ...["-o", `jsonpath=${states}`],
  );
  expect(pods.split("\n").filter((pod) => !pod.startsWith("true") || pod.includes("false"))).toEqual([]);
  await allServersVote();
}

/**
 * Waits until everything is well, and still is five seconds later: a kubelet that is back says so before it has looked at its pods.
 * @returns seconds since it was asked
 */
async function untilWell(seconds: number): Promise<number> {
  const since = Date.now();
  return eventually(seconds, async () => {
    await well(since);
    const took = (Date.now() - since) / 1000;
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await well(since);
    return took;
  });
}

beforeAll(async () => {
  await run("sim/down", []);
  await mkdir("artifacts", { recursive: true });
  const options = await changed({
    frontend: (values) => ({ ...values, virtualAddress: frontend, nodes: nodes("haproxy", 11) }),
    controlPlane: (values) => ({ ...values, nodes: nodes("master", 21) }),
    workers: ({ general }) => ({ general: { ...(general as object), nodes: nodes("worker", 31) } }),
  });
  const { code, stdout, stderr } = await attempt("make", ["--no-print-directory", "up", forMake(options)]);
  expect(code, stdout + stderr).toBe(0);
  await untilWell(300);
});

afterAll(async () => {
  await table();
  await run("sim/down", []);
});

const wanted = process.env.ONLY ?? "";
it.each(faults.filter(({ name }) => name.includes(wanted)))(
  "$name",
  async ({ name, prepare, strike, lasts = 20, api, ingress }) => {
    const undo = await prepare?.();
    const writers = await Writers.start(`written-in-fault-${String(faults.findIndex((fault) => fault.name === name))}`);
    let recovered = 0;
    let counted: Load | undefined;
    const silent = await askAllTheWhile(frontend, async () => {
      counted = await countRequests(5, async () => {
        await new Promise((resolve) => setTimeout(resolve, 3000));
        const end = await strike();
        await new Promise((resolve) => setTimeout(resolve, lasts * 1000)).finally(end);
        recovered = await untilWell(600);
      });
    }).finally(async () => {
      await writers.end();
      await undo?.();
    });
    const { etcd, consul, lost } = await writers.stop();
    const row: Row = {
      name,
      api: silent.api,
      ingress: silent.ingress,
      requests: { sent: counted?.sent ?? 0, failed: counted?.failures.length ?? 0 },
      recovered,
      gaps: { etcd: etcd.gap, consul: consul.gap },
      lost: { etcd: lost.etcd.length, consul: lost.consul.length },
    };
    console.log(row);
    await appendFile(rows, `${JSON.stringify(row)}\n`);
    expect(lost).toEqual({ etcd: [], consul: [] });
    expect(silent.api).toBeLessThan(api ?? Infinity);
    expect(silent.ingress).toBeLessThan(ingress ?? Infinity);
    expect(recovered).toBeLessThan(180);
  },
);

/** The newest result of each fault, for docs/faults.md. */
async function table(): Promise<void> {
  const text = await readFile(rows, "utf8").catch(() => "");
  const all = new Map<string, Row>();
  for (const result of text.split("\n").filter(Boolean)) {
    const row = JSON.parse(result) as Row;
    all.set(row.name, row);
  }
  const seconds = (value: number) => (value < 0.35 ? "none" : `${value.toFixed(1)} s`);
  const lines = faults.flatMap(({ name }) => {
    const row = all.get(name);
    return row === undefined
      ? []
      : [
          `| ${name} | ${[
            seconds(row.api),
            seconds(row.ingress),
            `${String(row.requests.failed)} of ${String(row.requests.sent)}`,
            seconds(row.gaps.etcd),
            seconds(row.gaps.consul),
            `${row.recovered.toFixed(0)} s`,
            String(row.lost.etcd + row.lost.consul),
          ].join(" | ")} |`,
        ];
  });
  const head = [
    "what",
    "API silent",
    "ingress silent",
    "requests failed",
    "no write to etcd",
    "no write to Consul",
    "well again after",
    "writes lost",
  ];
  await writeFile(
    "artifacts/faults.md",
    [`| ${head.join(" | ")} |`, `|${" --- |".repeat(head.length)}`, ...lines, ""].join("\n"),
  );
}
interface Row {
  name: string;
  api: number;
  ingress: number;
  requests: { sent: number; failed: number };
  recovered: number;
  gaps: { etcd: number; consul: number };
  lost: { etcd: number; consul: number };
}
