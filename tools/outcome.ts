import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Outcome } from "../review/problems";

/** Lets Pulumi take fields of the stack's objects back that somebody else has set, instead of failing. */
export const takeBack = { PULUMI_K8S_ENABLE_PATCH_FORCE: "true" };

/** Runs Pulumi to its end. */
export function pulumi(args: string[], env: NodeJS.ProcessEnv = {}): Outcome {
  const { status, signal, stdout, stderr, error } = spawnSync("pulumi", [...args, "--non-interactive"], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "pipe"],
    // With it, a preview is no document but a stream of events.
    env: { ...process.env, ...env, PULUMI_ENABLE_STREAMING_JSON_PREVIEW: undefined },
  });
  // Neither has been read when the program could not be started.
  return { code: status, signal, stdout: error ? "" : stdout, stderr: error ? `error: ${error.message}` : stderr };
}

/**
 * Who works on the stack. Pulumi's own service refuses a preview then. A folder does not, and the preview would be of a stack that is
 * half one thing and half the other.
 */
function lock(stack: string): string | undefined {
  try {
    const { url } = JSON.parse(pulumi(["whoami", "--verbose", "--json"]).stdout) as { url: string };
    const folder = join(fileURLToPath(url), ".pulumi", "locks", "organization", "esxi-k8s", stack);
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

/** How a preview of a stack ends, for a review to read. */
export function previewed(stack: string, options: string[], env?: NodeJS.ProcessEnv): Outcome {
  const lockedBefore = lock(stack);
  const outcome = pulumi(["preview", "--json", "--show-sames", "--color", "never", "--stack", stack, ...options], env);
  return { ...outcome, lock: lockedBefore ?? lock(stack) };
}

/**
 * Where the result for a stack goes in artifacts/, for people and for programs; the former is printed as well. What an earlier run left
 * there is gone: nobody may take it for this one's, however it ends.
 */
export function results(kind: "review" | "drift", stack: string): (text: string, summary: object) => void {
  const artifacts = join(__dirname, "..", "artifacts");
  const file = join(artifacts, `${kind}-${stack.replaceAll("/", "-")}`);
  mkdirSync(artifacts, { recursive: true });
  for (const ending of ["md", "json"]) {
    rmSync(`${file}.${ending}`, { force: true });
  }
  return (text, summary) => {
    writeFileSync(`${file}.md`, text);
    writeFileSync(`${file}.json`, `${JSON.stringify(summary, undefined, 2)}\n`);
    process.stdout.write(text);
  };
}
