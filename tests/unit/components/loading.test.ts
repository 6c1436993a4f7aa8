import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { validConfig, vary } from "../../support/configs";
import { Recording, runProgram } from "../../support/recorder";

/** The error that the program ends with, and what it had declared until then. */
async function failure(change: unknown, encrypted?: string[]): Promise<{ error: unknown; recording: Recording }> {
  const recording = new Recording();
  try {
    await runProgram(vary(validConfig(), change), { recording, stack: "prod", encrypted });
  } catch (error) {
    return { error, recording };
  }
  throw new Error("the program ran to its end");
}

test("a bad configuration ends the program before anything is declared or looked up", async () => {
  const { error, recording } = await failure({ network: { gateway: "10.20.9.1" }, kubernetes: { version: "1.2.3" } });
  expect((error as Error).message.split("\n")).toEqual([
    "the configuration of stack prod has 2 problems; edit Pulumi.prod.yaml (namespace esxi-k8s), nothing was changed",
    "  network.gateway: got 10.20.9.1, expected an address inside network.subnet (10.20.0.0/24)",
    "  kubernetes.version: got 1.2.3, expected a release of 1.34, 1.35, 1.36, 1.37, for example 1.37.2",
  ]);
  expect(recording.resources).toEqual([]);
  expect(recording.calls).toEqual([]);
});

test("its message comes without a stack trace", async () => {
  const { error } = await failure({ frontend: null });
  expect(pulumi.RunError.isInstance(error)).toBe(true);
});

test("a password that the stack's file holds in clear is refused", async () => {
  const { error, recording } = await failure({}, []);
  expect((error as Error).message).toContain("vcenterPassword: got a value stored in clear");
  expect((error as Error).message).not.toContain("correct-horse");
  expect(recording.resources).toEqual([]);
});

test.each(["12345", "null", '{"a":1}'])("a password such as %s stays a text", async (password) => {
  const recording = await runProgram({ ...validConfig(), vcenterPassword: password });
  expect(recording.get("pulumi:providers:vsphere", "esxi-vcenter").inputs.password).toBe(password);
});

test("keys of other namespaces are nobody's business here", async () => {
  const recording = new Recording();
  const run = runProgram(validConfig(), { recording, others: { "aws:region": "eu-central-1" } });
  await expect(run).resolves.toBe(recording);
});
