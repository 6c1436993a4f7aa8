import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { issue } from "../support/certificates";
import { bot, GitHubStub } from "../support/github";

const root = resolve(__dirname, "../..");

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program of the repository in a folder; the stub answers meanwhile. */
function run(command: string[], cwd: string, env: Record<string, string> = {}): Promise<Ended> {
  const [file = "", ...args] = command;
  // What a workflow that runs these tests has set is none of theirs.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(GITHUB_|STACKS?$|CHANGED$)/.test(name));
  return new Promise((ended) => {
    execFile(file, args, { cwd, env: { ...Object.fromEntries(inherited), ...env } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      ended({ code, stdout, stderr });
    });
  });
}

const node = (tool: string, ...args: string[]) => [process.execPath, join(root, "tools", "ci", tool), ...args];

let folder = "";
let github: GitHubStub;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "ci-"));
  mkdirSync(join(folder, "artifacts"));
  github = new GitHubStub();
  await github.start();
});
afterEach(async () => {
  await github.stop();
  rmSync(folder, { recursive: true });
});

function artifact(name: string, summary: object | string, text: string) {
  const json = typeof summary === "string" ? summary : JSON.stringify(summary);
  writeFileSync(join(folder, "artifacts", `${name}.json`), json);
  writeFileSync(join(folder, "artifacts", `${name}.md`), text);
}

