import type * as pulumi from "@pulumi/pulumi";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { steps } from "../../../components/machine/steps";
import { sshKeyPair } from "../../../render/ssh-key";
import { mastersSshPort } from "../../../render/haproxy";
import { deliveryPath, deliveryText, stepFile } from "../../../render/step";
import { validConfig, vary } from "../../support/configs";
import { hostKeySeed, randomBytes, readStep, recordOnce, stepsOf, type Declared } from "../../support/recorder";

const recorded = recordOnce(
  vary(validConfig(), {
    controlPlane: { protect: true },
    workers: { general: { diskGiB: 8 } },
  }),
);

/** Every machine of the configuration: the host and the address that it names. */
const places = [
  ["haproxy-1", "esxi-1", "10.20.0.10"],
  ["master-1", "esxi-1", "10.20.0.21"],
  ["master-2", "esxi-2", "10.20.0.22"],
  ["master-3", "esxi-1", "10.20.0.23"],
  ["worker-1", "esxi-1", "10.20.0.31"],
  ["worker-2", "esxi-2", "10.20.0.32"],
] as const;

/** Whose key a machine is known by: the masters share one. */
const keyOf = (name: string) => (name.startsWith("master") ? "control-plane" : name);

function guestinfo(vm: Declared, key: "metadata" | "userdata"): unknown {
  const settings = vm.inputs.extraConfig as Record<string, string>;
  expect(settings[`guestinfo.${key}.encoding`]).toBe("base64");
  return parse(Buffer.from(settings[`guestinfo.${key}`] ?? "", "base64").toString());
}

describe("virtual machines", () => {
  test("there is one for each that the configuration names, and no other", () => {
    const names = recorded()
      .ofType("VirtualMachine")
      .map(({ name }) => name);
    expect(names.sort()).toEqual(places.map(([name]) => name).sort());
  });

  test.each(places)("%s is cloned onto %s", (name, host) => {
    expect(recorded().vm(name).inputs).toMatchObject({
      name,
      hostSystemId: `host ${host}.lab.internal`,
      resourcePoolId: `pool ${host}.lab.internal`,
      datastoreId: `datastore ${host}-local`,
      networkInterfaces: [{ networkId: "network vlan-20", adapterType: "vmxnet3" }],
      clone: { templateUuid: "template ubuntu-24.04-k8s" },
      guestId: "ubuntu64Guest",
      firmware: "efi",
      scsiType: "pvscsi",
      // Nobody waits for VMware Tools to report an address that the configuration has decided.
      waitForGuestNetTimeout: 0,
    });
  });

  test.each(places)("%s on %s gets the static address %s", (name, _host, address) => {
    expect(guestinfo(recorded().vm(name), "metadata")).toEqual({
      "instance-id": name,
      "local-hostname": name,
      "cleanup-guestinfo": ["userdata"],
      network: {
        version: 2,
        ethernets: {
          lan: {
            match: { name: "e*" },
            dhcp4: false,
            dhcp6: false,
            addresses: [`${address}/24`],
            routes: [{ to: "default", via: "10.20.0.1" }],
            nameservers: { addresses: ["10.20.0.1"] },
          },
        },
      },
    });
  });

  test.each(places)("%s lets the stack's key in and proves itself with its key", (name) => {
    const own = sshKeyPair(hostKeySeed(keyOf(name)));
    const admin = sshKeyPair(randomBytes("esxi-admin-key"));
    expect(guestinfo(recorded().vm(name), "userdata")).toMatchObject({
      users: [{ name: "k8s", ssh_authorized_keys: [admin.publicKey] }],
      ssh_keys: { ed25519_private: own.privateKey, ed25519_public: own.publicKey },
    });
  });

  test("host keys differ, but for the masters, which all are the cluster", () => {
    const keys = places.map(([name]) => [keyOf(name), (recorded().get("Machine", name).outputs ?? {}).hostKey]);
    const byKind = new Map(keys as [string, string][]);
    expect(byKind.size).toBe(4);
    expect(new Set(byKind.values()).size).toBe(4);
    expect(new Set(keys.map((key) => key.join())).size).toBe(4);
  });

  test("sizes come from the group", () => {
    expect(recorded().vm("master-2").inputs).toMatchObject({ numCpus: 2, memory: 4096, disks: [{ size: 20 }] });
    expect(recorded().vm("haproxy-1").inputs).toMatchObject({ numCpus: 1, memory: 1024, disks: [{ size: 20 }] });
    expect(recorded().vm("worker-1").inputs).toMatchObject({ disks: [{ label: "disk0", size: 8 }] });
  });

  test("masters are protected, what can be rebuilt is not", () => {
    const isProtected = recorded()
      .ofType("VirtualMachine")
      .filter((vm) => vm.protect)
      .map(({ name }) => name);
    expect(isProtected.sort()).toEqual(["master-1", "master-2", "master-3"]);
  });

  test.each(places)("%s on %s is replaced when %s changes, old one first", (name, _host, address) => {
    expect(recorded().vm(name)).toMatchObject({
      replacementTrigger: `${address}, generation 0.0`,
      deleteBeforeReplace: true,
    });
  });

  test.each(places)("%s outlives a rebuilt template", (name) => {
    expect(recorded().vm(name).ignoreChanges).toEqual(expect.arrayContaining(["clone", "extraConfig"]));
  });

  test("are made by the provider of the one vCenter", () => {
    const provider = recorded().get("pulumi:providers:vsphere", "esxi-vcenter");
    for (const vm of recorded().ofType("VirtualMachine")) {
      expect(vm.provider).toBe(`${provider.urn}::id of esxi-vcenter`);
    }
    expect(provider.inputs).toEqual({
      vsphereServer: "10.20.0.2",
      user: "administrator@vsphere.local",
      password: "correct-horse-7731",
      allowUnverifiedSsl: "true",
    });
  });
});

