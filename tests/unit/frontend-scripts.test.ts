import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeMachine } from "../support/steps";

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
  for (const folder of ["etc/haproxy", "etc/keepalived"]) {
    mkdirSync(join(machine.folder, folder), { recursive: true });
  }
  writeFileSync(file("etc/os-release"), "VERSION_CODENAME=noble\n");
  machine.program("dpkg-query", "echo 'installed 1.0'");
});
afterEach(() => {
  machine.remove();
});

const file = (path: string) => join(machine.folder, path);
const read = (path: string) => (existsSync(file(path)) ? readFileSync(file(path), "utf8").trim() : "");
/** What units were told. */
const told = () =>
  read("units")
    .split("\n")
    .filter((line) => !line.startsWith("is-"));

describe("the step that configures HAProxy", () => {
  const before = "answers nothing";

  beforeEach(() => {
    writeFileSync(file("etc/haproxy/haproxy.cfg"), before);
    // Here it is not about steps, whose hashes the machine makes up.
    machine.program("sha256sum", `(($#)) && basename "$1" .new | sed 's/.*-//' || echo 0123456789abcdef`);
    machine.program("haproxy", `! grep -q mistake "\${@: -1}" || { echo "a mistake"; exit 1; }`);
    // What HAProxy runs with, which may be another text than the file's.
    machine.program(
      "systemctl",
      `echo "$*" >>${file("units")}
       if [[ $1 == reload* ]] && ! grep -q broken ${file("etc/haproxy/haproxy.cfg")}; then
         cp ${file("etc/haproxy/haproxy.cfg")} ${file("running")}
       fi`,
    );
    machine.program("journalctl", "echo 'cannot bind'");
    machine.program(
      "curl",
      `for url in "$@"; do :; done
       echo "$url" >>${file("asked")}
       case $url in
         http://127.0.0.1:*) sed -n 's/^answers //p' ${file("running")} ;;
         *) [ -e ${file("other")} ] && head -n 1 ${file("other")} && sed -i '1{\${p};d}' ${file("other")} ;;
       esac`,
    );
  });

  const configure = (text: string, after = "") =>
    machine.run(
      "configure-haproxy",
      {
        parameters: { HEALTH: "8404/health", STACK: "5ca1ab1e", AFTER: after },
        texts: { CONFIG: text, FILES: "" },
        stdin: "password",
      },
      (scripts) => scripts.replace("retry_for 20", "retry_for 0").replace("retry_for 60", "retry_for 2"),
    );
  const text = "answers @HEALTH_ANSWER@\nauth admin:@STATS_PASSWORD@";

  test("reloads it, and is done when it answers with the new configuration", async () => {
    await expect(configure(text)).resolves.toMatchObject({ status: 0 });
    expect(read("etc/haproxy/haproxy.cfg")).toBe("answers esxi-k8s 5ca1ab1e 0123456789ab\nauth admin:password");
    expect(told()).toEqual(["enable --quiet haproxy", "reload-or-restart haproxy"]);
    expect(read("asked")).toBe("http://127.0.0.1:8404/health");
  });

  test("leaves alone what runs when HAProxy refuses the configuration", async () => {
    const { status, stderr } = await configure(`${text}\nmistake`);
    expect(status).toBe(1);
    expect(stderr).toContain("a mistake");
    expect(read("etc/haproxy/haproxy.cfg")).toBe(before);
    expect(told()).toEqual([""]);
  });

  test("gives HAProxy the configuration before when it does not serve with the new one", async () => {
    const { status, stderr } = await configure(`${text}\nbroken`);
    expect(status).toBe(1);
    expect(stderr).toContain("cannot bind\nHAProxy does not serve with the new configuration, and has the one before");
    expect(read("etc/haproxy/haproxy.cfg")).toBe(before);
    expect(read("running")).toBe(before);
  });

  test("lets another machine go first", async () => {
    writeFileSync(file("other"), "esxi-k8s 5ca1ab1e older\nesxi-k8s 5ca1ab1e 0123456789ab\n");
    await expect(configure(text, "192.0.2.10")).resolves.toMatchObject({ status: 0 });
    const other = "http://192.0.2.10:8404/health";
    expect(read("asked").split("\n")).toEqual([other, other, "http://127.0.0.1:8404/health"]);
  });

  test.each([
    ["is down", undefined],
    ["keeps its own", "esxi-k8s 5ca1ab1e older\n"],
  ])("does without another machine that %s", async (_, other) => {
    if (other !== undefined) {
      writeFileSync(file("other"), other);
    }
    await expect(configure(text, "192.0.2.10")).resolves.toMatchObject({ status: 0 });
    expect(read("etc/haproxy/haproxy.cfg")).toContain("answers esxi-k8s");
  });
});