describe("the stacks that something concerns", () => {
  let copy = "";
  let base = "";
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.org", ...args], {
      cwd: copy,
      encoding: "utf8",
    }).trim();
  const change = (file: string, text = "changed\n") => {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text, { flag: "a" });
  };
  const changedSince = (commit: string, stacks = ["sim", "own"]) =>
    run([process.execPath, "tools/ci/changed-stacks.mjs", commit], copy, { STACKS: JSON.stringify(stacks) });

  beforeAll(async () => {
    copy = mkdtempSync(join(tmpdir(), "ci-history-"));
    const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" });
    for (const file of files.trim().split("\n")) {
      cpSync(join(root, file), join(copy, file));
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    // A stack with a certificate of its own, whose key nobody has here, and without Consul.
    const { certificate } = await issue(new Date(Date.now() - 1000), new Date(Date.now() + 3_600_000));
    const own = readFileSync(join(copy, "Pulumi.sim.yaml"), "utf8")
      .replace("  esxi-k8s:demo: true\n", "")
      .replace(
        "    domain: lab.localhost\n",
        `    domain: lab.localhost
    certificate: ${JSON.stringify(certificate)}
  esxi-k8s:ingressCertificateKey: { secure: "v1:x:y" }
  esxi-k8s:consul: { enabled: false }
`,
      );
    writeFileSync(join(copy, "Pulumi.own.yaml"), own);
    git("init", "--quiet", "--initial-branch=main");
    git("add", "--all");
    git("commit", "--quiet", "--message=base");
    base = git("rev-parse", "HEAD");
  });
  afterAll(() => {
    rmSync(copy, { recursive: true });
  });
  afterEach(() => {
    git("reset", "--quiet", "--hard", base);
    git("clean", "--quiet", "-d", "--force");
  });

  /** What the program loads for a stack, as `stack-inputs` prints it. */
  const inputs: Record<string, string[]> = {};
  beforeAll(async () => {
    for (const stack of ["sim", "own"]) {
      const { code, stdout, stderr } = await run([process.execPath, "tools/ci/stack-inputs.mjs", stack], copy);
      expect(code, stderr).toBe(0);
      // It was followed to its end, though nobody has the stack's secrets here.
      expect(stderr).toBe("");
      inputs[stack] = stdout.trim().split("\n");
    }
  });

  test.each([
    ["the program", "config/nodes.ts", ["sim", "own"]],
    ["a step of all nodes", "scripts/join-node.sh", ["sim", "own"]],
    ["a library of steps", "scripts/prelude.sh", ["sim", "own"]],
    ["a chart's template", "charts/traefik/templates/service.yaml", ["sim", "own"]],
    ["whatever else comes into a chart", "charts/traefik/", ["sim", "own"]],
    ["a chart that one stack has", "charts/consul/values.yaml", ["sim"]],
    ["what a command runs", "pki/issue.mjs", ["sim", "own"]],
    ["the packages", "package-lock.json", ["sim", "own"]],
    ["the plugins", "Pulumi.yaml", ["sim", "own"]],
    ["how it is compiled", "tsconfig.json", ["sim", "own"]],
    ["a stack's own file", "Pulumi.own.yaml", ["own"]],
  ])("are those that load %s", (_, file, stacks) => {
    expect(Object.keys(inputs).filter((stack) => inputs[stack]?.includes(file))).toEqual(stacks);
  });

  test("load nothing of the documents, the tests, the tools and the lab", () => {
    for (const loaded of Object.values(inputs)) {
      expect(
        loaded.filter((path) => /^(docs|tests|tools|sim|review|\.github|node_modules)\/|\.md$/.test(path)),
      ).toEqual([]);
    }
  });

  test("are none when nothing that they load has changed since a commit", async () => {
    for (const file of [
      "README.md",
      "docs/new.md",
      "tests/new.ts",
      "sim/README.md",
      "tools/ui.mjs",
      "Pulumi.lab.yaml",
    ]) {
      change(file);
    }
    git("add", "--all");
    git("commit", "--quiet", "--message=changed");
    const { code, stdout, stderr } = await changedSince(base, ["sim"]);
    expect(code, stderr).toBe(0);
    expect(stdout).toBe("[]\n");
    expect(stderr).toBe("sim: nothing that it loads is changed\nlab: changed, but none of the stacks in STACKS\n");
  });

  test("are those whose configuration names a changed file, however the program comes to read it", async () => {
    const text = readFileSync(join(copy, "routes/declared.ts"), "utf8");
    writeFileSync(
      join(copy, "routes/declared.ts"),
      `import { readFileSync } from "node:fs";\nimport * as pulumi from "@pulumi/pulumi";\n${text}
const file = new pulumi.Config().get("routesFile");
if (file) readFileSync(file, "utf8");\n`,
    );
    change("Pulumi.own.yaml", "  esxi-k8s:routesFile: routes.yaml\n");
    change("routes.yaml", "http: {}\n");
    git("add", "--all");
    git("commit", "--quiet", "--message=a file");
    const before = git("rev-parse", "HEAD");
    change("routes.yaml");
    git("commit", "--quiet", "--all", "--message=another route");
    const { stdout, stderr } = await changedSince(before);
    expect(JSON.parse(stdout), stderr).toEqual(["own"]);
    // The program refuses a key that it does not know, after it has loaded what it needs to say so.
    expect(stderr).toContain("own: routes.yaml\n");
    expect(stderr).toContain("the configuration of stack own has 1 problem");
  });

  test("count what is not committed yet, and what has come into a folder", async () => {
    change("charts/traefik/templates/new.yaml");
    const { stdout, stderr } = await changedSince(base, ["sim"]);
    expect(JSON.parse(stdout)).toEqual(["sim"]);
    expect(stderr).toBe("sim: charts/traefik/templates/new.yaml\n");
  });

  test("cannot be told without the commit, the stack's file, or a list of stacks", async () => {
    const unknown = await changedSince("0123456789012345678901234567890123456789");
    expect(unknown).toMatchObject({ code: 1, stdout: "" });
    expect(unknown.stderr).toContain("this clone has no commit 0123456789012345678901234567890123456789: fetch");
    const stackless = await changedSince(base, ["nowhere"]);
    expect(stackless).toMatchObject({ code: 1, stdout: "" });
    expect(stackless.stderr).toContain("stack nowhere has no file Pulumi.nowhere.yaml");
    const listless = await run([process.execPath, "tools/ci/changed-stacks.mjs", base], copy, { STACKS: "lab prod" });
    expect(listless.code).toBe(1);
    expect(listless.stderr).toContain('the stacks are lab prod, expected a JSON list of names such as ["lab", "prod"]');
  });
});

