import { beforeAll, describe, expect, test } from "vitest";
import { sshKeyPair } from "../../../render/ssh-key";
import type { Issued } from "../../support/certificates";
import { validConfig, vary } from "../../support/configs";
import {
  bcryptHash,
  consulTokenOf,
  hostKeySeed,
  issuedCertificate,
  issuing,
  kubeconfigText,
  randomBytes,
  randomText,
  readStep,
  recordOnce,
  statsPassword,
  stepsOf,
  type Declared,
} from "../../support/recorder";

// Two HAProxy machines, so that keepalived's step is looked at too.
const recorded = recordOnce(
  vary(validConfig(), {
    demo: true,
    frontend: { virtualAddress: "10.20.0.5", nodes: { "haproxy-2": { host: "esxi-2", address: "10.20.0.11" } } },
  }),
);

/** Texts of which each gives something away. */
function secretTexts(): Map<string, string> {
  const texts = new Map([
    ["correct-horse-7731", "password of vCenter"],
    [statsPassword, "password of the statistics page"],
    ["a2V5LTQx", "administrator's key in the kubeconfig"],
  ]);
  for (const { name } of recorded().ofType("RandomPassword")) {
    const seed = randomBytes(name);
    texts.set(
      randomText(name),
      name === "frontend-stats-password" ? "password of the statistics page" : `seed ${name}`,
    );
    // The first lines of a private key hold only its header and the public half.
    const lines = sshKeyPair(seed).privateKey.split("\n").slice(3, -2);
    for (const line of lines.filter(({ length }) => length > 20)) {
      texts.set(line, `private key ${name}`);
    }
  }
  for (const name of [
    ...recorded()
      .ofType("Machine")
      .map((machine) => machine.name),
    "control-plane",
  ]) {
    for (const line of sshKeyPair(hostKeySeed(name)).privateKey.split("\n").slice(3, -2)) {
      texts.set(line, `private key ${name}`);
    }
  }
  for (const [name, { key }] of issued) {
    for (const line of key.split("\n").filter((it) => it !== "" && !it.startsWith("-----"))) {
      texts.set(line, `key of ${name}`);
    }
  }
  for (const role of ["bootstrap", "editor", "reader"]) {
    texts.set(consulTokenOf(`consul-${role}-token`), `${role} token of Consul`);
  }
  texts.set(randomBytes("consul-gossip-key").toString("base64"), "gossip key of Consul");
  texts.set(bcryptHash("ingress-dashboard-password"), "hash of the dashboard's password");
  return texts;
}

const issued = new Map<string, Issued>();
beforeAll(async () => {
  for (const name of [
    "authority-certificate",
    "consul-certificate",
    "ingress-certificate",
    "metrics-certificate",
    "snapshots-key",
  ]) {
    issued.set(name, await issuedCertificate(name));
  }
});

/** Every text inside of a value, with its path; what base64 hides is shown too. */
function* texts(value: unknown, path: string): Generator<[string, string]> {
  if (typeof value === "string") {
    yield [path, value];
    if (/^[A-Za-z0-9+/]{40,}={0,2}$/.test(value)) {
      yield [path, Buffer.from(value, "base64").toString()];
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      yield* texts(inner, path === "" ? key : `${path}.${key}`);
    }
  }
}

let secretsOfThisRun: Map<string, string> | undefined;

/** Each secret that `value` holds, as `where: what`; marked paths count only when asked for. */
function leaks(owner: string, value: unknown, marked: string[], wanted: "clear" | "marked"): string[] {
  const known = (secretsOfThisRun ??= secretTexts());
  return [...texts(value, "")]
    .filter(([path]) => marked.some((mark) => path === mark || path.startsWith(`${mark}.`)) === (wanted === "marked"))
    .flatMap(([path, text]) =>
      [...known].filter(([secret]) => text.includes(secret)).map(([, what]) => `${owner} ${path}: ${what}`),
    );
}

