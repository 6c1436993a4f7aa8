import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { snapshotMinutes } from "../../config/snapshots";
import { snapshotFiles } from "../../render/snapshots";
import { etcdData, FakeMaster, lastLine, makeKeys, sha256, type Keys } from "../support/master";

const openssl = (...args: string[]) =>
  execFileSync("openssl", args, { encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });

let keys: Keys;
beforeAll(async () => {
  keys = await makeKeys();
});

let machine: FakeMaster;
beforeEach(() => {
  machine = new FakeMaster(keys);
});
afterEach(() => {
  machine.remove();
});

test("a master's settings are for root alone, in a folder where apt reads its own", async () => {
  machine.program("systemctl", "exit 0");
  machine.put("etc/os-release", "");
  const settings = "/etc/esxi-k8s/snapshots";
  const { status, stderr } = await machine.run("configure-snapshots", {
    texts: { FILES: "" },
    stdin: "a key",
  });
  expect(status, stderr).toBe(0);
  const mode = (path: string) => statSync(machine.file(path)).mode & 0o777;
  expect([mode("/etc/esxi-k8s"), mode(settings), mode(`${settings}/key`)]).toEqual([0o755, 0o700, 0o600]);
});

describe("a master takes a snapshot", () => {
  test("of etcd and the authorities, encrypted to the stack's key and readable by root alone", async () => {
    machine.join();
    const { status, stdout } = await machine.take();
    const [name = ""] = machine.snapshots();
    expect(name).toMatch(/^lab-\d{8}T\d{6}Z-master-1\.snapshot$/);
    const { size, mode } = statSync(machine.file(`${machine.taken}/${name}`));
    expect({ status, stdout, mode: mode & 0o777 }).toEqual({
      status: 0,
      stdout: `snapshot ${name} ${String(size)}\ncopies: haproxy-1\n`,
      mode: 0o600,
    });
    expect(readFileSync(machine.file(`${machine.taken}/${name}`)).includes("a key")).toBe(false);

    machine.put("key.pem", keys.stack.key);
    machine.put("certificate.pem", keys.stack.certificate);
    const bundle = [
      "-decrypt",
      "-binary",
      "-inform",
      "DER",
      "-in",
      machine.file(`${machine.taken}/${name}`),
      "-out",
      machine.file("bundle"),
    ];
    openssl("cms", ...bundle, "-inkey", machine.file("key.pem"), "-recip", machine.file("certificate.pem"));
    mkdirSync(machine.file("out"));
    execFileSync("tar", ["--extract", "--gzip", "--file", machine.file("bundle"), "--directory", machine.file("out")]);
    expect(readFileSync(machine.file("out/etcd.db"))).toEqual(readFileSync(machine.file("etcd.db")));
    for (const key of ["ca", "etcd/ca", "front-proxy-ca"].flatMap((each) => [`${each}.crt`, `${each}.key`])) {
      expect(readFileSync(machine.file(`out/pki/${key}`)), key).toEqual(
        readFileSync(machine.file(`etc/kubernetes/pki/${key}`)),
      );
    }
    expect(readFileSync(machine.file("out/manifest"), "utf8")).toMatch(
      /^format=1\nstack=lab\nnode=master-1\ntaken=\S+Z\nkubernetes=v1\.37\.2\nrevision=4711\nkeys=42\n$/,
    );
    // Nothing that is not encrypted is left.
    expect(readdirSync(machine.file(machine.taken)).sort()).toEqual(["complete", name, `${name}.copies`].sort());
    expect(readdirSync(machine.file("run"))).toEqual(["lock"]);
  });

  test("brings it elsewhere with name, hash and size, and says so in the cluster", async () => {
    machine.join();
    await machine.take();
    const [name = ""] = machine.snapshots();
    const content = readFileSync(machine.file(`${machine.taken}/${name}`));
    expect(readFileSync(machine.file("copy"))).toEqual(content);
    expect(readFileSync(machine.file("copied"), "utf8")).toMatch(
      `-p 22 k8s@192.0.2.10 ${name} ${sha256(content).digest("hex")} ${String(content.length)}\n`,
    );
    expect(readFileSync(machine.file("asked"), "utf8")).toMatch(
      /patch configmap esxi-k8s-snapshots --type merge --patch \{"data":\{"master-1":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+ haproxy-1"\}\}/,
    );
  });

  test("once while the newest is fresh, at any time when it is asked for, and keeps as many as it is told", async () => {
    machine.join({ keep: 2 });
    machine.put(`${machine.taken}/lab-20260101T000000Z-master-1.snapshot`, "old");
    machine.put(`${machine.taken}/lab-20260101T000000Z-master-1.snapshot.copies`, "haproxy-1\n");
    utimesSync(machine.file(`${machine.taken}/lab-20260101T000000Z-master-1.snapshot`), 0, 0);
    await machine.take();
    const [, newest = ""] = machine.snapshots();
    await machine.take();
    expect(machine.snapshots()).toEqual(["lab-20260101T000000Z-master-1.snapshot", newest]);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await machine.take(0);
    expect(machine.snapshots()).toHaveLength(2);
    expect(machine.snapshots()[0]).toBe(newest);
    expect(existsSync(machine.file(`${machine.taken}/lab-20260101T000000Z-master-1.snapshot.copies`))).toBe(false);
  });

  test("and tries again to bring it to who was away, without taking another", async () => {
    machine.join({ copies: "haproxy-1 machine k8s@192.0.2.10 22 -\nhaproxy-2 machine k8s@192.0.2.11 22 -\n" });
    machine.program(
      "ssh",
      `echo "$*" >>${machine.file("copied")}; case "$*" in *192.0.2.11*) echo 'no route' >&2; exit 255 ;; esac; cat >/dev/null`,
    );
    const { status, stdout, stderr } = await machine.take();
    expect({ status, stdout: stdout.split("\n")[1] }).toEqual({ status: 1, stdout: "copies: haproxy-1" });
    expect(stderr).toContain("no copy on haproxy-2: no route");
    expect(existsSync(machine.file(`${machine.taken}/complete`))).toBe(false);
    machine.program("ssh", `echo "$*" >>${machine.file("copied")}; cat >/dev/null`);
    await expect(machine.take()).resolves.toMatchObject({ status: 0 });
    expect(machine.snapshots()).toHaveLength(1);
    const asked = readFileSync(machine.file("copied"), "utf8").match(/192\.0\.2\.\d+/g);
    expect(asked).toEqual(["192.0.2.10", "192.0.2.11", "192.0.2.11"]);
    expect(existsSync(machine.file(`${machine.taken}/complete`))).toBe(true);
  });

  test("but none that is not whole", async () => {
    const data = etcdData();
    data[100] = (data[100] ?? 0) ^ 1;
    machine.join({ data });
    const outcome = await machine.take();
    expect(outcome.status).toBe(1);
    expect(lastLine(outcome)).toContain("what etcd on master-1 gave is no whole snapshot");
    expect(readdirSync(machine.file(machine.taken))).toEqual([]);
  });

  test("when nobody serves, too, and without Consul's store when that does not answer", async () => {
    machine.join();
    await machine.receive(["save-consul"]);
    machine.program("kubectl", 'case "$*" in *"get service"*) exit 0 ;; *patch*) exit 1 ;; esac');
    machine.program("timeout", 'case "$*" in *save-consul*) exit 1 ;; *) shift 2; exec "$@" ;; esac');
    const { status, stdout } = await machine.take();
    expect(status).toBe(0);
    expect(stdout.split("\n")[0]).toBe("without Consul's store, which did not answer");
  });

  test("for a server with SFTP, which is asked for it again", async () => {
    machine.join({ keep: 1, copies: "nas sftp backup@nas.example.org 2222 backups/lab\n" });
    // Its commands, on a folder of this computer.
    mkdirSync(machine.file("nas/backups"), { recursive: true });
    machine.program(
      "sftp",
      `cd ${machine.file("nas")}; echo "$*" >>${machine.file("copied")}
while read -r word one two; do case $word in
  -mkdir) mkdir -p "$one" ;; put) cp "$one" "$two" ;; get) cp "$one" "$two" ;; rename) mv "$one" "$two" ;;
  rm) rm "$one" ;; ls) echo "sftp> ls -1 $two"; for each in "$two"/*; do echo "$each"; done ;; *) exit 1 ;; esac || exit 1; done`,
    );
    mkdirSync(machine.file("nas/backups/lab"));
    for (const old of ["lab-20260101T000000Z-master-1", "lab-20260101T000000Z-master-2"]) {
      writeFileSync(machine.file(`nas/backups/lab/${old}.snapshot`), "old");
    }
    await expect(machine.take()).resolves.toMatchObject({ status: 0 });
    const [name = ""] = machine.snapshots();
    expect(readdirSync(machine.file("nas/backups/lab")).sort()).toEqual(
      ["lab-20260101T000000Z-master-2.snapshot", name].sort(),
    );
    expect(readFileSync(machine.file("copied"), "utf8")).toContain("-P 2222 -b - backup@nas.example.org");
  });
});

describe("a HAProxy machine receives copies", () => {
  const name = (time: string, master = "master-1") => `lab-${time}-${master}.snapshot`;
  const content = Buffer.from("encrypted");
  const hash = sha256(content).digest("hex");
  const receive = (asked: string, keep = 2) =>
    machine.shell(`sudo -n /usr/local/lib/esxi-k8s/receive-snapshot ${String(keep)} '${asked}'`, content.toString());
  beforeEach(async () => {
    await machine.receive(["receive-snapshot"]);
  });

  test("whole, and as many of each master as it is told", async () => {
    for (const time of ["20260101T000000Z", "20260102T000000Z", "20260103T000000Z"]) {
      await expect(receive(`${name(time)} ${hash} 9`)).resolves.toMatchObject({ status: 0 });
    }
    await receive(`${name("20250101T000000Z", "master-2")} ${hash} 9`);
    expect(readdirSync(machine.file(machine.taken)).sort()).toEqual([
      name("20250101T000000Z", "master-2"),
      name("20260102T000000Z"),
      name("20260103T000000Z"),
    ]);
    expect(statSync(machine.file(`${machine.taken}/${name("20260103T000000Z")}`)).mode & 0o777).toBe(0o600);
  });

  test.each([
    ["one that was cut off", `lab-20260101T000000Z-master-1.snapshot ${"0".repeat(64)} 9`, /did not arrive whole/],
    [
      "a name that leads elsewhere",
      `../../etc/cron.d/x-20260101T000000Z-a.snapshot ${"0".repeat(64)} 9`,
      /its name, SHA-256 and size/,
    ],
    ["a command", "sh", /its name, SHA-256 and size/],
    [
      "more than there is room for",
      `lab-20260101T000000Z-master-1.snapshot ${"0".repeat(64)} ${"9".repeat(15)}`,
      /too little room/,
    ],
  ])("but not %s", async (_, asked, reason) => {
    const { status, stderr } = await receive(asked);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(reason);
    expect(existsSync(machine.file(machine.taken)) ? readdirSync(machine.file(machine.taken)) : []).toEqual([]);
  });

  test("by a key that may do nothing else", async () => {
    const keys = "home/.ssh/authorized_keys";
    machine.put(keys, "ssh-ed25519 AAAA of-the-administrator\nrestrict ssh-ed25519 OLD esxi-k8s-snapshots\n");
    machine.program("getent", `echo k8s:x:1000:1000::${machine.file("home")}:/bin/bash`);
    await machine.run("allow-snapshots", {
      parameters: { SNAPSHOT_USER: "k8s", RECEIVE: "/opt/receive", KEEP: 12, SNAPSHOT_KEY: "ssh-ed25519 NEW" },
    });
    expect(readFileSync(machine.file(keys), "utf8").split("\n")).toEqual([
      "ssh-ed25519 AAAA of-the-administrator",
      `restrict,command="exec sudo -n /opt/receive 12 \\"$SSH_ORIGINAL_COMMAND\\"" ssh-ed25519 NEW esxi-k8s-snapshots`,
      "",
    ]);
  });
});

describe("what a master is told", () => {
  const settings = {
    stack: "lab",
    every: 90,
    keep: 3,
    copies: [{ name: "haproxy-1", kind: "machine" as const, user: "k8s", host: "192.0.2.10", port: 22, path: "-" }],
    knownHosts: "192.0.2.10 ssh-ed25519 AAAA",
    recipient: "-----BEGIN CERTIFICATE-----",
    kubeadm: "kind: InitConfiguration",
  };

  test("is these files", async () => {
    await expect(snapshotFiles(settings)).toMatchFileSnapshot("__snapshots__/snapshots.txt");
  });

  test("lets its timer take one when none is fresh", () => {
    const condition = /^ExecCondition=\/bin\/sh -c '(.*)'$/m.exec(snapshotFiles(settings))?.[1] ?? "";
    const due = () => spawnSync("sh", ["-c", condition.replaceAll("/var/", `${machine.folder}/var/`)]).status;
    expect(due()).toBe(0);
    machine.put(`${machine.taken}/complete`, "");
    expect(due()).toBe(1);
    const before = Date.now() / 1000 - 91 * 60;
    utimesSync(machine.file(`${machine.taken}/complete`), before, before);
    expect(due()).toBe(0);
  });

  test.each([
    ["6h", 360],
    ["1h30m", 90],
    ["90m", 90],
    ["90s", 1.5],
  ])("%s are %d minutes", (every, minutes) => {
    expect(snapshotMinutes({ every })).toBe(minutes);
  });
});