describe("reviews as comments", () => {
  const marker = (stack: string) => `<!-- esxi-k8s: review of stack ${stack} -->`;
  const review = (stack: string, verdict: string, text: string) => {
    artifact(`review-${stack}`, { stack, verdict, atRisk: [], machines: 0 }, text);
  };
  const post = (env: Record<string, string> = {}) =>
    run(node("post-reviews.mjs"), folder, {
      ...github.environment,
      PULL_REQUEST: "7",
      COMMIT: "0123456789abcdef0123456789abcdef01234567",
      STACKS: '["lab", "prod"]',
      CHANGED: '["lab", "prod"]',
      ...env,
    });
  const bodies = () => (github.comments[7] ?? []).map(({ body }) => body);

  test("are one for each stack, named, with the commit and the run", async () => {
    review("lab", "nothing", "**Nothing changes**");
    review("prod", "data-at-risk", "**Data at risk**");
    expect(await post()).toMatchObject({
      code: 0,
      stdout: "lab: comment written\nprod: comment written\n",
      stderr: "",
    });
    expect(bodies()).toEqual([
      `${marker("lab")}\n**Nothing changes**\n\n<sub>For commit 0123456789ab, by [this run](https://github.example/owner/repository/actions/runs/42)</sub>`,
      expect.stringContaining("**Data at risk**"),
    ]);
    expect(github.comments[7]?.map(({ user }) => user.login)).toEqual([bot, bot]);
  });

  test("are edited in place, behind many pages of other comments", async () => {
    for (let count = 0; count < 8; count++) {
      github.comment(7, "a remark", "alice");
    }
    const own = github.comment(7, `${marker("lab")}\n**Nothing changes**`);
    review("lab", "changes", "**1 machine changes**");
    expect(await post({ STACKS: '["lab"]', CHANGED: '["lab"]' })).toMatchObject({
      code: 0,
      stdout: "lab: comment edited\n",
    });
    expect(github.comments[7]).toHaveLength(9);
    expect(own.body).toContain("**1 machine changes**");
    expect(own.body).not.toContain("Nothing changes");
  });

  test("leave alone what others wrote, even with the marker in it", async () => {
    const foreign = github.comment(7, `${marker("lab")}\n**Nothing changes**`, "mallory");
    const quoted = github.comment(7, `> ${marker("lab")}`);
    review("lab", "changes", "**1 machine changes**");
    await post({ STACKS: '["lab"]', CHANGED: '["lab"]' });
    expect(foreign.body).toBe(`${marker("lab")}\n**Nothing changes**`);
    expect(quoted.body).toBe(`> ${marker("lab")}`);
    expect(bodies()).toHaveLength(3);
  });

  test("are written again when somebody deletes the comment in the same moment", async () => {
    github.comment(7, marker("lab"));
    github.mishaps.push({ on: /^PATCH/, status: 404 });
    review("lab", "nothing", "**Nothing changes**");
    expect(await post({ STACKS: '["lab"]', CHANGED: '["lab"]' })).toMatchObject({
      code: 0,
      stdout: "lab: comment written\n",
    });
  });

  test("of which two runs made two are one again", async () => {
    github.comment(7, `${marker("lab")} first`);
    github.comment(7, `${marker("lab")} second`);
    review("lab", "nothing", "**Nothing changes**");
    expect((await post({ STACKS: '["lab"]', CHANGED: '["lab"]' })).code).toBe(0);
    expect(bodies()).toEqual([expect.stringContaining("**Nothing changes**")]);
  });

  test("that failed are posted, and the status is red", async () => {
    review("lab", "failed", "**The preview failed**");
    const { code, stdout } = await post({ STACKS: '["lab"]', CHANGED: '["lab"]' });
    expect(code).toBe(1);
    expect(stdout).toBe("lab: comment written, which says why there is no result\n");
    expect(bodies()).toEqual([expect.stringContaining("**The preview failed**")]);
  });

  test.each([
    ["nothing", () => undefined],
    [
      "half a file",
      () => {
        artifact("review-lab", '{"stack":"lab","verd', "**Nothing changes**");
      },
    ],
    [
      "another stack's",
      () => {
        artifact("review-lab", { stack: "prod", verdict: "nothing", atRisk: [] }, "**Nothing changes**");
      },
    ],
    [
      "no text",
      () => {
        artifact("review-lab", { stack: "lab", verdict: "nothing", atRisk: [] }, "");
      },
    ],
    [
      "a verdict that nobody knows",
      () => {
        artifact("review-lab", { stack: "lab", verdict: "fine", atRisk: [] }, "**Fine**");
      },
    ],
  ])("of which a preview left %s take the place of one that looks fine, and the status is red", async (_, leave) => {
    const own = github.comment(7, `${marker("lab")}\n**Nothing changes**`);
    leave();
    expect((await post({ STACKS: '["lab"]', CHANGED: '["lab"]' })).code).toBe(1);
    expect(own.body).toContain("**No review of stack lab**");
    expect(own.body).not.toContain("Nothing changes");
  });

  test("count all stacks as changed when nobody found out which are", async () => {
    expect((await post({ CHANGED: "" })).code).toBe(1);
    expect(bodies()).toEqual([
      expect.stringContaining("**No review of stack lab**"),
      expect.stringContaining("**No review of stack prod**"),
    ]);
  });

  test("say of a stack that is not changed any more that it is not, and nothing of one that never was", async () => {
    const own = github.comment(7, `${marker("lab")}\n**Data at risk**`);
    const { code, stdout } = await post({ CHANGED: "[]" });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "lab: comment edited\nprod: no comment\n" });
    expect(own.body).toContain("**Stack lab is not concerned**");
    expect(bodies()).toHaveLength(1);
  });

  test.each([
    ["a gateway that fails once", { on: /^GET/, status: 502, body: "<html>" }],
    ["a limit that ends soon", { on: /^POST/, status: 429, headers: { "retry-after": "1" } }],
    ["a second kind of limit", { on: /^POST/, status: 403, headers: { "retry-after": "1" } }],
  ])("outlive %s", async (_, mishap) => {
    github.mishaps.push(mishap);
    review("lab", "nothing", "**Nothing changes**");
    expect(await post({ STACKS: '["lab"]', CHANGED: '["lab"]' })).toMatchObject({ code: 0 });
    expect(bodies()).toHaveLength(1);
  });

  test.each([
    [
      "a permission is missing",
      { on: /^POST/, status: 403 },
      /403 as the test wants it; the workflow's job needs another permission/,
    ],
    [
      "the limit lasts",
      { on: /^POST/, status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "4102444800" } },
      /the rate limit is used up until 2100-01-01T00:00:00.000Z/,
    ],
    ["the answer to a new comment is lost", { on: /^POST/, status: 502, body: "<html>" }, /502 <html>/],
  ])("fail when %s, and the others are posted nevertheless", async (_, mishap, message) => {
    github.mishaps.push(mishap);
    review("lab", "nothing", "**Nothing changes**");
    review("prod", "nothing", "**Nothing changes**");
    const { code, stdout, stderr } = await post();
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).toContain("error: the review of stack lab could not be posted");
    expect(stdout).toBe("prod: comment written\n");
    expect(stdout + stderr).not.toContain("token-of-the-job");
  });

  test("are not posted when they are longer than GitHub takes", async () => {
    review("lab", "nothing", "x".repeat(65_500));
    const { code, stderr } = await post({ STACKS: '["lab"]', CHANGED: '["lab"]' });
    expect(code).toBe(1);
    expect(stderr).toContain("expected 65536 at most");
  });
});

