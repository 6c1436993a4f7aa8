import { readFile, rm } from "node:fs/promises";
import { expect, it } from "vitest";
import { attempt, inventory, run, temporaryFile, type Outcome } from "./support/lab";
import { expectNoSecret, secretTexts } from "./support/secrets";

interface Reviewed extends Outcome {
  /** What people read, first line and whole. */
  verdict: string;
  text: string;
  seconds: number;
}

/** Everything that reviews printed, to be searched for secrets. */
const printed: string[] = [];

/** What `make review` says of the stack, with the configuration changed at one place. */
async function review(place = "", change = ""): Promise<Reviewed> {
  const good = await readFile("Pulumi.sim.yaml", "utf8");
  expect(good).toContain(place);
  const options = `ARGS=--config-file ${await temporaryFile(good.replace(place, change))}`;
  const files = ["md", "json"].map((ending) => `artifacts/review-sim.${ending}`);
  await Promise.all(files.map((file) => rm(file, { force: true })));
  const started = Date.now();
  const outcome = await attempt("make", ["--no-print-directory", "review", options]);
  const seconds = (Date.now() - started) / 1000;
  const [text = "", summary = ""] = await Promise.all(files.map((file) => readFile(file, "utf8")));
  printed.push(outcome.stdout, outcome.stderr, text, summary);
  expect(outcome.stdout).toContain(text);
  expect(JSON.parse(summary)).toMatchObject({ stack: "sim", verdict: outcome.code === 0 ? "changes" : "failed" });
  return { ...outcome, text, seconds, verdict: text.split("\n")[0] ?? "" };
}

const worker2 = "        worker-2: { host: esxi-2, address: 10.20.0.32 }\n";
const worker3 = "        worker-3: { host: esxi-1, address: 10.20.0.33 }\n";
const workerAdded = "worker-3 is created, haproxy-1 runs steps again, cluster-dns, control-plane and ingress change.";

/** A review needs nothing that does not exist: here there is neither a machine nor a cluster. */
export async function reviewsFirstCreation(): Promise<void> {
  const { code, verdict } = await review();
  expect(code).toBe(0);
  expect(verdict).toBe("**6 machines change** in stack `sim`: 6 are created, 11 components change.");
  expect(await inventory()).toEqual({});
}

/** The machines, and then vCenter, are away. */
export function describeReviews(machines: string[]): void {
  let withCluster = "";

  it("reviews a worker more", async () => {
    const { code, verdict, text } = await review(worker2, worker2 + worker3);
    expect(code).toBe(0);
    expect(verdict).toBe(`**2 machines change** in stack \`sim\`: ${workerAdded}`);
    withCluster = text;
  });

  it("reviews the same while every machine is powered off", async () => {
    // Some may be off already.
    await Promise.all(machines.map((machine) => attempt("sim/vcenter", ["power", machine, "off"])));
    const states = await run("sim/vcenter", ["inventory"]);
    for (const machine of machines) {
      expect(states).toMatch(new RegExp(`^${machine} +poweredOff `, "m"));
    }
    const { text, seconds } = await review(worker2, worker2 + worker3);
    expect(text).toBe(withCluster);
    // Nobody waits for what does not answer.
    expect(seconds).toBeLessThan(120);
  });

  it("says that vCenter cannot be reached, and ends with an error", async () => {
    const { code, text } = await review("    server: 10.20.0.2\n", "    server: 10.20.0.99\n");
    expect(code).not.toBe(0);
    expect(text.split("\n")[0]).toBe(
      "**The preview failed** for stack `sim`: vCenter at 10.20.0.99 cannot be reached.",
    );
    expect(text).toContain("vcenter.server in Pulumi.sim.yaml");
  });

  it("has no secret of the state in any of them", async () => {
    const needles = await secretTexts();
    expect(needles.length).toBeGreaterThan(12);
    expect(printed.join("\n")).toContain("Everything that differs");
    expectNoSecret(needles, { "a review": printed.join("\n") });
  });
}