describe("what is looked up in vCenter", () => {
  test("everything by name, in the datacenter, through the provider of the stack", () => {
    const provider = recorded().get("pulumi:providers:vsphere", "esxi-vcenter");
    const datacenterId = "datacenter lab";
    const looked = recorded().calls.map(({ token, inputs }) => ({ token: token.split(":").at(-1), ...inputs }));
    expect(looked).toHaveLength(7);
    expect(looked).toEqual(
      expect.arrayContaining([
        { token: "getDatacenter", name: "lab" },
        { token: "getNetwork", name: "vlan-20", datacenterId },
        { token: "getVirtualMachine", name: "ubuntu-24.04-k8s", datacenterId },
        { token: "getHost", name: "esxi-1.lab.internal", datacenterId },
        { token: "getHost", name: "esxi-2.lab.internal", datacenterId },
        { token: "getDatastore", name: "esxi-1-local", datacenterId },
        { token: "getDatastore", name: "esxi-2-local", datacenterId },
      ]),
    );
    for (const { provider: used } of recorded().calls) {
      expect(used).toBe(`${provider.urn}::id of esxi-vcenter`);
    }
  });
});

describe("names with characters that a lookup would take for patterns", () => {
  const odd = recordOnce(
    vary(validConfig(), {
      template: { name: "Templates/[24.04] ubuntu*" },
      network: { portGroup: "VLAN 20/lab?" },
    }),
  );

  test("are looked up as they are", () => {
    const looked = odd().calls.map(({ inputs }) => inputs.name);
    expect(looked).toEqual(expect.arrayContaining(["Templates/\\[24.04] ubuntu\\*", "VLAN 20/lab\\?"]));
  });
});