describe("a deployment", () => {
  let commits: string[] = [];
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.org", ...args], {
      cwd: folder,
      encoding: "utf8",
    }).trim();
  const risks = (...atRisk: string[]) => ({
    stack: "prod",
    verdict: atRisk.length > 0 ? "data-at-risk" : "changes",
    atRisk,
    machines: 1,
  });
  const preview = (of: string, ...shown: string[]) => ({
    repository: of,
    artifacts: { "review-prod": { "review-prod.json": JSON.stringify(risks(...shown)), "review-prod.md": "text" } },
  });
  const merged = (head: string, commit: string) => ({
    merged_at: "2026-11-26T00:00:00Z",
    merge_commit_sha: commit,
    head: { sha: head },
  });
  const gate = (env: Record<string, string> = {}) =>
    run(node("gate.mjs", "prod"), folder, {
      ...github.environment,
      GITHUB_STEP_SUMMARY: join(folder, "summary"),
      ...env,
    });

  beforeEach(() => {
    git("init", "--quiet", "--initial-branch=main");
    for (const name of ["first", "second", "third"]) {
      git("commit", "--quiet", "--allow-empty", `--message=${name}`);
    }
    commits = git("rev-list", "--reverse", "HEAD").split("\n");
    github.deployments.prod = [
      { sha: String(commits[1]), states: ["failure", "in_progress"] },
      { sha: String(commits[0]), states: ["inactive", "success", "in_progress"] },
    ];
    artifact("review-prod", risks("delete machine worker-1", "replace machine master-2"), "text");
  });

  test("goes on when the pull requests since the last one that succeeded showed all that is at risk", async () => {
    github.pulls[String(commits[1])] = [merged("aaa", String(commits[1]))];
    github.pulls[String(commits[2])] = [merged("bbb", String(commits[2]))];
    github.runs.aaa = [preview("owner/repository", "replace machine master-2")];
    github.runs.bbb = [preview("owner/repository", "delete machine worker-1", "delete machine worker-2")];
    expect(await gate()).toMatchObject({ code: 0, stdout: "All data at risk was shown in a pull request's review.\n" });
  });

  test.each<[string, () => void]>([
    ["there is no pull request", () => undefined],
    [
      "the review showed less",
      () => {
        github.runs.bbb = [preview("owner/repository", "replace machine master-2")];
      },
    ],
    [
      "the newest review showed less",
      () => {
        github.runs.bbb = [
          preview("owner/repository"),
          preview("owner/repository", "delete machine worker-1", "replace machine master-2"),
        ];
      },
    ],
    [
      "a fork's run says so",
      () => {
        github.runs.bbb = [preview("mallory/repository", "delete machine worker-1", "replace machine master-2")];
      },
    ],
    [
      "a comment says so",
      () => {
        github.comment(7, JSON.stringify(risks("delete machine worker-1", "replace machine master-2")));
      },
    ],
    [
      "the pull request was merged elsewhere",
      () => {
        github.pulls[String(commits[2])] = [merged("bbb", "0123456")];
        github.runs.bbb = [preview("owner/repository", "delete machine worker-1", "replace machine master-2")];
      },
    ],
    [
      "the pull request is from before the last deployment",
      () => {
        github.pulls[String(commits[0])] = [merged("aaa", String(commits[0]))];
        github.runs.aaa = [preview("owner/repository", "delete machine worker-1", "replace machine master-2")];
      },
    ],
  ])("stops when %s", async (_, arrange) => {
    github.pulls[String(commits[2])] = [merged("bbb", String(commits[2]))];
    arrange();
    const { code, stdout } = await gate();
    expect(code).toBe(1);
    expect(stdout).toContain("**Not deployed.** No pull request's review showed: delete machine worker-1");
    expect(readFileSync(join(folder, "summary"), "utf8")).toBe(stdout);
  });

  test("goes on when somebody accepts outright what is at risk, and says so", async () => {
    const { code, stdout } = await gate({ DATA_AT_RISK: "accepted" });
    expect(code).toBe(0);
    expect(stdout).toContain(
      "Accepted by hand, without a pull request's review: delete machine worker-1, replace machine master-2.",
    );
  });

  test("goes on when nothing is at risk", async () => {
    artifact("review-prod", risks(), "text");
    expect(await gate()).toMatchObject({ code: 0, stdout: "No data is at risk.\n" });
  });

  test("on a desk takes nothing for shown", async () => {
    const { code, stdout } = await gate({ GITHUB_ACTIONS: "" });
    expect(code).toBe(1);
    expect(stdout).toContain("make deploy STACK=prod DATA_AT_RISK=accepted");
  });

  test("stops without a review, with one that failed, and when GitHub does not say what was shown", async () => {
    github.mishaps.push({ on: /deployments/, status: 403 });
    expect((await gate()).stderr).toContain("could not be read, so nothing is deployed");
    artifact("review-prod", { ...risks(), verdict: "failed" }, "text");
    expect(await gate()).toMatchObject({ code: 1 });
    rmSync(join(folder, "artifacts", "review-prod.json"));
    const { code, stderr } = await gate({ DATA_AT_RISK: "accepted" });
    expect(code).toBe(1);
    expect(stderr).toContain("there is no review of stack prod that shows what would happen");
  });

  test("does not go back to an older commit", async () => {
    github.deployments.prod?.unshift({ sha: String(commits[2]), states: ["success"] });
    git("reset", "--quiet", "--hard", String(commits[1]));
    const { code, stderr } = await gate();
    expect(code).toBe(1);
    expect(stderr).toContain(`was deployed from ${String(commits[2])}, which this commit does not come from`);
  });

  test("is due for what was never deployed, for what was asked for, and for no stack that there is not", async () => {
    const due = (...args: string[]) =>
      run(node("due-stacks.mjs", ...args), folder, { ...github.environment, STACKS: '["new", "prod"]' });
    github.deployments.prod = [{ sha: String(commits[2]), states: ["success"] }];
    expect(await due("prod")).toMatchObject({ code: 0, stdout: '["prod"]\n' });
    expect((await due("elsewhere")).stderr).toContain("there is no stack elsewhere, expected one of new, prod");
  });
});

