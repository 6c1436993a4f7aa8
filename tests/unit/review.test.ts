import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stepLine } from "../../review/commands";
import { differences } from "../../review/differences";
import { limit, markdown } from "../../review/markdown";
import type { Outcome } from "../../review/problems";
import { review, summary, type Summary } from "../../review/review";
import { risksOf } from "../../review/risks";
import { withoutSecrets, withoutSecretText } from "../../review/secrets";
import type { Resource } from "../../review/stack";
import { code } from "../../review/text";
import { shellWord, stepCommand, stepPath } from "../../render/step";

const folder = join(__dirname, "..", "fixtures", "previews");

/** A preview of the lab, as `make review-previews` took it. */
function taken(name: string): Outcome {
  const record = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Omit<Outcome, "stdout"> & {
    preview: unknown;
  };
  const { preview, ...rest } = record;
  return { ...rest, stdout: preview === "" ? "" : JSON.stringify(preview) };
}

/** What a review of each says to programs. */
const expected: Record<string, Omit<Summary, "stack">> = {
  nothing: { verdict: "nothing", atRisk: [], machines: 0 },
  "first-creation": { verdict: "changes", atRisk: [], machines: 6 },
  "worker-added": { verdict: "changes", atRisk: [], machines: 2 },
  "worker-removed": { verdict: "data-at-risk", atRisk: ["delete machine worker-2"], machines: 2 },
  "workers-removed": {
    verdict: "data-at-risk",
    atRisk: [
      "delete Namespace consul",
      "delete Namespace demo",
      "delete Namespace local-path-storage",
      "delete Namespace traefik",
      "delete Namespace traefik-crds",
      "delete Release consul",
      "delete Release traefik",
      "delete Release traefik-crds",
      "delete StorageClass local-path",
      "delete machine worker-1",
      "delete machine worker-2",
    ],
    machines: 3,
  },
  "consul-removed": {
    verdict: "data-at-risk",
    atRisk: ["delete Namespace consul", "delete Namespace demo", "delete Release consul"],
    machines: 0,
  },
  "workers-with-more-memory": { verdict: "changes", atRisk: [], machines: 2 },
  "masters-with-more-cpus": { verdict: "changes", atRisk: [], machines: 3 },
  "worker-with-another-address": { verdict: "data-at-risk", atRisk: ["replace machine worker-1"], machines: 2 },
  "worker-on-another-host": { verdict: "data-at-risk", atRisk: ["replace machine worker-1"], machines: 1 },
  "master-with-another-address": { verdict: "data-at-risk", atRisk: ["replace machine master-2"], machines: 2 },
  "master-rebuilt": { verdict: "data-at-risk", atRisk: ["replace machine master-2"], machines: 1 },
  "route-changed": { verdict: "changes", atRisk: [], machines: 0 },
  "certificate-renewed": { verdict: "changes", atRisk: [], machines: 0 },
  "authority-renewed": { verdict: "data-at-risk", atRisk: ["replace authority authority-certificate"], machines: 0 },
  "another-kubernetes": { verdict: "changes", atRisk: [], machines: 5 },
  "another-kubernetes-from-a-template": {
    verdict: "data-at-risk",
    atRisk: ["master-1", "master-2", "master-3", "worker-1", "worker-2"].map((name) => `replace machine ${name}`),
    machines: 5,
  },
  "storage-of-others": {
    verdict: "data-at-risk",
    atRisk: ["delete Namespace local-path-storage", "delete StorageClass local-path"],
    machines: 0,
  },
};
const failing = [
  "configuration-refused",
  // What a cluster was founded with stays.
  "haproxy-with-another-address",
  "haproxy-added",
  "settings-of-nodes",
  "vcenter-unreachable",
  "vcenter-login-refused",
  "template-missing",
  "stack-unknown",
  "backend-unreachable",
  "backend-without-token",
  "passphrase-wrong",
];

const all = readdirSync(folder)
  .map((file) => file.replace(/\.json$/, ""))
  .sort();
/** What is seen without opening the folded part. */
const seen = (text: string) => text.replace(/<details>[^]*<\/details>/, "");

