import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { latestStepPath, stepCommand, stepInput, stepPath } from "../../render/step";
import { stepLine } from "../../review/commands";
import { driftedObjects } from "../../tools/objects";
import { differencesOf, machinesOf, ranWith, type KnownMachine } from "../../tools/machines";
import { parseState, type KnownStep } from "../../tools/state";
import { FakeMachine } from "../support/steps";

let machine: FakeMachine;
const file = (path: string) => join(machine.folder, path);
const read = (path: string) => readFileSync(file(path), "utf8");

const parameters = { HEALTH: "8404/health", STACK: "5ca1ab1e", AFTER: "" };
const texts = { CONFIG: "serve it's\n", FILES: "" };

const run = (script: string) => machine.shell(stepCommand(latestStepPath(script), {}, 60), "\n");
const cfg = () => file("etc/haproxy/haproxy.cfg");

/** The machine as the state knows it. */
const known = (): KnownMachine => {
  const create = stepCommand(stepPath("configure-haproxy"), parameters, 60);
  const line = stepLine(create);
  if (!line) {
    throw new Error("the step's own command line cannot be read");
  }
  const reach = { host: "192.0.2.10", user: "k8s", privateKey: "", hostKey: "" };
  const step = { urn: "urn", name: "haproxy-1-haproxy", line, create, stdin: stepInput(texts, "password"), reach };
  return { name: "haproxy-1", reach, steps: [step] };
};
const differences = async () => {
  const { status, stdout, stderr } = await run("look-for-drift");
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^end$/m);
  return differencesOf(known(), stdout).map(({ what, set, found }) => ({
    what: what.replace(machine.folder, ""),
    set,
    found,
  }));
};

describe("a machine", () => {
  beforeEach(async () => {
    machine = new FakeMachine();
    mkdirSync(file("etc/haproxy"), { recursive: true });
    writeFileSync(file("etc/os-release"), "VERSION_CODENAME=noble\n");
    writeFileSync(file("etc/haproxy/haproxy.cfg"), "");
    // What the machine has of packages, holds and units is in files, so that a test may change it.
    writeFileSync(file("haproxy-version"), "installed 3.0");
    writeFileSync(file("haproxy-unit"), "enabled active");
    machine.program("dpkg-query", `cat ${file("haproxy-version")}`);
    machine.program("haproxy", "exit 0");
    machine.program(
      "systemctl",
      `case $1 in
       is-enabled) cut -d' ' -f1 ${file("haproxy-unit")} ;;
       is-active) cut -d' ' -f2 ${file("haproxy-unit")} ;;
       start | enable) echo 'enabled active' >${file("haproxy-unit")} ;;&
       *) echo "$*" >>${file("told")} ;;
     esac`,
    );
    // HAProxy answers with what it was given.
    machine.program("curl", `echo "esxi-k8s 5ca1ab1e $(sha256sum <<<"serve it's" | cut -c1-12)"`);
    await machine.receive(["look-for-drift", "mend-drift"]);
    await expect(machine.run("configure-haproxy", { parameters, texts, stdin: "password" })).resolves.toMatchObject({
      status: 0,
    });
    rmSync(file("told"));
  });
  afterEach(() => {
    machine.remove();
  });

  test("is as its steps left it, and the state knows with what they ran", async () => {
    await expect(differences()).resolves.toEqual([]);
    await expect(run("mend-drift")).resolves.toMatchObject({ status: 0, stdout: "mended: 0\n" });
    expect(existsSync(file("told"))).toBe(false);
  });

  test.each<[string, () => void, { what: string; set: string; found: string }]>([
    [
      "an edited file",
      () => {
        appendFileSync(cfg(), "more\n");
      },
      { what: "/etc/haproxy/haproxy.cfg", set: "its content", found: "another content" },
    ],
    [
      "a file that is gone",
      () => {
        rmSync(cfg());
      },
      { what: "/etc/haproxy/haproxy.cfg", set: "its content", found: "is missing" },
    ],
    [
      "a file that others may read",
      () => {
        chmodSync(cfg(), 0o644);
      },
      { what: "/etc/haproxy/haproxy.cfg", set: "600 root:root", found: "644 root:root" },
    ],
    [
      "a unit that was stopped",
      () => {
        writeFileSync(file("haproxy-unit"), "disabled inactive");
      },
      { what: "unit haproxy", set: "enabled active", found: "disabled inactive" },
    ],
    [
      "another version of a package",
      () => {
        writeFileSync(file("haproxy-version"), "installed 3.1");
      },
      { what: "package haproxy", set: "3.0", found: "3.1" },
    ],
  ])("shows %s, and mends it", async (_, change, expected) => {
    const before = read("etc/haproxy/haproxy.cfg");
    machine.program("apt-cache", "echo 'haproxy | 3.0 | somewhere'");
    machine.program(
      "apt-get",
      `case "$*" in *--no-download*haproxy=3.0*) echo 'installed 3.0' >${file("haproxy-version")} ;; esac`,
    );
    machine.program("dpkg", "exit 0");
    change();
    const found = await differences();
    expect(
      found.map(({ set, found: other, what }) => ({
        what,
        set: set.replace(/\S+:\S+$/, "root:root"),
        found: other.replace(/\S+:\S+$/, "root:root"),
      })),
    ).toEqual([expected]);
    await expect(run("mend-drift")).resolves.toMatchObject({ status: 0 });
    await expect(differences()).resolves.toEqual([]);
    expect(read("etc/haproxy/haproxy.cfg")).toBe(before);
    expect(statSync(cfg()).mode & 0o777).toBe(0o600);
    if (expected.what.startsWith("/")) {
      expect(read("told")).toBe("reload-or-restart haproxy\n");
    }
  });

  test("is to have its units running, also when they were about to start as their step ended", async () => {
    writeFileSync(file("haproxy-unit"), "enabled deactivating");
    await machine.run("configure-haproxy", { parameters, texts, stdin: "password" });
    writeFileSync(file("haproxy-unit"), "enabled active");
    await expect(differences()).resolves.toEqual([]);
  });

  test("shows a step that ran with something else than the state says", async () => {
    const { stdout } = await run("look-for-drift");
    const machineOfState = known();
    const [step] = machineOfState.steps as [KnownStep];
    const other = {
      ...machineOfState,
      steps: [{ ...step, stdin: stepInput({ ...texts, CONFIG: "another" }, "password") }],
    };
    expect(differencesOf(other, stdout)).toMatchObject([
      { what: "the step configure-haproxy", step: "haproxy-1-haproxy" },
    ]);
    // What a step reads besides is a secret, and no hash of one is kept.
    const secret = { ...step, stdin: stepInput(texts, "another password") };
    expect(ranWith(secret)).toBe(ranWith(step));
  });

  test("says so when something cannot be mended", async () => {
    machine.program("install", "exit 0");
    rmSync(cfg());
    const { status, stderr } = await run("mend-drift");
    expect(status).toBe(1);
    expect(stderr).toMatch(/still not as its step left it: \S*haproxy\.cfg/);
  });

  test("forgets what a later step no longer sets", async () => {
    const list = () => read("var/lib/esxi-k8s/kept/list").trim().split("\n").length;
    const before = list();
    await machine.run("configure-haproxy", { parameters, texts, stdin: "password" });
    expect(list()).toBe(before);
  });
});

