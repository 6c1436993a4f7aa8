// Makes a cluster anew that lost its quorum or all of its machines, or gives Consul an earlier store:
// restore.ts cluster STACK SNAPSHOT [OPTION OF pulumi up...] | restore.ts consul STACK SNAPSHOT
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parse } from "yaml";
import { findSnapshot, names } from "./snapshot-files";
import { main, peers, readState, Refusal, Ssh, type Peer, type State } from "./stack-machines";
import type { StepName } from "../components/machine/steps";

const [scope, stack, wanted = "", ...options] = process.argv.slice(2);

/** What a step says goes to people; of one that failed, why is the reason of the refusal. */
async function run(ssh: Ssh, machine: Peer, script: StepName, call: Parameters<Ssh["step"]>[2] = {}): Promise<void> {
  const { code, stdout, stderr } = await ssh.step(machine, script, { timeoutSeconds: 900, ...call });
  process.stdout.write(stdout.replaceAll(/^(?=.)/gm, `${machine.name}: `));
  if (code === 127) {
    throw new Refusal(
      `${machine.name} has no program ${script} yet: run make up STACK=${String(stack)} first, whatever it ends with`,
    );
  }
  if (code !== 0) {
    throw new Refusal(code === 255 ? `${machine.name} does not answer at ${machine.address}` : stderr.trim());
  }
}

function pulumi(...args: string[]): void {
  if (spawnSync("pulumi", args, { stdio: "inherit" }).status !== 0) {
    throw new Refusal(`pulumi ${args.slice(0, 2).join(" ")} failed, as said above`);
  }
}

/** The authority that everyone who knows the stack's cluster trusts. */
function authority({ kubeconfig }: State): string {
  if (kubeconfig === undefined) {
    throw new Refusal(
      `stack ${String(stack)} has not founded a cluster, and a snapshot is restored into the stack that took it: make up STACK=${String(stack)} makes a new cluster`,
    );
  }
  const { clusters } = parse(kubeconfig) as { clusters: { cluster: Record<string, string> }[] };
  return Buffer.from(clusters[0]?.cluster["certificate-authority-data"] ?? "", "base64").toString();
}

async function answering(ssh: Ssh, masters: Peer[]): Promise<{ there: Peer[]; silent: Peer[] }> {
  const codes = await Promise.all(masters.map((master) => ssh.run(master, "true").then(({ code }) => code)));
  return {
    there: masters.filter((_, index) => codes[index] === 0),
    silent: masters.filter((_, index) => codes[index] !== 0),
  };
}

async function restore(scope: "cluster" | "consul", stack: string): Promise<void> {
  const state = readState(stack);
  const { reachable } = state;
  const ca = authority(state);
  const ssh = new Ssh(reachable);
  const masters = peers(reachable.masters).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const { there, silent } = await answering(ssh, masters);
  const [chosen, ...others] = there;
  if (chosen === undefined || (scope === "cluster" && silent.length > 0)) {
    throw new Refusal(
      `${names(silent)} cannot be reached: a master that wakes up later with the old data might serve it beside the restored cluster. ` +
        `Start it, or, if it is lost for good, delete it in vCenter and run make up STACK=${stack}, which makes it anew and ends with no master that answers; then restore`,
    );
  }
  const file = await findSnapshot(ssh, reachable, wanted);

  await run(ssh, chosen, "open-snapshot", {
    parameters: {
      FOR: scope,
      MASTERS: masters.map(({ address }) => address).join(" "),
      ENDPOINT: `${reachable.endpoint}:6443`,
    },
    texts: { CA: ca, RECIPIENT: reachable.certificate, KEY: reachable.key },
    send: file,
  });
  if (scope === "consul") {
    await run(ssh, chosen, "restore-consul", { parameters: { IF: "any" } });
    return;
  }

  // Who a node is, the snapshot says from here on. Joins of nodes that it knows are a look; of others, a join. Masters that join get new
  // certificates.
  const looks = state.urns.filter((urn) => /command:remote:Command::\S+-(?:join|labels|certificates)$/.test(urn));
  if (looks.length > 0) {
    pulumi("state", "taint", ...looks, "--yes", "--stack", stack);
  }
  await Promise.all(others.map((master) => run(ssh, master, "forget-cluster")));
  await run(ssh, chosen, "restore-control-plane", {
    parameters: { ADDRESS: chosen.address, OTHERS: others.map(({ name }) => name).join(" ") },
  });
  const up = spawnSync(join(__dirname, "pulumi-up"), [stack, ...options], { stdio: "inherit" });
  if (up.status !== 0) {
    throw new Refusal(
      `the cluster is back on ${chosen.name}; what else failed is said above, and make up STACK=${stack} does the rest, but for Consul's store, which make restore-consul gives back if it is lost`,
    );
  }
  await run(ssh, chosen, "restore-consul", { parameters: { IF: "lost" } });
}

void main(async () => {
  if ((scope !== "cluster" && scope !== "consul") || stack === undefined) {
    throw new Refusal("expected restore.ts cluster|consul STACK SNAPSHOT");
  }
  await restore(scope, stack);
});