describe("a review", () => {
  test("is expected of every preview that was taken", () => {
    expect([...Object.keys(expected), ...failing].sort()).toEqual(all);
  });

  test.each(all)("of %s is what it was", async (name) => {
    const made = review("sim", taken(name));
    expect(summary(made)).toEqual({
      stack: "sim",
      ...(expected[name] ?? { verdict: "failed", atRisk: [], machines: 0 }),
    });
    const text = markdown(made);
    expect(text.length).toBeLessThanOrEqual(limit);
    await expect(text).toMatchFileSnapshot(`__snapshots__/reviews/${name}.md`);
  });

  test.each(failing)("of %s says in its first line that there is none, and what to do below", (name) => {
    const [first = "", ...rest] = markdown(review("sim", taken(name))).split("\n");
    expect(first).toMatch(/^\*\*The preview failed\*\* for stack `sim`: /);
    expect(rest.join("\n")).toMatch(
      /Pulumi\.sim\.yaml|`pulumi [^`]+`|`make preview STACK=sim`|PULUMI_CONFIG_PASSPHRASE/,
    );
    expect(rest.join("\n")).not.toMatch(/^\s+at .*:\d+:\d+/m);
  });

  test("puts the rows in the order of the work, and what is deleted last", () => {
    const of = (name: string) => review("sim", taken(name)).rows;
    const at = (name: string, owner: string, verb?: string) =>
      of(name).findIndex((row) => (row.owner.machine ?? row.owner.name) === owner && (verb ?? row.verb) === row.verb);
    // haproxy-1 has to serve before the first master founds the cluster, and all of them before there is an ingress.
    expect(at("first-creation", "master-1")).toBeGreaterThan(at("first-creation", "haproxy-1"));
    expect(at("first-creation", "control-plane", "run")).toBeGreaterThan(at("first-creation", "master-1"));
    expect(at("first-creation", "ingress", "created")).toBeGreaterThan(at("first-creation", "worker-2"));
    expect(at("worker-removed", "worker-2")).toBe(of("worker-removed").length - 1);
    expect(at("worker-removed", "haproxy-1")).toBe(0);
  });

  test("is of the problems when the preview died half-way", () => {
    const whole = taken("worker-removed");
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: whole.stdout.length - 2 }),
        fc.constantFrom(0, 1, null),
        (length, status) => {
          const outcome = { ...whole, stdout: whole.stdout.slice(0, length), code: status };
          const made = review("sim", { ...outcome, signal: status === null ? "SIGKILL" : null });
          expect(made.verdict).toBe("failed");
          expect(markdown(made)).toMatch(/^\*\*The preview failed\*\* .* before it had printed a whole result\.\n/);
          expect(markdown(made)).toContain("`make review STACK=sim`");
        },
      ),
      { numRuns: 20 },
    );
  });

  test.each([
    [1, ""],
    [255, "fatal error: out of memory"],
  ])("is of the problems when the preview ended with %i, whatever it printed", (status, stderr) => {
    expect(review("sim", { ...taken("nothing"), code: status, stderr }).verdict).toBe("failed");
  });

  test("of a stack at which somebody is at work says who that is", () => {
    const text = markdown(review("prod", { ...taken("nothing"), lock: "anna@desk (pid 7) at 2026-11-26T18:00:00Z" }));
    expect(text).toMatch(/^\*\*The preview failed\*\* for stack `prod`: stack prod is locked/);
    expect(text).toContain("anna@desk");
    expect(text).toContain("`pulumi cancel --stack prod`");
  });

  test("says once what goes with the cluster", () => {
    const { rows, withCluster } = review("sim", goingWithTheCluster());
    expect(withCluster).toBe(2);
    expect(rows.flatMap(({ items }) => items.map(({ resource }) => resource.name))).toEqual(["cluster"]);
    expect(markdown(review("sim", goingWithTheCluster()))).toContain("2 objects in the cluster are deleted with it.");
  });
});

describe("what a review says of machines", () => {
  const component = "esxi-k8s:index:HaproxyFrontend";
  const urn = (type: string, name: string) => `urn:pulumi:sim::esxi-k8s::${type}::${name}`;
  const vm = "vsphere:index/virtualMachine:VirtualMachine";
  const inputs = { numCpus: 2, memory: 2048, hostSystemId: "host-1" };

  /** A preview of HAProxy machines: what each was and is to be. */
  function frontends(machines: Record<string, { op: string; was?: object; is?: object; reasons?: string[] }>): Outcome {
    const parent = urn(component, "frontend");
    const node = "esxi-k8s:index:Machine";
    const state = (name: string, more: object) => ({
      type: vm,
      parent: urn(node, name),
      inputs,
      replacementTrigger: "192.0.2.1, generation 0.0",
      ...more,
    });
    const steps = [
      { op: "same", urn: parent, newState: { type: component, inputs: {} } },
      ...Object.keys(machines).map((name) => ({
        op: "same",
        urn: urn(node, name),
        newState: { type: node, parent, inputs: {} },
      })),
      ...Object.entries(machines).map(([name, { op, was, is, reasons }]) => ({
        op,
        urn: urn(vm, name),
        ...(was && { oldState: state(name, was) }),
        ...(is && { newState: state(name, is) }),
        diffReasons: reasons ?? [],
      })),
    ];
    return { code: 0, stdout: JSON.stringify({ steps }), stderr: "" };
  }
  const text = (machines: Parameters<typeof frontends>[0]) => markdown(review("sim", frontends(machines)));
  const same = { op: "same", was: {}, is: {} };

  test("shows protection that is taken away, of what does not change otherwise", () => {
    const said = text({
      a: { op: "same", was: { protect: true }, is: {} },
      b: { op: "same", was: { protect: true }, is: { protect: true } },
    });
    expect(said).toMatch(/^\*\*1 machine changes\*\* in stack `sim`: a is changed in place\./);
    expect(said).toContain(
      "> [!WARNING]\n> - **a is no longer protected**: from then on, a change may delete it, or make it anew.",
    );
    expect(said).toContain("`protect`: `true` → `false`");
    expect(said).toContain("4 resources stay as they are.");
  });

  test("shows protection that is given, which is no risk", () => {
    const said = text({ a: { op: "same", was: {}, is: { protect: true } } });
    expect(said).toContain("`protect`: `false` → `true`");
    expect(said).not.toContain("[!WARNING]");
  });

  test.each<[string, Parameters<typeof frontends>[0], string]>([
    [
      "one of two that restarts",
      { a: { op: "update", was: {}, is: {}, reasons: ["memory"] }, b: same },
      "**a is restarted**: one at a time, each when another one serves.",
    ],
    [
      "the only one that restarts",
      { a: { op: "update", was: {}, is: {}, reasons: ["memory"] } },
      "**a is restarted**: neither the API nor any route can be reached while it boots.",
    ],
    [
      "one that others succeed",
      { a: { op: "delete", was: {} }, b: { op: "create", is: {} }, c: { op: "create", is: {} } },
      "**a is deleted**: b and c take over when that is done, last of all: for some seconds neither the API nor any route can be reached.",
    ],
    [
      "the only one that is made anew",
      { a: { op: "replace", was: {}, is: {} } },
      "**a is replaced**: neither the API nor any route can be reached until another HAProxy machine serves.",
    ],
  ])("says what it means for HAProxy: %s", (_, machines, meaning) => {
    expect(text(machines)).toContain(meaning);
  });

  test("tells addresses from generations", () => {
    const said = text({ a: { op: "replace", was: {}, is: { replacementTrigger: "192.0.2.1, generation 2.1" } } });
    expect(said).toContain("`generation`: `0` → `1`; `generation of the group`: `0` → `2`");
    expect(said).not.toContain("`address`:");
  });

  test("shows of a long value the part that differs", () => {
    const long = "example.org/label ".repeat(6);
    const said = text({
      a: {
        op: "update",
        was: { inputs: { ...inputs, annotation: `${long}old` } },
        is: { inputs: { ...inputs, annotation: `${long}new` } },
        reasons: ["annotation"],
      },
    });
    expect(said).toMatch(/`annotation`: `….*old` → `….*new`/);
  });
});

describe("what a review says of an upgrade", () => {
  const urn = (type: string, name: string) => `urn:pulumi:sim::esxi-k8s::${type}::${name}`;
  const types = { plane: "esxi-k8s:index:K8sControlPlane", node: "esxi-k8s:index:Machine" };
  const command = "command:remote:Command";
  const line = (script: string, parameters: string) =>
    `exec sudo -n timeout --kill-after=10s 300s /usr/local/lib/esxi-k8s/${script} ${parameters}`;
  /** A preview in which three steps of a master, and one of the cluster, show another version. */
  function upgrade(from: string, to: string): Outcome {
    const parent = urn(types.plane, "control-plane");
    const machine = urn(types.node, "a");
    const shown = (version: string) => (version === "" ? "" : ` VERSION=${version}`);
    const step = (name: string, owner: string, when: string, script: string, parameters = "", op = "update") => ({
      op,
      urn: urn(command, name),
      oldState: { type: command, parent: owner, inputs: { [when]: line(script, `${parameters}${shown(from)}`) } },
      newState: { type: command, parent: owner, inputs: { [when]: line(script, `${parameters}${shown(to)}`) } },
      diffReasons: [when],
    });
    const steps = [
      { op: "same", urn: parent, newState: { type: types.plane, inputs: {} } },
      { op: "same", urn: machine, newState: { type: types.node, parent, inputs: {} } },
      step("a-away", parent, "update", "drain-node", "NAME=a SIZE=2x4096"),
      step("a-prepare", machine, "create", "prepare-node-0123456789ab", "PULL=none", "replace"),
      step("a-membership", machine, "update", "settle-node", "NAME=a SIZE=2x4096"),
      step("control-plane-kubernetes", parent, "update", "finish-upgrade"),
    ];
    return { code: 0, stdout: JSON.stringify({ steps }), stderr: "" };
  }

  test("names the node and the cluster, and both versions", () => {
    const said = markdown(review("sim", upgrade("1.36.3", "1.37.2")));
    expect(said).toMatch(/^\*\*1 machine changes\*\* in stack `sim`: a is upgraded, control-plane changes\./);
    expect(seen(said)).toContain(
      "**upgraded** | Kubernetes `1.36.3` → `1.37.2`; emptied before, and taken back when it is well |",
    );
    expect(seen(said)).toMatch(/control-plane \| \*\*upgraded\*\* \| Kubernetes `1\.36\.3` → `1\.37\.2` \|/);
    expect(seen(said)).not.toContain("runs again");
  });

  test("is none when steps show a version for the first time", () => {
    expect(seen(markdown(review("sim", upgrade("", "1.37.2"))))).not.toContain("upgraded");
  });

  test("tells a machine that is made anew for it from one of another generation", () => {
    const vm = "vsphere:index/virtualMachine:VirtualMachine";
    const node = urn(types.node, "a");
    const state = (replacementTrigger: string) => ({ type: vm, parent: node, inputs: {}, replacementTrigger });
    const steps = [
      { op: "same", urn: node, newState: { type: types.node, inputs: {} } },
      {
        op: "replace",
        urn: urn(vm, "a"),
        oldState: state("192.0.2.1, generation 0.1"),
        newState: state("192.0.2.1, generation 0.1, Kubernetes 1.37.2"),
      },
    ];
    const said = markdown(review("sim", { code: 0, stdout: JSON.stringify({ steps }), stderr: "" }));
    expect(said).toContain("`Kubernetes of the template`: (none) → `1.37.2`");
    expect(said).not.toContain("`generation`:");
  });
});

describe("a preview that failed", () => {
  test.each([
    [
      "getting stack configuration: invalid YAML file: yaml: line 81: did not find expected ',' or ']'",
      "Pulumi.prod.yaml is not YAML that can be read",
      "line 81: did not find",
    ],
    [
      'Logging in using access token from PULUMI_ACCESS_TOKEN\nerror: performing HTTP request: Get "https://127.0.0.1:1/api/user": dial tcp 127.0.0.1:1: connect: connection refused',
      "no access to the backend that has the state of stack prod",
      "connection refused",
    ],
    [
      "error: failed to load checkpoint: place 1: unexpected end of JSON input",
      "the state of stack prod is damaged",
      "unexpected end of JSON",
    ],
    [
      "error: validating stack config: bad value",
      "a secret in Pulumi.prod.yaml is damaged",
      "pulumi config set --stack prod --secret",
    ],
  ])("says what is to be done: %s", (stderr, what, hint) => {
    const made = review("prod", { code: 255, stdout: "", stderr });
    expect(made.verdict).toBe("failed");
    expect(made.problems.map((problem) => problem.what)).toEqual([what]);
    expect(markdown(made)).toContain(hint);
    expect(markdown(made)).not.toContain("Logging in using");
  });
});

/** Deletes the cluster's identity and two objects in the cluster. */
function goingWithTheCluster(): Outcome {
  const urn = (type: string, name: string) => `urn:pulumi:sim::esxi-k8s::${type}::${name}`;
  const cluster = urn("random:index/randomId:RandomId", "cluster");
  const gone = (type: string, name: string, deletedWith?: string) => ({
    op: "delete",
    urn: urn(type, name),
    oldState: { type, deletedWith, inputs: {} },
  });
  const steps = [
    gone("random:index/randomId:RandomId", "cluster"),
    gone("kubernetes:core/v1:Namespace", "a", cluster),
    gone("kubernetes:core/v1:ConfigMap", "b", cluster),
  ];
  return { code: 0, stdout: JSON.stringify({ steps }), stderr: "" };
}

describe("the size of a review", () => {
  test.each(["first-creation", "worker-removed", "configuration-refused"])(
    "of %s is kept to, whatever it is",
    (name) => {
      const made = review("sim", taken(name));
      const whole = markdown(made, Infinity);
      fc.assert(
        fc.property(fc.integer({ min: 600, max: whole.length + 100 }), (most) => {
          const text = markdown(made, most);
          expect(text.length).toBeLessThanOrEqual(most);
          expect(text.split("\n")[0]).toBe(whole.split("\n")[0]);
          expect(text === whole || /left out, because GitHub takes no longer comments/.test(text)).toBe(true);
          // What is open stays open.
          expect(text.split("<details>").length).toBe(text.split("</details>").length);
          expect([...text.matchAll(/^`{3,}/gm)].length % 2).toBe(0);
        }),
      );
    },
  );

  test("is cut from the folded part first", () => {
    const made = review("sim", taken("first-creation"));
    const whole = markdown(made, Infinity);
    const less = markdown(made, seen(whole).length + 2000);
    expect(seen(less)).toBe(seen(whole));
    expect(less.length).toBeLessThan(whole.length);
  });
});