describe("a state", () => {
  const mark = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };
  const secret = (value: unknown) => ({ ...mark, plaintext: JSON.stringify(value) });
  const connection = (host: string) =>
    secret({ host, user: "k8s", privateKey: "key", hostKey: "ssh-ed25519 A", dialErrorLimit: 4 });
  const command = (name: string, host: string, create: string, stdin: unknown) => ({
    urn: `urn:pulumi:sim::esxi-k8s::a$command:remote:Command::${name}`,
    type: "command:remote:Command",
    inputs: { create, stdin, connection: connection(host) },
  });
  const resources = [
    command(
      "w1-booted",
      "192.0.2.1",
      "exec sudo -n timeout 1s bash -c 'x' -- keep-access-000000000000",
      secret("packed"),
    ),
    command(
      "w1-prepare",
      "192.0.2.1",
      "exec sudo -n timeout 1s /usr/local/lib/esxi-k8s/prepare-node-0123456789ab A=1",
      secret("T dA==\n\n"),
    ),
    command(
      "m1-booted",
      "192.0.2.2",
      "exec sudo -n timeout 1s bash -c 'x' -- keep-access-000000000000",
      secret("packed"),
    ),
    { urn: "urn::consul", type: "kubernetes:helm.sh/v3:Release", inputs: { name: "consul", namespace: "consul" } },
    { urn: "urn::vm", type: "vsphere:index/virtualMachine:VirtualMachine", inputs: {} },
  ];

  test("says which machines and releases there are, and with what their steps ran", () => {
    const state = parseState(JSON.stringify({ deployment: { resources } }));
    expect(state.releases).toEqual(["consul/consul"]);
    expect(machinesOf(state.steps).map(({ name, steps }) => [name, steps.map((step) => step.name)])).toEqual([
      ["w1", ["w1-booted", "w1-prepare"]],
      ["m1", ["m1-booted"]],
    ]);
    expect(state.steps[1]).toMatchObject({ stdin: "T dA==\n\n", reach: { host: "192.0.2.1", privateKey: "key" } });
  });

  test("of a stack without machines has none", () => {
    expect(parseState(JSON.stringify({ deployment: {} }))).toEqual({ steps: [], releases: [] });
  });
});

describe("objects of a cluster", () => {
  const state = (outputs?: unknown) => ({ type: "kubernetes:core/v1:ConfigMap", outputs });
  // As Pulumi writes it: what a look has found is in the step that follows from it.
  const look = (urn: string, outputs?: unknown) => ({
    op: "refresh",
    urn,
    oldState: state(outputs),
    newState: state(outputs),
  });
  const preview = (...steps: object[]) => JSON.stringify({ steps });

  test("are those of which a look differs, and that would change because of it", () => {
    expect(
      driftedObjects(
        preview(
          look("changed", { data: "a" }),
          { op: "update", urn: "changed", oldState: state({ data: "b" }), newState: state() },
          // What the configuration changes is for a deployment.
          look("to change", { data: "a" }),
          { op: "update", urn: "to change", oldState: state({ data: "a" }), newState: state() },
          look("counted", { status: 1 }),
          { op: "same", urn: "counted", oldState: state({ status: 2 }), newState: state() },
        ),
      ),
    ).toEqual(["changed"]);
  });

  test("are found beside resources without outputs, and beside what is new or gone", () => {
    const provider = { type: "pulumi:providers:command" };
    expect(
      driftedObjects(
        preview(
          { op: "refresh", urn: "a provider", oldState: provider, newState: provider },
          { op: "update", urn: "a provider", oldState: { ...provider, outputs: {} }, newState: provider },
          { op: "create", urn: "new", newState: state() },
          look("gone", {}),
          { op: "create", urn: "gone", newState: state() },
        ),
      ),
    ).toEqual(["gone"]);
  });

  test("are none of what is no preview", () => {
    expect(() => driftedObjects("{}")).toThrow();
  });
});