/** Who answers for which address on the network. */
const network = (macs: Record<string, string>) => {
  writeFileSync(
    file("network"),
    Object.entries(macs)
      .map(([address, mac]) => `Unicast reply from ${address} [${mac}]  0.8ms\n`)
      .join(""),
  );
};
const virtualAddress = "192.0.2.5";

describe("the step that shares the virtual address", () => {
  beforeEach(() => {
    machine.program("keepalived", `! grep -q mistake "\${@: -1}" || { echo "a mistake"; exit 4; }`);
    machine.program("arping", `grep " \${@: -1} " ${file("network")}`);
    machine.program("ip", `case "$*" in *" to 192.0.2.10") echo '2: ens192 inet 192.0.2.10/24' ;; esac`);
    machine.program("systemctl", `echo "$*" >>${file("units")}; [ "$1" != is-active ] || [ -e ${file("active")} ]`);
    machine.program("curl", `[ -e ${file("stack")} ] && cat ${file("stack")}`);
  });

  const share = (config = "interface @INTERFACE@") =>
    machine.run("configure-keepalived", {
      parameters: {
        HEALTH: "8404/health",
        STACK: "5ca1ab1e",
        ADDRESS: "192.0.2.10",
        VIRTUAL_ADDRESS: virtualAddress,
        PEERS: "192.0.2.11",
      },
      texts: { CONFIG: config, UNIT: "dev @INTERFACE@", FILES: "" },
    });
  const unit = "etc/systemd/system/keepalived.service.d/esxi-k8s.conf";
  const peerHasIt = { [virtualAddress]: "02:00:00:00:00:0B", "192.0.2.11": "02:00:00:00:00:0B" };

  test("starts keepalived beside a peer that has it", async () => {
    network(peerHasIt);
    await expect(share()).resolves.toMatchObject({
      status: 0,
      stdout: "shares 192.0.2.5 on ens192: 192.0.2.11 has it\n",
    });
    expect(read("etc/keepalived/keepalived.conf")).toBe("interface ens192");
    expect(read(unit)).toBe("dev ens192");
    expect(told()).toEqual(["daemon-reload", "enable --quiet keepalived", "restart --no-block keepalived"]);
  });

  test("reloads a keepalived that runs, so that the address stays where it is", async () => {
    network(peerHasIt);
    writeFileSync(file("active"), "");
    await expect(share()).resolves.toMatchObject({ status: 0 });
    expect(told().at(-1)).toBe("reload keepalived");
  });

  test("refuses an address that somebody else has, and says who", async () => {
    network({ [virtualAddress]: "02:00:00:00:00:99", "192.0.2.11": "02:00:00:00:00:0B" });
    const { status, stderr } = await share();
    expect(status).toBe(1);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe(
      "192.0.2.5 is in use by the machine with the MAC address 02:00:00:00:00:99, which is no HAProxy machine of this stack: " +
        "take the address from that one or set frontend.virtualAddress to a free one, then run pulumi up again",
    );
    expect(read("etc/keepalived/keepalived.conf")).toBe("");
    expect(told()).toEqual([""]);
  });

  test("lets it wait for a machine of the stack that leaves", async () => {
    network({ [virtualAddress]: "02:00:00:00:00:99" });
    writeFileSync(file("stack"), "esxi-k8s 5ca1ab1e 0123456789ab");
    await expect(share()).resolves.toMatchObject({
      status: 0,
      stdout: "shares 192.0.2.5 on ens192: takes it when the machine with the MAC address 02:00:00:00:00:99 leaves\n",
    });
  });

  test("does not take a HAProxy machine of another stack for one that leaves", async () => {
    network({ [virtualAddress]: "02:00:00:00:00:99" });
    writeFileSync(file("stack"), "esxi-k8s 0ddba11 0123456789ab");
    await expect(share()).resolves.toMatchObject({ status: 1 });
  });

  test("goes on telling a peer that leaves, for as long as it lives", async () => {
    network({ ...peerHasIt, "192.0.2.12": "02:00:00:00:00:0C" });
    const peers = (...addresses: string[]) =>
      ["unicast_peer {", ...addresses.map((address) => `        ${address}`), "    }"].join("\n");
    writeFileSync(
      file("etc/keepalived/keepalived.conf"),
      peers(virtualAddress, "192.0.2.11", "192.0.2.12", "192.0.2.13"),
    );
    await expect(share(peers("192.0.2.11"))).resolves.toMatchObject({ status: 0 });
    expect(read("etc/keepalived/keepalived.conf")).toBe(peers("192.0.2.12", "192.0.2.11"));
  });

  test("leaves alone what runs when keepalived refuses the configuration", async () => {
    network(peerHasIt);
    writeFileSync(file("etc/keepalived/keepalived.conf"), "before");
    const { status, stderr } = await share("mistake");
    expect(status).toBe(4);
    expect(stderr).toContain("a mistake");
    expect(read("etc/keepalived/keepalived.conf")).toBe("before");
    expect(told()).toEqual([""]);
  });
});

