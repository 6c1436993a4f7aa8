import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { attempt, run, temporaryFolder } from "./support/lab";

/**
 * A file system in a partition on a disk of 1 GiB that becomes one of 3 GiB while it is in use: a loop device, which is what this computer
 * has for disks. Prints what the step says of it, what it comes to, and what became of a file.
 */
const growing = `
set -euo pipefail
NODE=machine
report() { echo "$*"; }
source scripts/disk.sh
truncate --size 1G "$1/disk"
printf 'label: gpt\\nsize=600M, type=L\\n' | sfdisk --quiet "$1/disk"
disk=$(losetup --find --show "$1/disk")
clean_up() {
  ! mountpoint --quiet "$1" || umount "$1"
  partx --delete "$disk" || true
  losetup --detach "$disk"
}
trap 'clean_up "$1/mounted"' EXIT
partx --add "$disk"
"mkfs.$2" -q "$disk"p1
mkdir "$1/mounted"
mount "$disk"p1 "$1/mounted"
echo kept >"$1/mounted/file"
truncate --size 3G "$1/disk"
losetup --set-capacity "$disk"
status=0
( set -e; fill_disk "$1/mounted" "$3" ) || status=$?
echo "status $status, partition of $(($(<"/sys/class/block/\${disk#/dev/}p1/size") / 2048)) MiB"
df --output=size --block-size=1M "$1/mounted" | tail -n 1
cat "$1/mounted/file"
umount "$1/mounted"
# What there is to say of it at rest.
case $2 in
  ext4) e2fsck -fn "$disk"p1 >/dev/null && resize2fs "$disk"p1 && e2fsck -fn "$disk"p1 >/dev/null ;;
  xfs) xfs_repair -n "$disk"p1 >/dev/null ;;
esac
`;
const grow = async (kind: string, gib: number) =>
  attempt("bash", ["-c", growing, "bash", await temporaryFolder(), kind, String(gib)]);

/** Linux lets ext4 grow while it is mounted only those who may use more than their share, which a sandbox may keep even from root. */
async function mayGrowExt4(): Promise<boolean> {
  const [, effective = "0"] = /^CapEff:\s*(\w+)/m.exec(await readFile("/proc/self/status", "utf8")) ?? [];
  return ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
}

/** What a machine does with a disk that vCenter has made larger. */
export function describeDisk(): void {
  it("lets partition and xfs fill it, in use", async () => {
    const { code, stdout, stderr } = await grow("xfs", 3);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/mounted has 2\.\dG of 3 GiB\nstatus 0, partition of 30\d\d MiB\n +(29|30)\d\d\nkept\n/);
  });

  it("does the same with ext4, in use where the kernel allows that to this user", async () => {
    const { code, stdout, stderr } = await grow("ext4", 3);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/, partition of 30\d\d MiB\n/);
    expect(stdout).toContain("\nkept\n");
    if (await mayGrowExt4()) {
      expect(stdout).toMatch(/\nstatus 0, .*\n +(28|29)\d\d\n/);
    } else {
      // The partition has grown, and the step says why it failed; at rest the file system follows.
      expect(stdout).toMatch(/\nstatus 1, /);
      expect(stderr).toContain("Permission denied to resize filesystem");
      expect(stdout + stderr).toMatch(/is now \d+ \(4k\) blocks long/);
    }
  });

  it("says so when the machine does not see that the disk is larger", async () => {
    const { stdout } = await grow("xfs", 4);
    expect(stdout).toContain(
      "machine sees a disk of 3 GiB, which is to have 4: restart it, or look at its disk in vCenter\nstatus 1, ",
    );
  });

  it("has nothing to grow where the root is on no disk, as in a container", async () => {
    const root = join(await temporaryFolder(), "root");
    const said = await run("unshare", [
      ...["--mount", "bash", "-c"],
      'set -e; NODE=machine; report() { echo "$*"; }; source scripts/disk.sh; mkdir "$1"; mount -t tmpfs none "$1"; fill_disk "$1" 40',
      ...["bash", root],
    ]);
    expect(said).toBe(`nothing to grow: ${root} is on no disk of this machine, but on tmpfs`);
  });
}