const label = ({ type, name }: Declared) => `${type.split(":").at(-1) ?? ""} ${name}`;

test("no input holds a secret in clear", () => {
  const inputs = recorded().resources.flatMap((it) => leaks(label(it), it.inputs, it.secrets, "clear"));
  expect(inputs).toEqual([]);
});

test("no secret is drawn by a resource whose id, which is in clear in every state, is its value", () => {
  const drawn = recorded().resources.filter(({ type }) => type.startsWith("random:"));
  expect(new Set(drawn.map(({ type }) => type.split(":").at(-1)))).toEqual(new Set(["RandomPassword", "RandomId"]));
});

test("no lookup holds a secret", () => {
  expect(recorded().calls.flatMap(({ token, inputs }) => leaks(token, inputs, [], "clear"))).toEqual([]);
});

test("no component registers a secret in clear", () => {
  const outputs = recorded().resources.flatMap((it) => leaks(label(it), it.outputs ?? {}, it.secretOutputs, "clear"));
  expect(outputs).toEqual([]);
});

test("the search finds secrets where they belong", () => {
  const found = recorded().resources.flatMap((it) => leaks(label(it), it.inputs, it.secrets, "marked"));
  expect(found).toEqual(
    expect.arrayContaining([
      "vsphere esxi-vcenter password: password of vCenter",
      "VirtualMachine master-1 extraConfig.guestinfo.userdata: private key control-plane",
      "Command haproxy-2-haproxy stdin: password of the statistics page",
      "Command worker-1-join stdin: private key control-plane-worker-join-key",
      "Command master-2-join stdin: private key control-plane-master-join-key",
      "Command haproxy-1-booted connection.privateKey: private key esxi-admin-key",
      "kubernetes control-plane-api kubeconfig: administrator's key in the kubeconfig",
      "Command consul-certificate stdin: key of authority-certificate",
      "Command ingress-certificate stdin: key of authority-certificate",
      "Secret consul-server-cert stringData.tls.key: key of consul-certificate",
      "Secret consul-gossip-encryption-key stringData.key: gossip key of Consul",
      "Secret consul-bootstrap-token stringData.token: bootstrap token of Consul",
      "Command consul-acl stdin: editor token of Consul",
      "Command consul-acl stdin: reader token of Consul",
      "Secret metrics-certificate stringData.tls.key: key of metrics-certificate",
      "Secret ingress-default-certificate stringData.tls.key: key of ingress-certificate",
      "Secret ingress-dashboard-users stringData.users: hash of the dashboard's password",
      "Secret ingress-consul stringData.token: reader token of Consul",
    ]),
  );
});

test("a worker cannot ask for what lets a master join", () => {
  const masterKey = sshKeyPair(randomBytes("control-plane-master-join-key")).privateKey;
  const holders = recorded()
    .resources.filter(({ inputs }) => [...texts(inputs, "")].some(([, text]) => text.includes(masterKey)))
    .map(({ name }) => name);
  expect(holders.sort()).toEqual(["master-1-join", "master-2-join", "master-3-join"]);
});

test("Traefik gets the token that only reads, and no step the one that may do everything", () => {
  const holders = (token: string) =>
    recorded()
      .resources.filter(({ inputs }) => [...texts(inputs, "")].some(([, text]) => text.includes(consulTokenOf(token))))
      .map(({ name }) => name)
      .sort();
  expect(holders("consul-reader-token")).toEqual(["consul-acl", "ingress-consul"]);
  expect(holders("consul-editor-token")).toEqual(["consul-acl"]);
  expect(holders("consul-bootstrap-token")).toEqual(["consul-bootstrap-token"]);
});

test("the authority's key goes nowhere but to what issues certificates", () => {
  const [line = ""] = issued.get("authority-certificate")?.key.split("\n").slice(1) ?? [];
  expect(line).not.toBe("");
  const holders = recorded().resources.filter(({ inputs }) =>
    [...texts(inputs, "")].some(([, text]) => text.includes(line)),
  );
  expect(holders.map(({ name }) => name).sort()).toEqual([
    "consul-certificate",
    "ingress-certificate",
    "metrics-certificate",
  ]);
});

