import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { attempt, temporaryFolder, type Outcome } from "./support/lab";

/** Runs sim/prepare, for a lab that is not there, with some of the machine pretended otherwise. */
async function prepareWith(programs: Record<string, string>, ...before: string[]): Promise<Outcome> {
  const folder = await temporaryFolder();
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const environment = [`PATH=${folder}:${process.env.PATH ?? ""}`, "ESXI_K8S_LAB=none"];
  return attempt("env", [...environment, ...before, "sim/prepare"]);
}

/** What a machine that cannot run the lab is told, before any work starts. */
export function describeMachine(): void {
  it("passes on this machine", async () => {
    expect(await prepareWith({})).toMatchObject({ code: 0 });
  });

  it("wants root", async () => {
    const { code, stderr } = await prepareWith({}, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups");
    expect(code).toBe(1);
    expect(stderr).toContain("takes root: run the same command with 'sudo -E'");
  });

  it("wants a new enough Go", async () => {
    const { code, stderr } = await prepareWith({ go: "echo go1.20.1" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/this is Go 1\.20\.1, expected 1\.26\S* or newer: put a newer one first on PATH/);
  });

  it("wants a new enough Node.js", async () => {
    const { code, stderr } = await prepareWith({ node: "echo v18.19.0" });
    expect(code).toBe(1);
    expect(stderr).toContain("this is Node.js 18.19.0, expected 20.19 or newer: put a newer one first on PATH");
  });

  it("wants room on the disk, and says how much", async () => {
    const almostFull = { df: "echo Avail; echo 3000" };
    const lab = await prepareWith(almostFull);
    expect(lab.code).toBe(1);
    expect(lab.stderr).toMatch(/has 2 GiB free, the lab needs 5 GiB: free some, or set ESXI_K8S_CACHE/);

    // An empty cache has to be filled first.
    const cold = await prepareWith(almostFull, `ESXI_K8S_CACHE=${await temporaryFolder()}`);
    expect(cold.code).toBe(1);
    expect(cold.stderr).toMatch(/has 3 GB free, the build needs \d+ GB: free some, or set ESXI_K8S_CACHE/);
  });

  it("wants a name for the lab that fits", async () => {
    const { code, stderr } = await prepareWith({}, "ESXI_K8S_LAB=My_Lab");
    expect(code).toBe(1);
    expect(stderr).toContain("ESXI_K8S_LAB is 'My_Lab', expected 1 to 12 characters of a-z, 0-9 and '-'");
  });
}
