import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually, run, temporaryFolder } from "./support/lab";

/** What vcenter/folder.mjs does with the lab's vCenter, which is served here on loopback, without any lab. */
const [user, password] = ["administrator@vsphere.local", `<p&ss "word">`];
const env = { ...process.env, VSPHERE_USER: user, VSPHERE_PASSWORD: password };
let program = "";
let server = "";
let certificate = "";
let serving: ChildProcess | undefined;

beforeAll(async () => {
  program = join(await run("sim/toolchain/build", ["--print", "vcenter"]), "vcenter");
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  server = `127.0.0.1:${String((probe.address() as AddressInfo).port)}`;
  await once(probe.close(), "close");
  const home = await temporaryFolder();
  certificate = join(home, "cert");
  const files = ["-cert", certificate, "-key", join(home, "key"), "-home", home];
  // Nothing is switched on, so no container runs.
  const machines = ["-network", "vlan-20", "-template", "ubuntu=none"];
  serving = spawn(program, ["serve", "-listen", server, ...files, ...machines], { env, stdio: "ignore" });
  await eventually(30, () => operator("inventory"));
});

afterAll(() => {
  serving?.kill();
});

/** An operator at vCenter. */
const operator = (...args: string[]) =>
  run("env", [`VSPHERE_SERVER=${server}`, `VSPHERE_USER=${user}`, `VSPHERE_PASSWORD=${password}`, program, ...args]);
const machines = async () => {
  const rows = (await operator("inventory")).split("\n").slice(1);
  return rows
    .map((row) => row.split(/\s{2,}/))
    .flatMap(([name = "", , , , , , folder = ""]) => (name === "ubuntu" ? [] : [`${folder} ${name}`]))
    .sort();
};
/** A machine as an interrupted run leaves it, or somebody else's. */
async function machine(name: string, folder: string): Promise<void> {
  await operator("clone", "ubuntu", name);
  await operator("move", name, folder);
}

interface Call {
  folder?: string;
  password?: string;
  allowUnverifiedSsl?: boolean;
  /** File of certificates that are trusted. */
  trusted?: string;
  machines?: string[];
  clones?: string[];
  held?: string[];
  before?: string;
}

/** Runs the program as the stack's resource does. */
async function folder(task: "ready" | "remove", call: Call = {}) {
  const { machines = [], clones = [], held = [], before = "" } = call;
  const input = {
    server,
    user,
    password: call.password ?? password,
    allowUnverifiedSsl: call.allowUnverifiedSsl ?? true,
    // The first thing that the simulator makes.
    datacenter: "datacenter-1",
    folder: call.folder ?? "esxi-k8s/lab",
  };
  const child = spawn("node", ["vcenter/folder.mjs", task], {
    env: {
      ...process.env,
      MACHINES: machines.join(" "),
      CLONES: clones.join(" "),
      HELD: held.join(" "),
      ...(call.trusted && { SSL_CERT_FILE: call.trusted }),
      ...(before && { PULUMI_COMMAND_STDOUT: before }),
    },
  });
  const printed = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (printed.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (printed.stderr += chunk.toString()));
  child.stdin.end(JSON.stringify(input));
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout: printed.stdout.trim(), stderr: printed.stderr.trim() };
}

/** The folder of a stack that has been there since an earlier run, and what that run printed. */
async function living(): Promise<string> {
  const { code, stdout } = await folder("ready", { clones: ["master-1", "worker-1"] });
  expect(code, stdout).toBe(0);
  return stdout;
}

