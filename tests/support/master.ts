import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { issue, type Issued } from "./certificates";
import { FakeMachine, type Outcome } from "./steps";

const day = 24 * 60 * 60 * 1000;
const pair = () => issue(new Date(Date.now() - day), new Date(Date.now() + day));

/** Key pairs of a stack and its cluster, and of others. */
export interface Keys {
  stack: Issued;
  otherStack: Issued;
  ca: Issued;
  etcdCa: Issued;
  frontProxyCa: Issued;
  otherCa: Issued;
}

export async function makeKeys(): Promise<Keys> {
  const [stack, otherStack, ca, etcdCa, frontProxyCa, otherCa] = await Promise.all([
    ...[pair(), pair(), pair()],
    ...[pair(), pair(), pair()],
  ]);
  return { stack, otherStack, ca, etcdCa, frontProxyCa, otherCa } as Keys;
}

export const sha256 = (content: Buffer) => createHash("sha256").update(content);

/** What etcd writes: pages, and the hash of them. */
export const etcdData = (pages = randomBytes(1024)): Buffer => Buffer.concat([pages, sha256(pages).digest()]);

export interface Settings {
  data?: Buffer;
  authority?: Issued;
  copies?: string;
  keep?: number;
}

/** A machine that takes snapshots when it is a master, and is given some. */
export class FakeMaster extends FakeMachine {
  /** Folders, below the machine's. */
  readonly taken = "var/lib/esxi-k8s/snapshots";
  readonly opened = "var/lib/esxi-k8s/restore";

  constructor(private readonly keys: Keys) {
    super();
    const real = execFileSync("bash", ["--norc", "-c", "type -P sha256sum"], { encoding: "utf8" }).trim();
    // Hashes of steps are those of other texts here; all others are real.
    this.program(
      "sha256sum",
      `case "\${1:-}" in *-????????????.new) basename "$1" .new | sed 's/.*-//' ;; *) exec ${real} "$@" ;; esac`,
    );
    this.program("kubeadm", "echo v1.37.2");
    this.program("kubectl", `echo "$*" >>${this.file("asked")}; case "$*" in *"get service"*) exit 1 ;; esac`);
    this.program("ssh", `echo "$*" >>${this.file("copied")}; cat >${this.file("copy")}`);
    this.program("curl", "exit 7");
    // An image's file system, with etcd's programs in it.
    this.program(
      "ctr",
      `[ "$4" = mount ] || exit 0
mkdir -p "$6/usr/local/bin"
printf '#!/bin/bash\\ncp ${this.file("etcd.db")} "\${@: -1}"\\n' >"$6/usr/local/bin/etcdctl"
cat >"$6/usr/local/bin/etcdutl" <<'END'
#!/bin/bash
echo "etcdutl $*" >>${this.file("done")}
echo '{"hash":1,"revision":4711,"totalKey":42,"totalSize":1056}'
END
chmod +x "$6"/usr/local/bin/*`,
    );
    // Unmounting leaves a folder that is empty.
    this.program("rmdir", 'rm -r "$1"');
  }

  file(path: string): string {
    return join(this.folder, path);
  }

  put(path: string, content: string | Buffer): void {
    mkdirSync(dirname(this.file(path)), { recursive: true });
    writeFileSync(this.file(path), content);
  }

  /** Makes it a member of a cluster, with all that a snapshot is taken of. */
  join({ data = etcdData(), authority = this.keys.ca, copies, keep = 12 }: Settings = {}): void {
    const { etcdCa, frontProxyCa, stack } = this.keys;
    this.put("etcd.db", data);
    this.put("etc/kubernetes/manifests/etcd.yaml", "spec:\n  containers:\n  - image: registry.k8s.io/etcd:3.7.0-0\n");
    const pairs = { ca: authority, "etcd/ca": etcdCa, "front-proxy-ca": frontProxyCa };
    for (const [name, { certificate, key }] of Object.entries(pairs)) {
      this.put(`etc/kubernetes/pki/${name}.crt`, certificate);
      this.put(`etc/kubernetes/pki/${name}.key`, key);
    }
    this.put("etc/kubernetes/pki/sa.key", "a key");
    this.put("etc/kubernetes/pki/sa.pub", "a key");
    this.put("etc/esxi-k8s/snapshots/settings", `STACK=lab\nKEEP=${String(keep)}\n`);
    this.put("etc/esxi-k8s/snapshots/copies", copies ?? "haproxy-1 machine k8s@192.0.2.10 22 -\n");
    this.put("etc/esxi-k8s/snapshots/recipient.pem", stack.certificate);
  }

  /** @param every minutes */
  take(every = 360): Promise<Outcome> {
    return this.run("take-snapshot", { parameters: { EVERY: every } });
  }

  /** Names of the snapshots that it has, the oldest first. */
  snapshots(): string[] {
    return readdirSync(this.file(this.taken))
      .filter((name) => name.endsWith(".snapshot"))
      .sort();
  }
}

/** What a step that failed said last. */
export const lastLine = ({ stderr }: Outcome): string | undefined => stderr.trimEnd().split("\n").at(-1);