describe("drift as an issue", () => {
  const report = () => run(node("report-drift.mjs"), folder, { ...github.environment, STACKS: '["lab"]' });
  const found = (verdict: string, text = "text") => {
    artifact("drift-lab", { stack: "lab", verdict }, text);
  };
  const own = () => github.issues.filter(({ user }) => user.login === bot);

  test("is opened once, updated, closed with a remark, and opened again", async () => {
    for (let number = 1; number < 6; number++) {
      const pull = number % 2 === 0 ? { pull_request: {} } : {};
      github.issues.push({
        id: number,
        number,
        user: { login: "alice" },
        title: "",
        body: "<!-- esxi-k8s: drift of stack lab -->",
        state: "open",
        ...pull,
      });
    }
    found("differs", "worker-1 is gone");
    expect(await report()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^lab: issue \d+ opened\n$/) as string,
    });
    found("differs", "worker-2 is gone too");
    expect(await report()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^lab: issue \d+ updated\n$/) as string,
    });
    expect(own()).toMatchObject([
      {
        state: "open",
        title: "Stack lab has drifted",
        body: expect.stringContaining("worker-2 is gone too") as string,
      },
    ]);
    found("nothing");
    expect(await report()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/nothing differs any more; issue \d+ closed\n$/) as string,
    });
    expect(own()).toMatchObject([{ state: "closed" }]);
    expect(Object.values(github.comments).flat()).toMatchObject([
      { body: expect.stringContaining("Nothing differs any more") as string },
    ]);
    found("nothing");
    expect(await report()).toMatchObject({ code: 0, stdout: "lab: nothing differs\n" });
    found("differs");
    await report();
    expect(own()).toHaveLength(2);
    expect(github.issues.filter(({ user }) => user.login === "alice").every(({ state }) => state === "open")).toBe(
      true,
    );
  });

  test("says that it could not be found out, and the status is red", async () => {
    found("failed", "vCenter cannot be reached");
    expect(await report()).toMatchObject({ code: 1 });
    expect(own()).toMatchObject([{ title: "Drift of stack lab cannot be found out" }]);
  });

  test("stays as it is when a run left nothing, and the status is red", async () => {
    found("differs", "worker-1 is gone");
    await report();
    rmSync(join(folder, "artifacts", "drift-lab.json"));
    const { code, stderr } = await report();
    expect(code).toBe(1);
    expect(stderr).toContain("lab: its run left no result");
    expect(own()).toMatchObject([{ state: "open", body: expect.stringContaining("worker-1 is gone") as string }]);
  });
});

