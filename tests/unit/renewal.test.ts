import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renewal } from "../../config/renewal";
import { latestStepPath, stepCommand } from "../../render/step";
import { issue } from "../support/certificates";
import { FakeMachine } from "../support/steps";

const day = 24 * 60 * 60 * 1000;
const inDays = (days: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + days * day);
const iso = (date: Date) => date.toISOString().replace(".000", "");

describe("a renewal", () => {
  const now = Date.parse("2026-11-27T00:00:00Z");
  const until = (days: number, due = "") => ({ until: new Date(now + days * day).toISOString(), due });

  test("is asked for by an end that is near, and by the same one until there is another", () => {
    expect(renewal(undefined, 90, now)).toBe("");
    expect(renewal(until(91), 90, now)).toBe("");
    expect(renewal(until(89), 90, now)).toBe(until(89).until);
    expect(renewal(until(365, until(89).until), 90, now)).toBe(until(89).until);
    expect(renewal(until(5, until(89).until), 90, now)).toBe(until(5).until);
  });
});

describe("the step that renews a master's certificates", () => {
  let machine: FakeMachine;
  const file = (path: string) => join(machine.folder, path);
  const first = inDays(40);
  const later = inDays(365);
  const stopped = () => (existsSync(file("stopped")) ? readFileSync(file("stopped"), "utf8").trim().split("\n") : []);

  /** Certificates as kubeadm leaves them: in files, and in a kubeconfig. */
  async function certificates(folder: string, ends: Record<string, Date>): Promise<void> {
    mkdirSync(file(`${folder}/pki/etcd`), { recursive: true });
    for (const [name, end] of Object.entries(ends)) {
      const { certificate } = await issue(inDays(-1), end);
      const text = name.endsWith(".conf")
        ? `users:\n- user:\n    client-certificate-data: ${Buffer.from(certificate).toString("base64")}\n`
        : certificate;
      writeFileSync(file(`${folder}/${name}`), text);
    }
  }

  beforeEach(async () => {
    machine = new FakeMachine();
    await certificates("etc/kubernetes", {
      "pki/apiserver.crt": inDays(100),
      "pki/etcd/server.crt": first,
      "admin.conf": inDays(99),
    });
    await certificates("renewed", { "pki/apiserver.crt": later, "pki/etcd/server.crt": later, "admin.conf": later });
    machine.program("kubeadm", `[ "$*" = "certs renew all" ] && cp -r ${file("renewed")}/. ${file("etc/kubernetes")}/`);
    // A container that is stopped is there again, as another one; one that has ended can be seen until it is removed.
    machine.program(
      "crictl",
      `shift 2
       case $1 in
         ps) name=\${@: -1}; name=\${name//[\\^$]/}
           case "$*" in
             *Exited*) grep -h "^$name-" ${file("ended")} ;;
             *) echo "$name-$(grep -c "^$name" ${file("stopped")} 2>/dev/null || true)" ;;
           esac ;;
         stop) echo "\${@: -1}" | tee --append ${file("stopped")} >>${file("ended")} ;;
         # As when the kubelet is removing the last of them.
         rm) shift; for id; do sed -i "/^$id$/d" ${file("ended")}; done; exit 1 ;;
       esac`,
    );
    writeFileSync(file("ended"), "etcd-before\n");
    machine.program("kubectl", "echo ok");
  });
  afterEach(() => {
    machine.remove();
  });
  const renew = (due: string) => machine.run("renew-certificates", { parameters: { DUE: due } });

  test("says when the first ends, and touches nothing that is not due", async () => {
    await expect(renew("")).resolves.toEqual({ status: 0, stdout: `UNTIL=${iso(first)}\n`, stderr: "" });
    expect(stopped()).toEqual([]);
  });

  test("renews all that end together, and lets who uses them start again, one after the other", async () => {
    await expect(renew(iso(first))).resolves.toMatchObject({
      status: 0,
      stdout: `renewed, instead of those until ${iso(first)}\nUNTIL=${iso(later)}\n`,
    });
    expect(stopped().map((id) => id.replace(/-\d*$/, ""))).toEqual([
      ...["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"],
    ]);
    // The kubelet would wait before it starts what it has seen end before.
    expect(readFileSync(file("ended"), "utf8")).toBe("");
  });

  test("does nothing again what a run did that was cut off", async () => {
    await renew(iso(first));
    const before = stopped();
    await expect(renew(iso(first))).resolves.toMatchObject({ status: 0, stdout: `UNTIL=${iso(later)}\n` });
    expect(stopped()).toEqual(before);
  });

  test("leaves a machine that tells of one that is about to end, and renews it when it is mended", async () => {
    await machine.receive(["look-for-drift", "mend-drift"]);
    await renew("");
    const look = () => machine.shell(stepCommand(latestStepPath("look-for-drift"), {}, 60), "\n");
    expect((await look()).stdout).not.toContain("differs");
    await certificates("etc/kubernetes", { "pki/apiserver.crt": inDays(-0.5) });
    expect((await look()).stdout).toMatch(
      /^differs\tcertificate\t\S*apiserver\.crt\trenew-certificates\tin force\tuntil /m,
    );
    await expect(machine.shell(stepCommand(latestStepPath("mend-drift"), {}, 60), "\n")).resolves.toMatchObject({
      status: 0,
    });
    expect((await look()).stdout).not.toContain("differs");
    expect(stopped()).toHaveLength(4);
  });
});
