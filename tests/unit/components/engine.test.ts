import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const source = join(__dirname, "..", "..", "..", "components", "engine.ts");

/** Prints on and on, and what goes wrong, as Pulumi's SDK does. */
const program = `
process.on("uncaughtException", (error) => console.error(error));
require(${JSON.stringify(source)}).endWithPulumi();
setInterval(() => console.error("working"), 20);
`;

test("a program ends with the Pulumi that was to read what it prints", async () => {
  const child = spawn("node", ["-r", "ts-node/register/transpile-only", "-e", program], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "exit");
  await once(child.stderr, "data");
  expect(child.exitCode).toBeNull();
  child.stderr.destroy();
  await expect(ended).resolves.toEqual([1, null]);
});