test("the values of Helm releases hold no secret, marked or not", () => {
  const releases = recorded().ofType("Release");
  expect(releases.map(({ name }) => name).sort()).toEqual(["consul", "ingress", "ingress-definitions"]);
  for (const release of releases) {
    expect(release.secrets, release.name).toEqual([]);
    expect(leaks(release.name, release.inputs, [], "clear")).toEqual([]);
  }
});

test("no parameter and no text of a step holds a secret", () => {
  const found = stepsOf(recorded()).flatMap((step) => {
    const { parameters, texts: shown } = readStep(step);
    return leaks(step.name, { parameters, shown, again: step.inputs.triggers }, [], "clear");
  });
  expect(found).toEqual([]);
});

describe("marks", () => {
  test("the whole connection of every step", () => {
    for (const step of recorded().ofType("command:remote:Command")) {
      expect(step.secrets, step.name).toContain("connection");
    }
  });

  test("what a step reads as a whole; what it runs and its texts are shown in previews", () => {
    for (const { name, inputs, secrets } of recorded().ofType("command:remote:Command")) {
      expect(secrets.includes("stdin"), name).toBe("stdin" in inputs);
      expect(
        secrets.filter((path) => /^(create|triggers)/.test(path)),
        name,
      ).toEqual([]);
    }
  });

  test("nothing that a step prints is printed a second time, beside its error", () => {
    for (const { name, inputs } of recorded().ofType("command:remote:Command")) {
      expect(inputs.logging, name).toBe("none");
    }
  });

  test("what is read back from vCenter of a machine's settings", () => {
    for (const vm of recorded().ofType("VirtualMachine")) {
      expect(vm.additionalSecretOutputs, vm.name).toContain("extraConfig");
    }
  });

  test("what the step that reads the kubeconfig prints, which is not logged either", () => {
    const step = recorded().command("control-plane-kubeconfig");
    expect(step.additionalSecretOutputs).toEqual(expect.arrayContaining(["stdout", "stderr"]));
    expect(step.inputs.logging).toBe("none");
  });

  test("what the commands that issue certificates read and print, which is not logged either", () => {
    const commands = issuing(recorded());
    expect(commands.map(({ name }) => name).sort()).toEqual([...issued.keys()].sort());
    for (const { name, inputs, additionalSecretOutputs } of commands) {
      expect(additionalSecretOutputs, name).toEqual(expect.arrayContaining(["stdin", "stdout"]));
      expect(inputs, name).toMatchObject({ logging: "none", addPreviousOutputInEnv: false });
    }
  });

  test("all that a Secret of the cluster holds", () => {
    const secrets = recorded().ofType("core/v1:Secret");
    expect(secrets).toHaveLength(8);
    for (const secret of secrets) {
      expect(secret.secrets, secret.name).toContain("stringData");
      expect(secret.additionalSecretOutputs, secret.name).toEqual(expect.arrayContaining(["data", "stringData"]));
    }
  });

  test("exactly those outputs of the stack that open something", () => {
    const secret = Object.entries(recorded().exports)
      .filter(([, exported]) => exported.secret)
      .map(([name]) => name);
    expect(secret.sort()).toEqual([
      ...["consulBootstrapToken", "consulToken", "dashboardPassword", "kubeconfig"],
      ...["snapshotKey", "sshPrivateKey", "statsPassword"],
    ]);
    expect(recorded().exports.kubeconfig?.value).toBe(kubeconfigText);
    const clear = Object.entries(recorded().exports).filter(([, exported]) => !exported.secret);
    expect(clear.flatMap(([name, { value }]) => leaks(name, value, [], "clear"))).toEqual([]);
  });
});
