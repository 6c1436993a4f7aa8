import { createServer, type Server } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeMachine } from "../support/steps";

let machine: FakeMachine;
let server: Server;
let port: number;
beforeEach(async () => {
  machine = new FakeMachine();
  machine.program("mount.nfs", "exit 0");
  machine.program("mount.cifs", "exit 0");
  machine.program("modprobe", "exit 0");
  machine.program("umount", "exit 0");
  machine.program("showmount", 'echo "/volume1/media 10.0.0.0/8"; echo "/volume1/kubernetes *"');
  server = createServer((socket) => socket.end());
  port = await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve((server.address() as { port: number }).port);
    });
  });
});
afterEach(() => {
  server.close();
  machine.remove();
});

/** What the kernel of the machine can mount; the server listens at another port than those of NFS and SMB. */
const run = (inputs: Record<string, string>, filesystems: string, stdin = "") => {
  const file = join(machine.folder, "filesystems");
  writeFileSync(file, filesystems);
  return machine.run(
    "try-share",
    {
      parameters: {
        CLASS: "nas",
        TYPE: "nfs",
        SERVER: "127.0.0.1",
        SHARE: "/volume1/kubernetes",
        OPTIONS: "",
        USERNAME: "",
        ...inputs,
      },
      stdin,
    },
    (text) => text.replace(/port=(2049|445)/g, `port=${String(port)}`).replace("/proc/filesystems", file),
  );
};
const said = (stderr: string) => stderr.trimEnd().split("\n").slice(-2);
const mounts = "nodev\tnfs4\nnodev\tcifs\n";

describe("a share that a worker tries", () => {
  test("is mounted as the class says, and let go", async () => {
    machine.program("mount", `echo "$*" >>${machine.folder}/done`);
    machine.program("umount", `echo "umount $*" >>${machine.folder}/done`);
    const outcome = await run({ OPTIONS: "nfsvers=4.1,hard" }, mounts);
    expect(outcome).toMatchObject({ status: 0, stdout: "127.0.0.1:/volume1/kubernetes can be mounted\n" });
    const [mounted, let_go] = (await machine.shell(`cat ${machine.folder}/done`, "")).stdout.split("\n");
    expect(mounted).toMatch(
      /^--types nfs --options ro,soft,timeo=100,retrans=1,nfsvers=4\.1,hard 127\.0\.0\.1:\/volume1\/kubernetes /,
    );
    expect(let_go).toMatch(/^umount /);
  });

  test("is named when the server refuses it, with what the server exports", async () => {
    machine.program("mount", 'echo "mount.nfs: access denied by server" >&2; exit 32');
    expect(said((await run({}, mounts)).stderr)).toEqual([
      "master-1 cannot mount 127.0.0.1:/volume1/kubernetes: mount.nfs: access denied by server (127.0.0.1 exports /volume1/kubernetes, /volume1/media)",
      "let the server export it to this node, or correct storage.classes.nas.share and mountOptions, then run pulumi up again",
    ]);
  });

  test("of SMB logs in by a file that others cannot read, and says whose password is wrong", async () => {
    machine.program(
      "mount",
      `for word; do case $word in *credentials=*) file=\${word##*credentials=}; cat "$file"; stat -c %a "$file" ;; esac; done >${machine.folder}/done; echo "mount error(13): Permission denied" >&2; exit 32`,
    );
    const outcome = await run({ TYPE: "smb", SHARE: "media", USERNAME: "EXAMPLE/k8s" }, mounts, "correct-horse");
    expect(said(outcome.stderr)).toEqual([
      "master-1 cannot mount //127.0.0.1/media as EXAMPLE/k8s: mount error(13): Permission denied",
      "correct storage.classes.nas (share, user, mountOptions), or the password: smbPasswords.nas, then run pulumi up again",
    ]);
    expect(machine.log("try-share")).not.toContain("correct-horse");
    const { stdout } = await machine.shell(`cat ${machine.folder}/done`, "");
    expect(stdout).toBe("username=k8s\npassword=correct-horse\ndomain=EXAMPLE\n600\n");
  });

  test("is looked for among the exports where the kernel mounts none", async () => {
    expect(await run({}, "ext4\n")).toMatchObject({
      status: 0,
      stdout: "127.0.0.1:/volume1/kubernetes answers; it was not mounted, because the kernel of master-1 has no nfs4\n",
    });
    expect((await run({ SHARE: "/volume1/media/films" }, "ext4\n")).status).toBe(0);
    const { status, stderr } = await run({ SHARE: "/volume1/med" }, "ext4\n");
    expect(status).toBe(1);
    expect(said(stderr)).toEqual([
      "127.0.0.1 does not export /volume1/med, but /volume1/kubernetes, /volume1/media",
      "export it, or correct storage.classes.nas.share, then run pulumi up again",
    ]);
  });

  test("says who does not answer, and where", async () => {
    server.close();
    expect(said((await run({}, mounts)).stderr)).toEqual([
      `master-1 does not reach 127.0.0.1 at port ${String(port)}`,
      "make it answer there, or correct storage.classes.nas.server, then run pulumi up again",
    ]);
  });

  test("needs a program that a template may lack", async () => {
    const text = (script: string) => script.replaceAll("mount.${filesystem", "mount.none.${filesystem");
    const { stderr } = await machine.run(
      "try-share",
      { parameters: { CLASS: "nas", TYPE: "nfs", SERVER: "127.0.0.1", SHARE: "/a", OPTIONS: "", USERNAME: "" } },
      text,
    );
    expect(said(stderr)).toEqual([
      "master-1 has no mount.none.nfs, which mounts 127.0.0.1:/a",
      "use a template with the package nfs-common, or kubernetes.install: packages, then run pulumi up again",
    ]);
  });
});