describe("what keepalived waits for before it starts", () => {
  beforeEach(() => {
    // Every question for the virtual address takes a line of the network away, until there is one left.
    machine.program(
      "arping",
      `for address in "$@"; do :; done
       echo "$address" >>${file("asked")}
       if [ "$address" = ${virtualAddress} ]; then
         head -n 1 ${file("network")} | grep " $address "
         sed -i '1{\${p};d}' ${file("network")}
       else
         grep " $address " ${file("network")}
       fi`,
    );
    // However long a busy machine takes.
    machine.program("timeout", 'case "$1" in -*) exec /usr/bin/timeout "$@" ;; esac; shift; exec "$@"');
    // Hears a peer from the second time on.
    machine.program("python3", `echo "$2" >>${file("heard")}; [ "$(wc -l <${file("heard")})" -ge 2 ]`);
  });

  const wait = () =>
    machine.run("await-virtual-address", {
      parameters: { VIRTUAL_ADDRESS: virtualAddress, INTERFACE: "ens192", PEERS: "192.0.2.11" },
    });

  test("nothing, for an address that nobody has", async () => {
    network({});
    await expect(wait()).resolves.toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("the end of another one's, of whom it speaks once", async () => {
    const claim = `Unicast reply from ${virtualAddress} [02:00:00:00:00:99]  0.8ms\n`;
    writeFileSync(file("network"), `${claim.repeat(3)}nobody\n`);
    await expect(wait()).resolves.toMatchObject({
      status: 0,
      stdout:
        "192.0.2.5 is in use by the machine with the MAC address 02:00:00:00:00:99: keepalived starts when this ends\n",
    });
  });

  test("that a peer which has it announces this", async () => {
    const claim = `Unicast reply from ${virtualAddress} [02:00:00:00:00:0B]  0.8ms\n`;
    writeFileSync(file("network"), `${claim.repeat(9)}Unicast reply from 192.0.2.11 [02:00:00:00:00:0B]  0.8ms\n`);
    await expect(wait()).resolves.toMatchObject({
      status: 0,
      stdout:
        "192.0.2.5 is in use by the HAProxy machine 192.0.2.11, which does not announce it to master-1: keepalived starts when this ends\n",
    });
    expect(read("heard").split("\n")).toEqual(["192.0.2.11", "192.0.2.11"]);
  });
});
