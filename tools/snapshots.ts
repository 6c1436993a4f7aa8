// Snapshots of a stack's cluster: snapshots.ts list STACK | snapshots.ts take STACK
// `take` has one taken and fetches it to artifacts/snapshots/, encrypted as it is; `list` says which there are, and where.
import { listed, fetch, names } from "./snapshot-files";
import { anyMaster, main, peers, readState, Refusal, Ssh } from "./stack-machines";

const [command, stack] = process.argv.slice(2);

async function list(stack: string): Promise<void> {
  const { reachable } = readState(stack);
  const { snapshots, silent } = await listed(new Ssh(reachable), reachable);
  for (const { name, bytes, on } of snapshots) {
    console.log(
      `${name}  ${(bytes / 1e6).toFixed(1).padStart(7)} MB  ${on.map(({ name: machine }) => machine).join(", ")}`,
    );
  }
  if (snapshots.length === 0) {
    console.log("no snapshots yet");
  }
  if (silent.length > 0) {
    console.log(`not asked, because they do not answer: ${names(silent)}`);
  }
}

async function take(stack: string): Promise<void> {
  const { reachable } = readState(stack);
  const ssh = new Ssh(reachable);
  const parameters = { EVERY: 0 };
  const masters = peers(reachable.masters);
  // One that serves, if there is one; without a quorum none does, and what a master has left is saved all the same.
  for (const master of [anyMaster(reachable), ...masters]) {
    const { code, stdout, stderr } = await ssh.step(master, "take-snapshot", { parameters, timeoutSeconds: 3600 });
    const [, name, bytes] = /^snapshot (\S+) (\d+)$/m.exec(stdout) ?? [];
    if (name !== undefined) {
      console.error(code === 0 ? stdout.trim() : stderr.trim());
      const on = masters.filter(({ name: machine }) => name.endsWith(`Z-${machine}.snapshot`));
      console.log(await fetch(ssh, { name, bytes: Number(bytes), on }));
      return;
    }
    if (code !== 255) {
      console.error(`${master.name} has taken none: ${stderr.trim()}`);
    }
  }
  throw new Refusal("no master could take a snapshot");
}

void main(async () => {
  if ((command !== "list" && command !== "take") || stack === undefined) {
    throw new Refusal("expected snapshots.ts list STACK, or snapshots.ts take STACK");
  }
  await { list, take }[command](stack);
});