describe("the folder of a stack", () => {
  beforeEach(async () => {
    for (const row of await machines()) {
      await operator("delete", row.split(" ")[1] ?? "");
    }
    for (const path of (await operator("folders")).split("\n").filter(Boolean).reverse()) {
      await operator("delete-folder", path);
    }
  });

  it("is made with those that it is in, kept by later runs, and removed with what was made", async () => {
    const before = await living();
    expect(await operator("folders")).toBe("esxi-k8s\nesxi-k8s/lab");
    expect((await folder("ready", { before })).stdout).toBe(before);
    expect(await folder("remove", { before, machines: ["master-1"] })).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await operator("folders")).toBe("");
    expect(await folder("remove", { before, machines: ["master-1"] })).toMatchObject({ code: 0, stdout: "" });
  });

  it("leaves alone what others have in the folders that it is in", async () => {
    const before = await living();
    const other = await folder("ready", { folder: "esxi-k8s/prod" });
    await folder("remove", { before });
    expect(await operator("folders")).toBe("esxi-k8s\nesxi-k8s/prod");
    // It did not make the folder above.
    await folder("remove", { folder: "esxi-k8s/prod", before: other.stdout });
    expect(await operator("folders")).toBe("esxi-k8s");
  });

  it("is taken over when it is empty, and refused when it is not", async () => {
    await living();
    // The run that made it could not record it.
    await living();
    await machine("db-1", "esxi-k8s/lab");
    expect(await folder("ready", { clones: ["master-1"] })).toMatchObject({
      code: 1,
      stdout:
        "the folder esxi-k8s/lab was there before this stack, and holds db-1: empty it, or choose another vcenter.folder, then run pulumi up again",
    });
  });

  it("loses what an interrupted run left of the machines that are to be cloned, and nothing else", async () => {
    const before = await living();
    for (const name of ["worker-1", "worker-2", "db-1"]) {
      await machine(name, "esxi-k8s/lab");
    }
    const { code, stdout, stderr } = await folder("ready", { before, clones: ["worker-1", "worker-3"] });
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: before,
      stderr: "removed esxi-k8s/lab/worker-1, which an interrupted run had left",
    });
    expect(await machines()).toEqual(["esxi-k8s/lab db-1", "esxi-k8s/lab worker-2"]);
  });

  it("loses nothing as long as one name is taken elsewhere", async () => {
    const before = await living();
    await machine("worker-1", "esxi-k8s/lab");
    await operator("clone", "ubuntu", "worker-2");
    const there = await machines();
    expect(await folder("ready", { before, clones: ["worker-1", "worker-2"] })).toMatchObject({
      code: 1,
      stdout:
        "worker-2 cannot be cloned: a machine of this name is at worker-2, outside of the stack's folder; rename one of them\n" +
        "nothing was changed: mend that, then run pulumi up again",
    });
    expect(await machines()).toEqual(there);
  });

  it("is not another one because the configuration says so", async () => {
    const before = await living();
    expect((await folder("ready", { before, folder: "Kubernetes/lab" })).stdout).toBe(
      "the stack's folder is esxi-k8s/lab, and vcenter.folder says Kubernetes/lab: rename or move the folder in vCenter, or take the change back, then run pulumi up again",
    );
  });

  it("is made anew when somebody removed it", async () => {
    const before = await living();
    await operator("delete-folder", "esxi-k8s/lab");
    expect((await folder("ready", { before })).code).toBe(0);
    expect(await operator("folders")).toBe("esxi-k8s\nesxi-k8s/lab");
  });

  it("goes with all machines of the stack that are in it, and stays for others", async () => {
    const before = await living();
    for (const name of ["master-1", "worker-1", "db-1"]) {
      await machine(name, "esxi-k8s/lab");
    }
    expect(await folder("remove", { before, machines: ["master-1", "worker-1", "worker-2"] })).toEqual({
      code: 0,
      stdout: "",
      stderr: "the folder esxi-k8s/lab stays, because it holds db-1",
    });
    expect(await machines()).toEqual(["esxi-k8s/lab db-1"]);
  });

  it("says which of the stack's machines somebody has moved away, and leaves them alone", async () => {
    const before = await living();
    await machine("master-1", "esxi-k8s/lab");
    await operator("clone", "ubuntu", "worker-1");
    const gone = { before, machines: ["master-1", "worker-1"] };
    expect(await folder("remove", gone)).toMatchObject({
      code: 1,
      stdout:
        "worker-1: outside of the stack's folder and left alone; move what is this stack's back into esxi-k8s/lab, rename what is not, then run pulumi destroy again",
    });
    expect(await machines()).toEqual([". worker-1"]);
  });

  it("says what is wrong with vCenter", async () => {
    expect((await folder("ready", { password: "wrong" })).stdout).toBe(
      `vCenter at ${server} refuses ${user}: correct vcenter.user or vcenterPassword`,
    );
    expect((await folder("ready", { allowUnverifiedSsl: false })).stdout).toBe(
      `cannot talk to vCenter at ${server}: self-signed certificate; have this computer trust the authority of its certificate, or set vcenter.allowUnverifiedSsl: true`,
    );
  });

  it("trusts what this computer trusts", async () => {
    const { code, stdout } = await folder("ready", { allowUnverifiedSsl: false, trusted: certificate });
    expect(code, stdout).toBe(0);
  });
});