describe("secrets", () => {
  const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----";
  const planted = [
    "hunter2hunter2",
    "b3BlbnNzaC1rZXktdjEAAAAA",
    "s3cr3t-of-proxy",
    "eyJhbGciOi-token",
    "old-in-clear-1",
  ];

  /** A resource whose secrets Pulumi does not know as such, in its inputs, errors and warnings. */
  function careless(severity: string): Outcome {
    const type = "kubernetes:core/v1:ConfigMap";
    const state = (more: object) => ({ type, inputs: { metadata: { name: "careless" }, ...more } });
    const message = `${severity}: login with password: hunter2hunter2 failed\n${key}\nat https://me:s3cr3t-of-proxy@proxy.example.org`;
    return {
      code: severity === "error" ? 1 : 0,
      stderr: message,
      stdout: JSON.stringify({
        steps: [
          {
            op: "update",
            urn: `urn:pulumi:sim::esxi-k8s::${type}::careless`,
            oldState: state({ data: "old-in-clear-1", text: `a\n${key}\n`, list: ["x"] }),
            newState: state({
              data: "[secret]",
              text: `b\n${key}\n`,
              list: ["x", "https://me:s3cr3t-of-proxy@proxy.example.org"],
              spec: { adminPassword: "hunter2hunter2", token: "eyJhbGciOi-token" },
            }),
          },
        ],
        diagnostics: [{ message, severity }],
      }),
    };
  }

  test.each(["warning", "error"])("that Pulumi does not know are covered, beside a %s", (severity) => {
    const text = markdown(review("sim", careless(severity)));
    expect(text).toContain("secret");
    for (const needle of planted) {
      // Not toContain: its message would print the whole review.
      expect(text.includes(needle), needle).toBe(false);
    }
  });

  test("are covered by their form, and nothing else is", () => {
    expect(withoutSecretText("server a 10.0.0.1:443 check\nstats auth admin:@STATS_PASSWORD@")).toBe(
      "server a 10.0.0.1:443 check\nstats auth admin:@STATS_PASSWORD@",
    );
    expect(
      withoutSecrets({ secretName: "consul", secretKey: "token", token: "abc", password: "", n: [1, null] }),
    ).toEqual({
      secretName: "consul",
      secretKey: "token",
      token: "[secret]",
      password: "",
      n: [1, null],
    });
    expect(withoutSecretText("cut off in a key -----BEGIN PRIVATE KEY-----\nAAAA")).toBe("cut off in a key [secret]");
  });

  test("that both sides hold are told to differ, and no more", () => {
    expect(differences({ a: "[secret]" }, { a: "in clear" })).toEqual([{ path: "a", kind: "secret" }]);
    expect(differences([{ a: "x" }], [{ a: "[secret]" }])).toEqual([{ path: "[0].a", kind: "secret" }]);
    expect(differences(["in clear"], ["[secret]"])).toEqual([{ path: "[0]", kind: "secret" }]);
  });
});

