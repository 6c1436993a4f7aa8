import fc from "fast-check";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scriptText, shellQuote, stepCommand, type Step } from "../../render/step";

/** Texts as awkward to a shell as can be; no NUL, which no argument can hold. */
const text = fc.string({
  unit: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...Array.from("'\"\\$`!*?~#&|;<>(){}[] \t\n=-%"), "é", "日", "🐳") },
    { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 1 }).filter((character) => character !== "\0") },
  ),
});

const step: Step = {
  name: "join-node",
  node: "worker-1",
  script: "read-kubeconfig",
  parameters: {},
  changesNode: false,
  timeoutSeconds: 42,
};

// sudo is a program of its own to a step; here it shows what it is given, or does it as the present user.
let bin: string;
beforeAll(() => {
  bin = mkdtempSync(join(tmpdir(), "step-"));
});
afterAll(() => {
  rmSync(bin, { recursive: true });
});

function run(command: string, sudo: string, input = "") {
  writeFileSync(join(bin, "sudo"), `#!/bin/sh\n${sudo}\n`);
  chmodSync(join(bin, "sudo"), 0o755);
  return spawnSync("bash", ["-c", command], {
    encoding: "utf8",
    input,
    env: { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}` },
  });
}

/** The arguments that `sudo` gets when a shell runs this command. */
function sudoArguments(command: string): string[] {
  return run(command, `printf '%s\\0' "$@"`).stdout.split("\0").slice(0, -1);
}

describe("quoting", () => {
  test("a shell reads every text back as it was", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 40 }), (texts) => {
        const words = texts.map(shellQuote).join(" ");
        const output = execFileSync("bash", ["-c", `printf '%s\\0' ${words}`], { encoding: "utf8" });
        expect(output.split("\0").slice(0, -1)).toEqual(texts);
      }),
      { numRuns: 40 },
    );
  });

  test("an empty text is a word", () => {
    expect(shellQuote("")).toBe("''");
  });
});

describe("the command of a step", () => {
  test("runs one text as root, without ever asking for a password, and not for ever", () => {
    const [text = "", ...rest] = sudoArguments(stepCommand(step)).reverse();
    expect(rest.reverse()).toEqual(["-n", "timeout", "--kill-after=10s", "42s", "bash", "-c"]);
    expect(text).toContain(scriptText("prelude"));
    expect(text.endsWith(scriptText("read-kubeconfig"))).toBe(true);
  });

  test("puts a library between the prelude and the script that uses its functions", () => {
    const text = sudoArguments(stepCommand({ ...step, library: "consul-api" })).at(-1) ?? "";
    const parts = ["prelude", "consul-api", "read-kubeconfig"].map(scriptText);
    expect(text.endsWith(parts.join("\n"))).toBe(true);
    expect(sudoArguments(stepCommand(step)).at(-1)).not.toContain(scriptText("consul-api"));
  });

  test("gives parameters to the script as they are, whatever they hold", () => {
    fc.assert(
      fc.property(text, text, (first, second) => {
        const command = stepCommand({ ...step, parameters: { FIRST: first, SECOND: second, NUMBER: 7 } });
        const script = sudoArguments(command).at(-1) ?? "";
        const exports = script.slice(0, script.indexOf(scriptText("prelude")));
        const shown = `printf '%s\\0' "$FIRST" "$SECOND" "$NUMBER" "$STEP" "$NODE" "$TIMEOUT"`;
        const output = execFileSync("bash", ["-c", `${exports}\n${shown}`], { encoding: "utf8" });
        expect(output.split("\0").slice(0, -1)).toEqual([first, second, "7", "join-node", "worker-1", "42"]);
      }),
      { numRuns: 15 },
    );
  });

  test("a script reads what the step was given on standard input", () => {
    const reading = stepCommand(step).replace(/cat \/etc\/kubernetes\/admin\.conf/, "cat");
    expect(run(reading, `shift 4; exec "$@"`, "line one\nline two\n")).toMatchObject({
      status: 0,
      stdout: "line one\nline two\n",
      stderr: "",
    });
  });

  test("a failure names node, step and exit code", () => {
    const failing = stepCommand(step).replace(/cat \/etc\/kubernetes\/admin\.conf/, "(exit 7)");
    expect(run(failing, `shift 4; exec "$@"`)).toMatchObject({
      status: 7,
      stdout: "",
      stderr: "step join-node on worker-1 failed with exit code 7\n",
    });
  });

  test("an undefined parameter is a failure, not an empty text", () => {
    const lacking = stepCommand(step).replace(/cat \/etc\/kubernetes\/admin\.conf/, 'echo "$NO_SUCH_PARAMETER"');
    const { status, stderr } = run(lacking, `shift 4; exec "$@"`);
    expect(status).not.toBe(0);
    expect(stderr).toContain("NO_SUCH_PARAMETER");
  });
});

describe("waiting", () => {
  const waiting = (script: string) => stepCommand(step).replace(/cat \/etc\/kubernetes\/admin\.conf/, script);

  test("ends with the first success", () => {
    const script = `count=0; try() { count=$((count + 1)); [ "$count" -ge 2 ]; }; retry_for 30 "luck" try; echo "$count"`;
    expect(run(waiting(script), `shift 4; exec "$@"`)).toMatchObject({ status: 0, stdout: "2\n" });
  });

  test("is bounded, and says what it waited for", () => {
    const { status, stdout, stderr } = run(waiting(`retry_for 0 "the moon" false`), `shift 4; exec "$@"`);
    expect(status).toBe(1);
    expect(stdout + stderr).toContain("gave up after 0s waiting for the moon");
  });
});

describe("the scripts", () => {
  const folder = join(__dirname, "..", "..", "scripts");
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".sh"))
    .map((file) => basename(file, ".sh"));

  test.each(names)("%s is read whole, parses, and never traces what it does", (name) => {
    const script = scriptText(name);
    expect(script).toBe(readFileSync(join(folder, `${name}.sh`), "utf8"));
    expect(spawnSync("bash", ["-n"], { input: script, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
    // A trace would print tokens and passwords into logs.
    expect(script).not.toMatch(/set -[a-z]*x|xtrace/);
  });
});
