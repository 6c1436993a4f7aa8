// Reviews what `pulumi up` would do to a stack: review.ts STACK [OPTION OF pulumi preview...]
// Prints the review, and writes it to artifacts/review-STACK.md, and what it says to programs to artifacts/review-STACK.json.
// Ends with 1 when there is no result to review; the review then says why.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { markdown } from "../review/markdown";
import type { Outcome } from "../review/problems";
import { review, summary } from "../review/review";

const [stack, ...options] = process.argv.slice(2);
if (stack === undefined || !/^[\w./-]+$/.test(stack)) {
  console.error("error: which stack? review.ts STACK [OPTION OF pulumi preview...]");
  process.exit(2);
}

function pulumi(...args: string[]): Outcome {
  const { status, signal, stdout, stderr, error } = spawnSync("pulumi", [...args, "--non-interactive"], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "pipe"],
    // With it, a preview is no document but a stream of events.
    env: { ...process.env, PULUMI_ENABLE_STREAMING_JSON_PREVIEW: undefined },
  });
  // Neither has been read when the program could not be started.
  return { code: status, signal, stdout: error ? "" : stdout, stderr: error ? `error: ${error.message}` : stderr };
}

/**
 * Who works on the stack. Pulumi's own service refuses a preview then. A folder does not, and the preview would be of a stack that is
 * half one thing and half the other.
 */
function lock(): string | undefined {
  try {
    const { url } = JSON.parse(pulumi("whoami", "--verbose", "--json").stdout) as { url: string };
    const folder = join(fileURLToPath(url), ".pulumi", "locks", "organization", "esxi-k8s", stack ?? "");
    const [file] = readdirSync(folder).filter((name) => name.endsWith(".json"));
    const { username, hostname, pid, timestamp } = JSON.parse(
      readFileSync(join(folder, String(file)), "utf8"),
    ) as Record<string, string | number>;
    return `${String(username)}@${String(hostname)} (pid ${String(pid)}) at ${String(timestamp)}`;
  } catch {
    // No folder of this machine, or no lock in it.
    return undefined;
  }
}

const artifacts = join(__dirname, "..", "artifacts");
const file = join(artifacts, `review-${stack.replaceAll("/", "-")}`);
mkdirSync(artifacts, { recursive: true });
// Of an earlier run, which nobody may take for this one's, however it ends.
for (const ending of ["md", "json"]) {
  rmSync(`${file}.${ending}`, { force: true });
}

const lockedBefore = lock();
const outcome = pulumi("preview", "--json", "--show-sames", "--color", "never", "--stack", stack, ...options);
const reviewed = review(stack, { ...outcome, lock: lockedBefore ?? lock() });

const text = markdown(reviewed);
writeFileSync(`${file}.md`, text);
writeFileSync(`${file}.json`, `${JSON.stringify(summary(reviewed), undefined, 2)}\n`);
process.stdout.write(text);
process.exitCode = reviewed.verdict === "failed" ? 1 : 0;