describe("steps", () => {
  /** Undefined for a step that any master that serves may be asked for, behind the frontend. */
  const machineOf = (step: Declared) => {
    const { host, port } = step.inputs.connection as { host: string; port: number };
    if (port === mastersSshPort) {
      expect(host, step.name).toBe("10.20.0.10");
      return undefined;
    }
    const place = places.find(([, , address]) => address === host);
    if (!place) {
      throw new Error(`${step.name} runs on ${host}, which is no machine`);
    }
    return place[0];
  };

  test("every connection verifies the machine's host key and gives up after a time", () => {
    const admin = sshKeyPair(randomBytes("esxi-admin-key"));
    const commands = recorded().ofType("command:remote:Command");
    expect(commands.length).toBeGreaterThan(19);
    for (const step of commands) {
      const { dialErrorLimit, perDialTimeout, ...connection } = step.inputs.connection as Record<string, unknown>;
      const machine = machineOf(step);
      expect(connection, step.name).toEqual({
        host: connection.host,
        port: machine === undefined ? mastersSshPort : 22,
        user: "k8s",
        privateKey: admin.privateKey,
        hostKey: sshKeyPair(hostKeySeed(machine === undefined ? "control-plane" : keyOf(machine))).publicKey,
      });
      // 0 would mean without end. Only a machine that boots is waited for: another that does not answer is down.
      const seconds = (Number(dialErrorLimit) + 1) * Number(perDialTimeout);
      expect(seconds, step.name).toBeGreaterThan(0);
      const most = machine === undefined ? 60 : 18;
      expect(/-(reached|back)$/.test(step.name) ? seconds > 500 : seconds < most, step.name).toBe(true);
    }
  });

  test("what needs the cluster asks any master that serves, what needs a machine that machine", () => {
    const anywhere = recorded()
      .ofType("command:remote:Command")
      .filter((step) => machineOf(step) === undefined)
      .map(({ name }) => name.replace(/^(master|worker)-\d-/, ""));
    expect([...new Set(anywhere)].sort()).toEqual([
      ...["away", "consul-acl", "consul-entries", "consul-presents", "consul-trusts"],
      ...["control-plane-gate", "control-plane-kubeconfig", "control-plane-kubernetes"],
      ...["labels", "membership", "ready", "storage-local-path-volumes"],
    ]);
  });

  test("every step is run anew on a new machine, and when a text changes, which is how a preview shows it", () => {
    for (const step of recorded().ofType("command:remote:Command")) {
      // Of a stack that is not there yet, nobody is asked whether it may be another one.
      const asked = step.name === "control-plane-gate" ? ["update"] : [];
      expect(step.replaceOnChanges, step.name).toEqual([...asked, "triggers[*]"]);
      const machine = machineOf(step);
      const triggers = [...(step.inputs.triggers as unknown[])];
      if (machine !== undefined && !/-(relief|back)$/.test(step.name)) {
        expect(triggers.shift(), step.name).toBe(`uuid of ${machine}`);
      }
      if (stepsOf(recorded()).includes(step)) {
        const { texts } = readStep(step);
        expect(triggers.slice(0, 1), step.name).toEqual(Object.keys(texts).length > 0 ? [texts] : triggers.slice(0, 1));
      }
    }
    expect(recorded().command("haproxy-1-haproxy").inputs.triggers).toHaveLength(2);
  });

  test("no command line is longer than a person reads", () => {
    for (const step of stepsOf(recorded())) {
      expect(String(step.inputs.create).length, step.name).toBeLessThan(420);
      expect(String(step.inputs.create), step.name).not.toContain("\n");
    }
  });

  test("a machine gets its steps once, and the steps of its role alone", async () => {
    for (const [name] of places) {
      const { create } = recorded().command(`${name}-booted`).inputs;
      const { source, remotePath, triggers } = recorded().get("CopyToRemote", `${name}-steps`).inputs;
      const scripts = steps[name.startsWith("haproxy") ? "frontend" : name.startsWith("master") ? "master" : "worker"];
      const words = String(create).split(" ");
      expect(words.slice(words.indexOf("--") + 1)).toEqual(scripts.map((script) => stepFile(script).name));
      expect(readFileSync(await (source as pulumi.asset.FileAsset).path, "utf8")).toBe(deliveryText(scripts));
      expect({ remotePath, triggers }).toEqual({ remotePath: deliveryPath, triggers: [`uuid of ${name}`] });
    }
    for (const step of stepsOf(recorded())) {
      const { create } = recorded().command(`${machineOf(step) ?? "master-1"}-booted`).inputs;
      expect(String(create), step.name).toContain(stepFile(readStep(step).script).name);
    }
  });

  test("no step sees what an earlier run printed, needs sshd's AcceptEnv, or is another when it runs again", () => {
    for (const { name, inputs } of recorded().ofType("command:remote:Command")) {
      expect(inputs.addPreviousOutputInEnv, name).toBe(false);
      expect(inputs, name).not.toHaveProperty("environment");
      const runs = Object.keys(inputs).filter((key) => ["create", "update"].includes(key));
      // One that does something only when it goes.
      expect(runs, name).toHaveLength(name === "storage-local-path-volumes" ? 0 : 1);
    }
  });

  test("labels are set again when a node is another machine", () => {
    const step = recorded().command("worker-2-labels");
    expect(readStep(step)).toMatchObject({ script: "label-node", parameters: { NAME: "worker-2" } });
    expect(step.inputs.triggers).toEqual([readStep(step).texts, "uuid of worker-2"]);
  });
});
