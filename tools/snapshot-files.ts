import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { shellWord } from "../render/step";
import { peers, Refusal, type Peer, type Reachable, type Ssh } from "./stack-machines";

/** A snapshot, and which machines have it. */
export interface SnapshotFile {
  name: string;
  bytes: number;
  on: Peer[];
}

const folder = "/var/lib/esxi-k8s/snapshots";
const fetched = join(__dirname, "..", "artifacts", "snapshots");

export const names = (machines: Peer[]): string => machines.map(({ name }) => name).join(", ");

/** What there is on HAProxy machines and masters, the oldest first. */
export async function listed(ssh: Ssh, reachable: Reachable): Promise<{ snapshots: SnapshotFile[]; silent: Peer[] }> {
  const found = new Map<string, SnapshotFile>();
  const silent: Peer[] = [];
  const asked = [...peers(reachable.frontends), ...peers(reachable.masters)];
  const list = `sudo -n find ${folder} -maxdepth 1 -name '*.snapshot' -printf '%f %s\\n'`;
  const answers = await Promise.all(
    asked.map((machine) => ssh.run(machine, `if sudo -n test -e ${folder}; then ${list}; fi`)),
  );
  for (const [index, { code, stdout }] of answers.entries()) {
    const machine = asked[index] as Peer;
    if (code !== 0) {
      silent.push(machine);
    }
    for (const line of stdout.split("\n").filter(Boolean)) {
      const [name = "", bytes] = line.split(" ");
      const { on } = found.get(name) ?? { on: [] };
      found.set(name, { name, bytes: Number(bytes), on: [...on, machine] });
    }
  }
  const time = ({ name }: SnapshotFile) => /\d{8}T\d{6}Z/.exec(name)?.[0] ?? "";
  return { snapshots: [...found.values()].sort((a, b) => (time(a) < time(b) ? -1 : 1)), silent };
}

/** Fetches a snapshot from a machine that has it; returns the file. */
export async function fetch(ssh: Ssh, { name, bytes, on }: SnapshotFile): Promise<string> {
  mkdirSync(fetched, { recursive: true, mode: 0o700 });
  const file = join(fetched, name);
  for (const machine of on) {
    const part = `${file}.part`;
    const { code } = await ssh.run(machine, `sudo -n cat ${shellWord(join(folder, name))}`, { receive: part });
    if (code === 0 && statSync(part).size === bytes) {
      renameSync(part, file);
      return file;
    }
  }
  throw new Refusal(`${name} could not be fetched whole from ${names(on)}: see whether they answer`);
}

/** The file that is meant: one of this computer, or a snapshot that machines have, by its name or as `latest`. */
export async function findSnapshot(ssh: Ssh, reachable: Reachable, wanted: string): Promise<string> {
  if (wanted !== "" && existsSync(wanted)) {
    return wanted;
  }
  const { snapshots, silent } = await listed(ssh, reachable);
  const found = wanted === "latest" ? snapshots.at(-1) : snapshots.find(({ name }) => name === wanted);
  if (found) {
    return fetch(ssh, found);
  }
  const there = snapshots.map(({ name }) => `\n  ${name}`).join("") || " none";
  const others = silent.length > 0 ? `\nnot asked, because they do not answer: ${names(silent)}` : "";
  throw new Refusal(
    `${wanted === "" ? "which snapshot?" : `no file and no snapshot ${wanted}:`} SNAPSHOT is a file, 'latest', or one of those that machines have:${there}${others}`,
  );
}