describe("differences", () => {
  test("are none between equal values", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(differences(value, structuredClone(value))).toEqual([]);
      }),
    );
  });

  test("of a list are what comes and what goes, not what moves up", () => {
    expect(differences({ list: ["a", "b", "c"] }, { list: ["b", "c", "d"] })).toEqual([
      { path: "list", kind: "list", removed: ["a"], added: ["d"] },
    ]);
  });

  test("of a text are its lines", () => {
    expect(differences({ "a.b": "one\ntwo\n" }, { "a.b": "one\n2\n" })).toEqual([
      {
        path: "a.b",
        kind: "text",
        lines: [
          { sign: " ", text: "one" },
          { sign: "-", text: "two" },
          { sign: "+", text: "2" },
        ],
      },
    ]);
  });
});

describe("a step's command line", () => {
  test("is read back as it was written", () => {
    const name = fc.stringMatching(/^[A-Z][A-Z_]{0,9}$/);
    const value = fc.string().filter((text) => !/[\n\0]/.test(text));
    fc.assert(
      fc.property(fc.dictionary(name, value), (parameters) => {
        const line = stepLine(stepCommand(stepPath("join-node"), parameters, 300));
        expect(line?.script).toBe("join-node");
        expect(line?.parameters).toEqual({ ...parameters });
      }),
    );
    expect(shellWord("")).toBe("''");
  });

  test.each([undefined, "[secret]", "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "node pki/issue.mjs"])(
    "is not %s",
    (create) => {
      expect(stepLine(create)).toBeUndefined();
    },
  );
});

describe("code in Markdown", () => {
  test("ends nowhere but at its end", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("`", "|", "a", " ", "\n", "\\") }), (text) => {
        const made = code(text);
        expect(made).not.toContain("\n");
        expect(made).not.toMatch(/(?<!\\)\|/);
        const [ticks = ""] = /^`*/.exec(made) ?? [];
        const inside = made.slice(ticks.length, made.length - ticks.length);
        expect(made).toBe(ticks + inside + ticks);
        expect(ticks === "" || ![...inside.matchAll(/`+/g)].some(([run]) => run === ticks)).toBe(true);
      }),
    );
  });
});

