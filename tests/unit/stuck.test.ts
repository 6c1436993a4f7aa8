import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const tools = join(__dirname, "..", "..", "tools");
const event = (kind: string, op: string, name: string) =>
  JSON.stringify({ [kind]: { metadata: { op, urn: `urn:pulumi:sim::esxi-k8s::a:b:C::${name}` } } });
const began = (op: string, name: string) => event("resourcePreEvent", op, name);
const failed = (op: string, name: string) => event("resOpFailedEvent", op, name);

/** `make up` while the engine and the program wait for each other. */
describe("a run in which nothing can happen any more", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "stuck-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Runs pulumi-up with a Pulumi that logs these events and goes on until it is interrupted, or for four seconds. */
  async function run(...events: string[]): Promise<{ code: unknown; stderr: string }> {
    writeFileSync(join(folder, "events"), events.map((line) => `${line}\n`).join(""));
    const pulumi = join(folder, "pulumi");
    // Named as the real one is, which a script with an interpreter of its own would not be.
    writeFileSync(
      pulumi,
      `#!/usr/bin/env python3
import ctypes, shutil, signal, sys, time
ctypes.CDLL(None).prctl(15, b"pulumi", 0, 0, 0)
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
shutil.copy("${folder}/events", sys.argv[sys.argv.index("--event-log") + 1])
time.sleep(4)
sys.exit(1)
`,
    );
    chmodSync(pulumi, 0o755);
    const child = spawn(join(tools, "pulumi-up"), ["sim"], {
      env: { ...process.env, PATH: `${folder}:${process.env.PATH ?? ""}`, ESXI_K8S_STUCK_SECONDS: "1" },
    });
    const [stderr] = await Promise.all([text(child.stderr), text(child.stdout), once(child, "close")]);
    return { code: child.exitCode, stderr };
  }

  test("is watched no longer than it is there", async () => {
    writeFileSync(join(folder, "pulumi"), "#!/bin/sh\nexec sleep 4\n", { mode: 0o755 });
    const child = spawn(join(tools, "pulumi-up"), ["sim"], {
      env: { ...process.env, PATH: `${folder}:${process.env.PATH ?? ""}` },
      stdio: "ignore",
    });
    const watching = () =>
      spawnSync("pgrep", ["-f", `end-stuck.mjs \\S+ ${String(child.pid)}$`], { encoding: "utf8" }).stdout.trim();
    await vi.waitUntil(() => watching() !== "", { timeout: 4000 });
    child.kill("SIGKILL");
    await vi.waitUntil(() => watching() === "", { timeout: 10_000, interval: 200 });
  });

  test("is ended, and says what is not done", async () => {
    const { code, stderr } = await run(
      began("delete-replaced", "worker-1-labels"),
      event("resOutputsEvent", "delete-replaced", "worker-1-labels"),
      began("delete-replaced", "worker-1-membership"),
      failed("delete-replaced", "worker-1-membership"),
    );
    expect(code).toBe(130);
    expect(stderr).toContain("what waits for a deletion that failed is left for the next run: ending this one");
    expect(stderr).toContain("failed as said above: worker-1-membership");
  });

  test.each([
    ["something else is under way", [failed("delete-replaced", "worker-1-membership"), began("create", "worker-9")]],
    ["what failed was to be made", [failed("create", "worker-1-join")]],
    ["nothing failed", [event("resOutputsEvent", "create", "worker-9")]],
  ])("is none while %s", async (_, events) => {
    const { code, stderr } = await run(...events);
    expect(code).toBe(1);
    expect(stderr).not.toContain("ending this one");
  });
});
