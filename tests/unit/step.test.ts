import fc from "fast-check";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { steps } from "../../components/machine/steps";
import {
  deliveryPath,
  deliveryText,
  firstBoot,
  latestStepPath,
  scriptText,
  shellWord,
  stepCommand,
  stepFile,
  stepInput,
  stepPath,
  takeIn,
} from "../../render/step";
import { FakeMachine } from "../support/steps";

/** Texts as awkward to a shell as can be; no NUL, which no argument can hold. */
const text = fc.string({
  unit: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...Array.from("'\"\\$`!*?~#&|;<>(){}[] \t\n=-%"), "é", "日", "🐳") },
    { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 1 }).filter((character) => character !== "\0") },
  ),
});

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => {
  machine.remove();
});

/** Runs other lines than the real ones as the step `await-node`, which needs no node. */
const runLines = (lines: string, inputs: Parameters<FakeMachine["run"]>[1] = {}) =>
  machine.run("await-node", inputs, (scripts) => {
    const [head = "", tail = ""] = scripts.split(/(?<=await-node-[0-9a-f]{12} <<'END_OF_STEP'\n)/);
    const [shebang = "", source = ""] = tail.split("\n");
    return `${head}${[shebang, source, lines].join("\n")}\nEND_OF_STEP\n`;
  });

describe("quoting", () => {
  test("a shell reads every text back as it was", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 40 }), (texts) => {
        const words = texts.map(shellWord).join(" ");
        const output = execFileSync("bash", ["--norc", "-c", `printf '%s\\0' ${words}`], { encoding: "utf8" });
        expect(output.split("\0").slice(0, -1)).toEqual(texts);
      }),
      { numRuns: 40 },
    );
  });

  test("an empty text is a word, and one that needs no quotes has none", () => {
    expect(shellWord("")).toBe("''");
    expect(shellWord("https://10.20.0.10:6443")).toBe("https://10.20.0.10:6443");
  });
});