describe("volumes that a change takes away", () => {
  const ofStack = (
    type: string,
    name: string,
    action: Resource["action"],
    inputs: Record<string, unknown> = {},
  ): Resource => ({
    urn: `urn:pulumi:lab::esxi-k8s::${type}::${name}`,
    name,
    type,
    action,
    owner: { component: type.endsWith("VirtualMachine") ? "K8sControlPlane" : "Storage", name: "of-it", machine: name },
    before: { type, inputs },
    reasons: [],
    paths: [],
    rank: 0,
  });
  const storageClass = (name: string, provisioner: string, reclaimPolicy: string) =>
    ofStack("kubernetes:storage.k8s.io/v1:StorageClass", `storage-${name}-class`, "none", {
      metadata: { name },
      provisioner,
      reclaimPolicy,
    });
  const stays = [
    storageClass("local-path", "rancher.io/local-path", "Delete"),
    storageClass("media", "smb.csi.k8s.io", "Retain"),
    storageClass("disks", "csi.vsphere.vmware.com", "Delete"),
  ];
  const meanings = (...changed: Resource[]) =>
    risksOf([...stays, ...changed], new Set(), {}).map(({ meaning }) => meaning);

  test("with a namespace are those that no reclaim policy keeps", () => {
    const namespace = ofStack("kubernetes:core/v1:Namespace", "consul-namespace", "delete", {
      metadata: { name: "consul" },
    });
    expect(meanings(namespace)).toEqual([
      "a namespace goes with everything in it, its volumes included; what volumes of media hold stays, by their reclaim policy",
    ]);
  });

  test("with the last master are not those that lie elsewhere", () => {
    expect(meanings(ofStack("vsphere:index/virtualMachine:VirtualMachine", "master-1", "delete"))).toEqual([
      "the cluster and everything that is declared in it are lost; what volumes of disks and media hold stays in shares and datastores, " +
        "whatever their reclaim policy",
    ]);
  });
});
