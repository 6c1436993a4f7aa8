import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseDocument } from "yaml";
import { inLab, run, temporaryFolder } from "./support/lab";

/** What is to happen to a resource. */
interface Step {
  op: string;
  urn: string;
}

/** The hosts of the lab. A preview looks names up and nothing else, so one of them may stand for two. */
const labHosts = [1, 2].map((n) => ({ name: `esxi-${String(n)}.lab.internal`, datastore: `esxi-${String(n)}-local` }));

/** What the owner of the lab's vCenter fills in. */
async function fillIn(file: string): Promise<void> {
  const document = parseDocument(await readFile(file, "utf8"));
  const set = (path: string[], value: unknown) => {
    expect(document.getIn(["config", ...path]), path.join(".")).toMatch(/^CHANGE-ME: /);
    document.setIn(["config", ...path], value);
  };
  const { config } = document.toJS() as { config: Record<string, object> };
  Object.keys(config["esxi-k8s:hosts"] ?? {}).forEach((key, index) => {
    for (const [what, name] of Object.entries(labHosts[index % labHosts.length] ?? {})) {
      set(["esxi-k8s:hosts", key, what], name);
    }
  });
  set(["esxi-k8s:vcenter", "server"], "10.20.0.2");
  set(["esxi-k8s:vcenter", "user"], "administrator@vsphere.local");
  set(["esxi-k8s:vcenter", "datacenter"], "lab");
  // The simulator's certificate is nobody's.
  document.setIn(["config", "esxi-k8s:vcenter", "allowUnverifiedSsl"], true);
  set(["esxi-k8s:template", "name"], "ubuntu-24.04");
  set(["esxi-k8s:network", "portGroup"], "vlan-20");
  set(["esxi-k8s:ingress", "domain"], "k8s.home.arpa");
  await writeFile(file, document.toString({ lineWidth: 0 }));
}

/** The environments of the repository, made in a checkout of their owner's by the commands of docs/environments.md. */
export function describeEnvironments(): void {
  it.each([
    ["lab", ["haproxy-1", "master-1", "master-2", "master-3", "worker-1", "worker-2"]],
    [
      "prod",
      [
        ...["haproxy-1", "haproxy-2", "master-1", "master-2", "master-3", "master-4", "master-5"],
        ...["worker-1", "worker-2", "worker-3"],
      ],
    ],
  ])("preview %s as the repository has it, on the lab's vCenter", async (from, machines) => {
    const checkout = await temporaryFolder();
    await run("bash", ["-c", `git ls-files -co --exclude-standard | xargs cp --parents -t "$0"`, checkout]);
    await run("ln", ["-s", `${process.cwd()}/node_modules`, checkout]);
    const backend = [`PULUMI_BACKEND_URL=file://${await temporaryFolder()}`, "PULUMI_CONFIG_PASSPHRASE=of-an-owner"];
    const pulumi = (...args: string[]) => inLab("env", ...backend, "pulumi", "-C", checkout, ...args);
    const password = await inLab("pulumi", "config", "get", "vcenterPassword", "--stack", "sim");

    await run("cp", [join(checkout, `Pulumi.${from}.yaml`), join(checkout, "Pulumi.mine.yaml")]);
    await fillIn(join(checkout, "Pulumi.mine.yaml"));
    await pulumi("stack", "init", "mine");
    await pulumi("config", "set", "--stack", "mine", "--secret", "vcenterPassword", password);
    const { steps } = JSON.parse(await pulumi("preview", "--stack", "mine", "--json")) as { steps: Step[] };

    const created = (type: string) =>
      steps.flatMap(({ op, urn }) => {
        const [, , types, name] = urn.split("::");
        return op === "create" && types?.split("$").at(-1) === type ? [String(name)] : [];
      });
    expect(created("vsphere:index/virtualMachine:VirtualMachine").sort()).toEqual(machines);
    expect(new Set(steps.map(({ op }) => op))).toEqual(new Set(["create"]));
    // A shared address takes two of them.
    const sharing = machines.includes("haproxy-2") ? ["haproxy-1-keepalived", "haproxy-2-keepalived"] : [];
    const keepalived = created("command:remote:Command").filter((name) => name.endsWith("-keepalived"));
    expect(keepalived.sort()).toEqual(sharing);
    expect(await readFile(join(checkout, "Pulumi.mine.yaml"), "utf8")).not.toContain(password);
  });
}