describe("the command of a step", () => {
  test("is its name and its parameters, as root, without ever asking for a password, and not for ever", () => {
    expect(stepCommand(stepPath("init-control-plane"), { VERSION: "1.37.2", NODES: "a b" }, 600)).toMatch(
      /^exec sudo -n timeout --kill-after=10s 600s \/usr\/local\/lib\/esxi-k8s\/init-control-plane-[0-9a-f]{12} VERSION=1\.37\.2 NODES='a b'$/,
    );
  });

  test("parameters, texts and what the step itself reads arrive as they are, whatever they hold", async () => {
    await fc.assert(
      fc.asyncProperty(text, text, text, async (parameter, first, rest) => {
        const shown = `printf '%s\\0' "$PARAMETER" "$NUMBER" "$TEXT" >&3; cat >&3`;
        const { stdout, stderr } = await runLines(shown, {
          parameters: { PARAMETER: parameter, NUMBER: 7 },
          texts: { TEXT: first },
          stdin: rest,
        });
        expect(stderr).toBe("");
        // As of every output that a shell keeps, line breaks at the end are lost.
        expect(stdout.split("\0")).toEqual([parameter, "7", first.replace(/\n+$/, ""), rest]);
      }),
      { numRuns: 15 },
    );
  });

  test("knows the step and the node", async () => {
    await expect(runLines('echo "$STEP on $NODE" >&3')).resolves.toMatchObject({ stdout: "await-node on master-1\n" });
  });

  test("what it does goes to the log on its node, what it reports to those who asked too", async () => {
    const lines = 'echo long; echo noisy >&2; report "done: $COUNT"';
    const outcome = await runLines(lines, { parameters: { COUNT: 3 } });
    expect(outcome).toEqual({ status: 0, stdout: "done: 3\n", stderr: "" });
    expect(machine.log("await-node")).toMatch(/\n== 20\d\d-\S+ COUNT=3\nlong\nnoisy\ndone: 3\n$/);
  });

  test("a failure names node, step, exit code and log, and shows the last lines of this run", async () => {
    await runLines("echo of an earlier run");
    const { status, stdout, stderr } = await runLines("for line in {1..40}; do echo line $line; done; exit 7");
    expect({ status, stdout }).toEqual({ status: 7, stdout: "" });
    const [first, ...last] = stderr.trimEnd().split("\n");
    expect(first).toMatch(
      /^step await-node on master-1 failed with exit code 7; its log there is .*\/await-node\.log and ends with:$/,
    );
    expect(last).toEqual([32, 33, 34, 35, 36, 37, 38, 39, 40].map((line) => `line ${line}`));
    const again = await runLines("exit 8");
    expect(again.stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("a line of a failure has an end, however long it is", async () => {
    const { stderr } = await runLines("printf 'x%.0s' {1..5000}; exit 1");
    expect(stderr.split("\n")[1]).toBe("x".repeat(300));
  });

  test("one that is ended says so", async () => {
    const { status, stderr } = await runLines("kill -TERM $$; sleep 5");
    expect(status).toBe(124);
    expect(stderr).toContain("ended by its time limit");
  });

  test("goes on when nobody listens any more", async () => {
    const { status } = await runLines(
      'exec 3> >(true); sleep 0.2; report into the void; report again; touch "$log.end"',
    );
    expect(status).toBe(0);
    expect(machine.log("await-node")).toContain("again");
  });

  test("an undefined parameter is a failure, not an empty text", async () => {
    const { status, stderr } = await runLines('echo "$NO_SUCH_PARAMETER"');
    expect(status).not.toBe(0);
    expect(stderr).toContain("NO_SUCH_PARAMETER");
  });
});

describe("waiting", () => {
  test("ends with the first success", async () => {
    const lines = `count=0; try() { count=$((count + 1)); [ "$count" -ge 2 ]; }; retry_for 30 "luck" try; report "$count"`;
    await expect(runLines(lines)).resolves.toMatchObject({ status: 0, stdout: "2\n" });
  });

  test("is bounded, and says what it waited for", async () => {
    const { status, stderr } = await runLines(`retry_for 0 "the moon" false`);
    expect(status).toBe(1);
    expect(stderr).toContain("gave up after 0s waiting for the moon");
  });
});

describe("what a machine takes in", () => {
  test.each(Object.entries(steps))("the steps of a %s, each whole", async (_, scripts) => {
    machine.compareHashes();
    const login = join(machine.folder, "home", ".ssh", "authorized_keys");
    const sshd = join(machine.folder, "etc", "ssh", "sshd_config");
    for (const file of [login, sshd]) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, "");
    }
    machine.program("getent", `echo "$2:x:1000:1000::${machine.folder}/home:/bin/bash"`);
    await expect(machine.receive([...scripts])).resolves.toEqual({ status: 0, stdout: "", stderr: "" });
    const folder = join(machine.folder, "usr", "local", "lib", "esxi-k8s");
    const libraries = scripts.flatMap((script) => stepFile(script).libraries);
    const expected = [...new Set([...scripts.map(stepFile), ...libraries].map(({ name }) => name))];
    const latest = expected.map((name) => name.replace(/-[0-9a-f]{12}$/, ""));
    expect(readdirSync(folder).sort()).toEqual([...expected, ...latest].sort());
  });

  test("a name without a hash is what was taken in last, and the step knows itself by it", async () => {
    const whoami = (answer: string) => (text: string) =>
      text.replace(/^report "Ready.*$/m, `report "${answer} of $STEP"`).replace(/^kubectl .*$/m, "true");
    const latest = () => machine.shell(stepCommand(latestStepPath("await-node"), { NAME: "a" }, 60), "\n");
    await machine.receive(["await-node"], whoami("first"));
    await expect(latest()).resolves.toMatchObject({ stdout: "first of await-node\n" });
    await machine.receive(["await-node"], whoami("second"));
    await expect(latest()).resolves.toMatchObject({ stdout: "second of await-node\n" });
  });

  test("a step that arrives cut off, or not at all, is refused", async () => {
    machine.compareHashes();
    const whole = machine.here(deliveryText(["await-node", "prepare-node"]));
    for (const cut of [whole.slice(0, -200), whole.slice(0, whole.lastIndexOf("receive "))]) {
      writeFileSync(join(machine.folder, deliveryPath), cut);
      const { status, stderr } = await machine.shell(takeIn(["await-node", "prepare-node"], 60), "");
      expect(status).toBe(1);
      expect(stderr).toMatch(
        /the step prepare-node-\S+ is not whole in .*: run pulumi up with --replace '\S+master-1-steps'/,
      );
    }
  });

  test("nothing when its first boot failed, and why it did", async () => {
    machine.program("cloud-init", `[ "$2" = --wait ] && exit 1; for line in {1..30}; do echo "detail $line"; done`);
    const { command, stdin } = firstBoot(60);
    const { status, stderr } = await machine.shell(command, stdin);
    expect(status).toBe(1);
    expect(stderr.split("\n").length).toBeLessThan(12);
    expect(stderr).toMatch(
      /detail 30\ncloud-init failed: see \S*\/cloud-init-output\.log on master-1, correct the template/,
    );
  });
});

describe("the step that waits for a StorageClass of somebody else", () => {
  const impatient = (scripts: string) => scripts.replace("retry_for 300", "retry_for 0");
  const waitFor = (parameters: Record<string, string>) => machine.run("await-storage-class", { parameters }, impatient);

  test("finds the one that is named, or the default one", async () => {
    machine.program(
      "kubectl",
      'case "$*" in *is-default-class*) printf fast ;; *"storageclass slow"*) echo slow ;; *) exit 1 ;; esac',
    );
    await expect(waitFor({ CLASS: "slow" })).resolves.toMatchObject({ stdout: "there is the StorageClass slow\n" });
    await expect(waitFor({ CLASS: "" })).resolves.toMatchObject({ stdout: "there is a default StorageClass\n" });
    await expect(waitFor({ CLASS: "other" })).resolves.toMatchObject({ status: 1 });
  });

  test("says what is missing and what to do", async () => {
    machine.program("kubectl", "exit 0");
    const { status, stderr } = await waitFor({ CLASS: "" });
    expect(status).toBe(1);
    expect(stderr).toContain(
      "Consul's volumes need a default StorageClass, and storage.classes is empty: apply one now, or",
    );
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

  test.each(names)("%s does the same without its comments, which change nothing", (name) => {
    /** How bash itself writes the commands down, which knows no comments. */
    const normal = (script: string) =>
      execFileSync("bash", ["--norc", "-c", `f() {\n${script}\n}\ndeclare -f f`], { encoding: "utf8" }).replaceAll(
        /source \S*?([a-z-]+?)(-[0-9a-f]{12}|\.sh)/g,
        "source $1",
      );
    expect(normal(stepFile(name).text)).toBe(normal(scriptText(name)));
    expect(stepFile(name).text.split("\n").slice(1).join("\n")).not.toMatch(/^\s*#|^\s*$.|\s#\s/m);
  });

  test("another comment is no other step, and another library is", () => {
    const { name, text, libraries } = stepFile("declare-consul-entries");
    expect(libraries.map((library) => library.name.replace(/-[0-9a-f]{12}$/, ""))).toEqual(["prelude", "consul-api"]);
    for (const library of libraries) {
      expect(text).toContain(`source /usr/local/lib/esxi-k8s/${library.name}\n`);
    }
    expect(name).toMatch(/^declare-consul-entries-[0-9a-f]{12}$/);
  });

  test("every one is a step of some machine, or is part of one", () => {
    const used = Object.values(steps)
      .flat()
      .flatMap((script) => [
        script,
        ...stepFile(script).libraries.map(({ name }) => name.replace(/-[0-9a-f]{12}$/, "")),
      ]);
    expect([...new Set([...used, "await-boot", "receive-steps"])].sort()).toEqual(names.sort());
  });
});

test("what a step reads has an end of its texts, also where there are none", () => {
  expect(stepInput({}, "rest")).toBe("\nrest");
});
