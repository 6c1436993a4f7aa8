import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { attempt } from "./support/lab";
import { expectNoSecret, secretTexts } from "./support/secrets";

/** What `make drift` says to people, and to programs. */
async function drift() {
  const { stdout, stderr } = await attempt("make", ["--no-print-directory", "drift"]);
  const { verdict } = JSON.parse(await readFile("artifacts/drift-sim.json", "utf8")) as { verdict: string };
  expectNoSecret(await secretTexts(), { "what make drift says": stdout + stderr });
  return { verdict, said: stdout + stderr };
}

/** Nobody has touched anything. */
export function describeNoDrift(): void {
  it("finds nothing on a stack that is as it was deployed", async () => {
    const { verdict, said } = await drift();
    expect(verdict, said).toBe("nothing");
  });
}

/** All machines are switched off. */
export function describeDrift(): void {
  it("finds that the cluster does not answer, and compares the rest", async () => {
    const { verdict, said } = await drift();
    expect(verdict, said).toBe("differs");
    expect(said).toContain("**The cluster's API does not answer**, so what is in the cluster was not looked at.");
  });
}
