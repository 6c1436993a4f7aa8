import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";

const tool = join(__dirname, "..", "..", "tools", "kubeconfig.mjs");
const root = fs.mkdtempSync(join(tmpdir(), "kubeconfig-"));
afterAll(() => {
  fs.rmSync(root, { recursive: true });
});

let home: string;
beforeEach(() => {
  home = fs.mkdtempSync(join(root, "home-"));
});

/** What kubeadm makes for a cluster. */
function madeByKubeadm({ server = "https://192.0.2.10:6443", authority = "QUFB", key = "S0tL" } = {}): string {
  return `apiVersion: v1
kind: Config
clusters:
- cluster: { certificate-authority-data: ${authority}, server: ${server} }
  name: kubernetes
contexts:
- context: { cluster: kubernetes, user: kubernetes-admin }
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
users:
- name: kubernetes-admin
  user: { client-certificate-data: Q0ND, client-key-data: ${key} }
`;
}

interface Call {
  args?: string[];
  outputs?: object;
  environment?: Record<string, string>;
  through?: string[];
}

/** The tool's command line and environment, with a Pulumi that knows one stack's outputs. */
function prepared({ args = ["lab"], outputs = { kubeconfig: madeByKubeadm() }, environment = {}, through = [] }: Call) {
  const bin = fs.mkdtempSync(join(root, "bin-"));
  fs.writeFileSync(join(bin, "pulumi"), `#!/bin/sh\ncat <<'END'\n${JSON.stringify(outputs)}\nEND\n`, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env.PATH ?? ""}`, HOME: home, ...environment };
  const [command = "", ...rest] = [...through, process.execPath, tool, ...args];
  return { command, rest, options: { env, cwd: home } };
}

function kubeconfig(call: Call = {}) {
  const { command, rest, options } = prepared(call);
  const { status, stdout, stderr } = spawnSync(command, rest, { ...options, encoding: "utf8" });
  return { status, stdout, stderr };
}

const usual = () => join(home, ".kube", "config");
const written = (file = usual()) => parse(fs.readFileSync(file, "utf8")) as Record<string, unknown>;
const mode = (file: string) => (fs.statSync(file).mode & 0o777).toString(8);

/** A file in the home folder. */
function given(content: string, name = "given"): string {
  const file = join(home, name);
  fs.writeFileSync(file, content);
  return file;
}

const others = `# Written by hand.
apiVersion: v1
kind: Config
current-context: work
clusters:
- name: work # the old one
  cluster: { server: "https://198.51.100.1:6443", certificate-authority: ca.crt }
contexts:
- name: work
  context: { cluster: work, user: me, namespace: web }
users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1 # asks the company
      args:
      - "on"
      - "0x10"
      command: login
preferences: {}
`;

const entries = {
  clusters: [{ name: "lab", cluster: { server: "https://192.0.2.10:6443", "certificate-authority-data": "QUFB" } }],
  users: [{ name: "lab", user: { "client-certificate-data": "Q0ND", "client-key-data": "S0tL" } }],
  contexts: [{ name: "lab", context: { cluster: "lab", user: "lab" } }],
};
const alone = { apiVersion: "v1", kind: "Config", ...entries, "current-context": "lab" };

describe("a kubeconfig", () => {
  test("is made where kubectl looks, for its owner alone whatever the umask", () => {
    const { status, stdout } = kubeconfig({ through: ["sh", "-c", 'umask 0; exec "$@"', "sh"] });
    expect(status).toBe(0);
    expect(stdout).toBe(`${usual()} has the context lab, which is the current one\n`);
    expect(written()).toEqual(alone);
    expect(mode(usual())).toBe("600");
    expect(mode(join(home, ".kube"))).toBe("700");
    expect(fs.readdirSync(join(home, ".kube"))).toEqual(["config"]);
  });

  test("is printed when asked to, and no file is touched", () => {
    const { status, stdout } = kubeconfig({ args: ["lab", "--out", "-"] });
    expect(status).toBe(0);
    expect(parse(stdout)).toEqual(alone);
    expect(fs.readdirSync(home)).toEqual([]);
  });

  test.each(["", "\n", "# nothing yet\n", "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: []\nusers:\n"])(
    "fills a file that has no entries: %j",
    (content) => {
      const file = given(content);
      expect(kubeconfig({ args: ["lab", "--out", file] }).status).toBe(0);
      expect(written(file)).toEqual(alone);
    },
  );

  test("has the name that the stack has in its project, or another one when asked to", () => {
    expect(kubeconfig({ args: ["acme/esxi-k8s/prod"] }).status).toBe(0);
    expect(kubeconfig({ args: ["lab", "--context", "home"] }).status).toBe(0);
    expect(written()["current-context"]).toBe("prod");
    expect((written().contexts as { name: string }[]).map(({ name }) => name)).toEqual(["prod", "home"]);
  });
});

describe("what is in the file already", () => {
  test("stays as it is, comments included, and so does the current context", () => {
    const file = given(others);
    fs.chmodSync(file, 0o644);
    const { stdout } = kubeconfig({ args: ["lab", "--out", file] });
    expect(stdout).toBe(`${file} has the context lab, to be used with: kubectl --context lab\n`);
    const before = parse(others) as Record<string, unknown[]>;
    const after = written(file) as Record<string, unknown[]>;
    for (const [list, added] of Object.entries(entries)) {
      expect(after[list]).toEqual([...(before[list] ?? []), ...added]);
    }
    expect(Object.keys(after)).toEqual(Object.keys(before));
    expect(after["current-context"]).toBe("work");
    const lines = fs.readFileSync(file, "utf8").split("\n");
    expect(lines).toEqual(expect.arrayContaining(others.trim().split("\n")));
    expect(mode(file)).toBe("600");
  });

  test("changes nothing the second time", () => {
    const file = given(others);
    kubeconfig({ args: ["lab", "--out", file] });
    const first = fs.readFileSync(file, "utf8");
    kubeconfig({ args: ["lab", "--out", file] });
    expect(fs.readFileSync(file, "utf8")).toBe(first);
  });

  test.each([
    ["its certificates were renewed", { key: "TkVX" }],
    ["it was built anew", { authority: "TkVX", key: "TkVX" }],
    ["it moved to another address", { server: "https://192.0.2.99:6443" }],
  ])("is renewed for a cluster of which %s, with the namespace that somebody chose", (_what, change) => {
    kubeconfig();
    fs.writeFileSync(usual(), fs.readFileSync(usual(), "utf8").replace("user: lab", "user: lab\n    namespace: web"));
    expect(kubeconfig({ outputs: { kubeconfig: madeByKubeadm(change) } }).status).toBe(0);
    const { clusters, users } = parse(madeByKubeadm(change)) as { clusters: object[]; users: object[] };
    expect(written()).toEqual({
      ...alone,
      clusters: clusters.map((each) => ({ ...each, name: "lab" })),
      users: users.map((each) => ({ ...each, name: "lab" })),
      contexts: [{ name: "lab", context: { cluster: "lab", user: "lab", namespace: "web" } }],
    });
  });

  test.each([
    [
      "cluster",
      "clusters: [{ name: lab, cluster: { server: https://198.51.100.1, certificate-authority-data: QkJC } }]",
    ],
    ["context", "contexts: [{ name: lab, context: { cluster: another, user: lab } }]"],
    ["user", "users: [{ name: lab, user: { token: abc } }]"],
  ])("is not taken from another cluster: a %s of that name", (_kind, list) => {
    const file = given(`kind: Config\n${list}\n`);
    const before = fs.readFileSync(file, "utf8");
    const { status, stderr } = kubeconfig({ args: ["lab", "--out", file] });
    expect(status).toBe(1);
    expect(stderr).toBe(
      `error: ${file} has an entry lab that belongs to another cluster: choose another name with CONTEXT=NAME, or delete that entry with kubectl config\n`,
    );
    expect(fs.readFileSync(file, "utf8")).toBe(before);
    expect(kubeconfig({ args: ["lab", "--out", file, "--context", "lab-2"] }).status).toBe(0);
  });

  test("is what kubectl would change, where KUBECONFIG names several files", () => {
    const [first, second] = [given(others, "first"), given("kind: Config\n", "second")];
    const environment = { KUBECONFIG: [join(home, "missing"), first, second].join(":") };
    expect(kubeconfig({ environment }).stdout).toContain(`${first} has the context lab, to be used with`);
    // From then on the one that has the entry.
    fs.renameSync(first, join(home, "third"));
    fs.writeFileSync(first, "kind: Config\n");
    const again = { KUBECONFIG: [first, second, join(home, "third")].join(":") };
    expect(kubeconfig({ environment: again }).stdout).toContain(`${join(home, "third")} has the context lab`);
    const none = { KUBECONFIG: [join(home, "a"), join(home, "b")].join(":") };
    expect(kubeconfig({ environment: none }).stdout).toContain(`${join(home, "b")} has the context lab, which is`);
  });
});

describe("the file", () => {
  test("may be a link, which stays one", () => {
    fs.mkdirSync(join(home, "dotfiles"));
    const target = given(others, "dotfiles/kube");
    const link = join(home, "link");
    fs.symlinkSync("dotfiles/kube", link);
    expect(kubeconfig({ args: ["lab", "--out", link] }).status).toBe(0);
    expect(fs.readlinkSync(link)).toBe("dotfiles/kube");
    expect(written(target).users).toHaveLength(2);
  });

  test("keeps its owner when root writes it", () => {
    const file = given(others);
    // Whoever is not root can have no other.
    if (process.geteuid?.() === 0) {
      fs.chownSync(file, 65534, 65534);
    }
    const { uid } = fs.statSync(file);
    expect(kubeconfig({ args: ["lab", "--out", file] }).status).toBe(0);
    expect(fs.statSync(file).uid).toBe(uid);
  });

  test("takes the entries of all who write it at the same time, and can be read all the while", async () => {
    const stacks = ["a", "b", "c", "d", "e", "f"];
    const file = given(others);
    const writing = stacks.map(async (stack) => {
      const { command, rest, options } = prepared({ args: [stack, "--out", file] });
      const child = spawn(command, rest, { ...options, stdio: ["ignore", "ignore", "pipe"] });
      const [said, [status]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number]>]);
      expect(status, said).toBe(0);
    });
    const done = Promise.all(writing).then(() => true);
    let reads = 0;
    while (!(await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 1, false))]))) {
      expect(written(file)["current-context"]).toBe("work");
      reads++;
    }
    expect(reads).toBeGreaterThan(10);
    const names = (written(file).contexts as { name: string }[]).map(({ name }) => name);
    expect(names.sort()).toEqual([...stacks, "work"]);
    expect(fs.readdirSync(home)).toEqual(["given"]);
  });

  test("is left alone while somebody else holds kubectl's lock", () => {
    const file = given(others);
    fs.writeFileSync(`${file}.lock`, "");
    const { status, stderr } = kubeconfig({ args: ["lab", "--out", file] });
    expect(status).toBe(1);
    expect(stderr).toBe(`error: ${file}.lock is there: somebody is writing ${file}; if nobody is, delete the lock\n`);
    expect(fs.readFileSync(file, "utf8")).toBe(others);
    expect(fs.existsSync(`${file}.lock`)).toBe(true);
  });

  test.each([
    ["no YAML", "a: [1", /^error: \S+ is not YAML: .* Mend it, or choose another file with OUT=FILE$/],
    ["a list", "- 1", /holds something other than a kubeconfig: move it away, or choose another file/],
    ["another kind of object", "kind: Pod\n", /holds something other than a kubeconfig/],
    ["a stack's configuration", "config: {}\n", /holds something other than a kubeconfig/],
    ["entries that are none", "kind: Config\nusers: [{ user: {} }]\n", /holds something other than a kubeconfig/],
    ["two documents", "kind: Config\n---\nkind: Config\n", /is not YAML: Source contains multiple documents/],
  ])("is refused when it holds %s", (_what, content, message) => {
    const file = given(content);
    const { status, stderr } = kubeconfig({ args: ["lab", "--out", file] });
    expect(status).toBe(1);
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(fs.readFileSync(file, "utf8")).toBe(content);
    expect(fs.readdirSync(home)).toEqual(["given"]);
  });

  test("is refused when it is none", () => {
    const pipe = join(home, "pipe");
    spawnSync("mkfifo", [pipe]);
    fs.symlinkSync("nowhere", join(home, "link"));
    const refusal = (out: string) => kubeconfig({ args: ["lab", "--out", out] }).stderr;
    expect(refusal(pipe)).toBe(`error: ${pipe} is not a file: choose one with OUT=FILE, or OUT=- to print\n`);
    expect(refusal(home)).toContain(`error: ${home} is not a file`);
    expect(refusal(join(home, "link"))).toContain("link is a link to what is not there: make that or delete the link");
    expect(fs.readdirSync(home).sort()).toEqual(["link", "pipe"]);
  });

  test("and its folder have to be writable", () => {
    // Root may write everywhere, unless it gives that up.
    const asAnyone = { through: process.geteuid?.() === 0 ? ["setpriv", "--bounding-set=-dac_override"] : [] };
    const file = given(others);
    fs.chmodSync(file, 0o400);
    const args = ["lab", "--out", file];
    expect(kubeconfig({ args, ...asAnyone }).stderr).toBe(
      `error: EACCES: permission denied, access '${file}': let it be written, or choose another file with OUT=FILE\n`,
    );
    fs.chmodSync(file, 0o600);
    fs.chmodSync(home, 0o500);
    expect(kubeconfig({ args, ...asAnyone }).stderr).toContain(`permission denied, open '${file}.lock'`);
    fs.chmodSync(home, 0o700);
    expect(fs.readFileSync(file, "utf8")).toBe(others);
    expect(fs.readdirSync(home)).toEqual(["given"]);
  });
});

describe("of a stack", () => {
  test("that has no outputs yet there is none", () => {
    const { status, stderr } = kubeconfig({ args: ["acme/esxi-k8s/lab"], outputs: {} });
    expect(status).toBe(1);
    expect(stderr).toBe(
      "error: stack acme/esxi-k8s/lab has no kubeconfig yet: run make up STACK=acme/esxi-k8s/lab to its end first\n",
    );
    expect(fs.readdirSync(home)).toEqual([]);
  });

  test("that Pulumi does not know there is none either", () => {
    const bin = fs.mkdtempSync(join(root, "bin-"));
    fs.writeFileSync(join(bin, "pulumi"), "#!/bin/sh\necho \"error: no stack named 'lab' found\" >&2\nexit 1\n", {
      mode: 0o755,
    });
    const { status, stderr } = kubeconfig({ through: ["env", `PATH=${bin}:${process.env.PATH ?? ""}`] });
    expect(status).toBe(1);
    expect(stderr).toBe(
      "error: no stack named 'lab' found\nerror: the outputs of stack lab cannot be read; 'pulumi whoami -v' says where Pulumi looks, 'pulumi stack ls' what is there\n",
    );
    expect(fs.readdirSync(home)).toEqual([]);
  });
});
