import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { reviewsFirstCreation } from "./reviews";
import {
  attempt,
  containers,
  folders,
  inventory,
  killUpAfter,
  killUpWhileCloning,
  machines,
  run,
  seeProcesses,
  temporaryFile,
} from "./support/lab";

/** What `make up` printed, and the arguments of every process that was seen while it worked. */
export const printed: string[] = [];
export const processes = new Set<string>();

/** A cluster is made, with interruptions, on a lab that comes up for it. */
export function describeCreation(): void {
  it("refuses bad configurations with one clear message each and creates nothing", async () => {
    await run("sim/up", []);
    const good = await readFile("Pulumi.sim.yaml", "utf8");
    const refusal = async (bad: string) => {
      const file = ["--config-file", await temporaryFile(bad)];
      const { code, stdout } = await attempt("sim/enter", ["pulumi", "up", "--yes", "--stack", "sim", ...file]);
      expect(code).not.toBe(0);
      const lines = stdout.split("\n").map((line) => line.trim());
      const first = lines.findIndex((line) => line.includes("the configuration of stack"));
      const problems = lines.slice(first + 1).filter((line) => / got .*, expected /.test(line));
      return [lines[first]?.replace(/^.*(?=the configuration of stack)/, ""), ...problems].join("\n");
    };
    const firstLine = (problems: string) =>
      `the configuration of stack sim has ${problems}; edit Pulumi.sim.yaml (namespace esxi-k8s), nothing was changed`;

    expect(
      await refusal(
        good
          .replace(/^ +master-3: .*\n/m, "")
          .replace("host: esxi-2, address: 10.20.0.32", "host: esxi-9, address: 10.20.0.31")
          .replace(
            "    domain: lab.localhost\n",
            `    domain: lab.localhost
    replicas: 3
    dynamic:
      http:
        routers:
          wiki: { rule: "Host(\`wiki lab\`)", service: demo-file }
          again: { rule: "Host(\`demo-consul.lab.localhost\`)", service: demo-file }
`,
          ),
      ),
    ).toBe(
      [
        firstLine("6 problems"),
        "workers.general.nodes.worker-2.address: got 10.20.0.31, expected an address of its own, because workers.general.nodes.worker-1.address has this one",
        "workers.general.nodes.worker-2.host: got esxi-9, expected a key of hosts: esxi-1, esxi-2",
        "controlPlane.nodes: got 2 masters, expected an odd number of three or more, because etcd needs a majority to survive a loss; controlPlane.allowNonHa: true accepts a stack that is not highly available",
        "ingress.replicas: got 3, expected at most 2, because Traefik places one pod on a worker and there are 2 workers that take pods",
        "ingress.dynamic.http.routers.wiki.rule: got `wiki lab` at character 6, expected a DNS name such as app.example.org",
        "ingress.dynamic.http.routers.again.rule: got demo-consul.lab.localhost, expected a host that no other source claims, because the demonstration has it",
      ].join("\n"),
    );
    expect(await refusal(`${good}  esxi-k8s:storage: { classes: { blocks: { type: ceph } } }\n`)).toBe(
      `${firstLine("1 problem")}\nstorage.classes.blocks.type: got "ceph", expected a type of storage: local-path, nfs, smb, vsphere`,
    );
    expect(await inventory()).toEqual({});
  });

  it("is reviewed before anything exists", reviewsFirstCreation);

  it("converges after it was killed in the middle of clones, of the masters' joins and of a Helm release", async () => {
    const left = await killUpWhileCloning();
    expect(left).not.toEqual([]);
    // kubeadm needs about 15 s for a master: this is when its etcd member is being taken in.
    const seeing = seeProcesses(processes);
    const second = await killUpAfter(/master-2-join creating/, 5);
    for (const name of left) {
      expect(second).toContain(`removed esxi-k8s/sim/${name}, which an interrupted run had left`);
    }
    printed.push(second);
    // And in the middle of a Helm release, which Helm will call pending.
    printed.push(await killUpAfter(/Release consul creating/, 2));
    const again = await attempt("make", ["--no-print-directory", "up"]);
    await seeing.stop();
    printed.push(again.stdout, again.stderr);
    expect(again, again.stderr).toMatchObject({ code: 0 });
  });

  it("has every machine once, on the host that the configuration names, in the stack's folder", async () => {
    expect(await inventory()).toEqual(machines);
    expect(await containers()).toEqual(Object.keys(machines));
    expect(await folders()).toBe("esxi-k8s\nesxi-k8s/sim");
    for (const row of (await run("sim/vcenter", ["inventory"]))
      .split("\n")
      .filter((line) => !/ template /.test(line))) {
      expect(row).toMatch(/ (esxi-k8s\/sim|FOLDER)$/);
    }
  });
}