describe("the runner", () => {
  const gate = (workflow: string, event: string, ref: string, payload: object) => {
    writeFileSync(join(folder, "event.json"), JSON.stringify(payload));
    return run([join(root, "tools/ci/runner-gate.sh")], folder, {
      GITHUB_REPOSITORY: "owner/repository",
      GITHUB_WORKFLOW_REF: `${workflow}@${ref}`,
      GITHUB_EVENT_NAME: event,
      GITHUB_EVENT_PATH: join(folder, "event.json"),
      GITHUB_REF: ref,
    });
  };
  const ours = "owner/repository/.github/workflows";
  const from = (repository: string | null) => ({
    pull_request: { head: { repo: repository && { full_name: repository } } },
  });
  const main = { repository: { default_branch: "main" } };

  test.each<[string, string, string, object]>([
    [`${ours}/preview.yml`, "pull_request", "refs/pull/7/merge", from("owner/repository")],
    [`${ours}/deploy.yml`, "push", "refs/heads/main", main],
    [`${ours}/deploy.yml`, "workflow_dispatch", "refs/heads/main", main],
    [`${ours}/drift.yml`, "schedule", "refs/heads/main", { schedule: "17 3 * * *" }],
  ])("takes a job of %s on %s of %s", async (...job) => {
    expect(await gate(...job)).toMatchObject({ code: 0 });
  });

  test.each<[string, string, string, object]>([
    [`${ours}/preview.yml`, "pull_request", "refs/pull/7/merge", from("mallory/repository")],
    [`${ours}/preview.yml`, "pull_request", "refs/pull/7/merge", from(null)],
    [`${ours}/preview.yml`, "pull_request_target", "refs/heads/main", from("mallory/repository")],
    [`${ours}/preview.yml`, "push", "refs/heads/main", main],
    [`${ours}/deploy.yml`, "pull_request", "refs/pull/7/merge", from("owner/repository")],
    [`${ours}/deploy.yml`, "workflow_dispatch", "refs/heads/other", main],
    [`${ours}/other.yml`, "push", "refs/heads/main", main],
    ["mallory/repository/.github/workflows/preview.yml", "pull_request", "refs/pull/7/merge", from("owner/repository")],
  ])("refuses a job of %s on %s of %s", async (...job) => {
    const { code, stderr } = await gate(...job);
    expect(code).toBe(1);
    expect(stderr).toContain("this runner does not run");
  });
});
