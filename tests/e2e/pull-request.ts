import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { GitHubStub } from "../support/github";
import { run, temporaryFolder } from "./support/lab";
import { expectNoSecret, secretTexts } from "./support/secrets";
import { WorkflowRun, type Ran } from "./support/workflow";

/** A pull request and what becomes of it, by the very commands of preview.yml, against a stand-in of GitHub's API. */
export function describePullRequest(): void {
  const github = new GitHubStub();
  const number = 7;
  /** All that the commands printed, put into summaries and posted. */
  const said: string[] = [];
  let checkout = "";
  let base = "";
  let configuration = "";

  const git = (...args: string[]) =>
    run("git", ["-C", checkout, "-c", "user.name=test", "-c", "user.email=test@example.org", ...args]);

  beforeAll(async () => {
    await github.start();
    checkout = await temporaryFolder();
    // As it is here, with a history of its own. Files keep their times, by which make tells that packages are there.
    await run("bash", [
      "-c",
      `git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --directory="$1"
       cp --archive --link node_modules sdks "$1/"`,
      "bash",
      checkout,
    ]);
    configuration = await readFile(join(checkout, "Pulumi.sim.yaml"), "utf8");
    await git("init", "--quiet", "--initial-branch=main");
    await git("add", "--all");
    await git("commit", "--quiet", "--message=base");
    base = await git("rev-parse", "HEAD");
  });
  afterAll(() => github.stop());

  /** Proposes a change of the stack's configuration, and runs the jobs for it as preview.yml has them. */
  async function propose(place: string, change: string): Promise<Record<"changed" | "preview" | "comment", Ran>> {
    expect(configuration).toContain(place);
    await git("reset", "--quiet", "--hard", base);
    await run("rm", ["-rf", join(checkout, "artifacts")]);
    await writeFile(join(checkout, "Pulumi.sim.yaml"), configuration.replace(place, change));
    await git("commit", "--quiet", "--all", "--message=change");
    const context = {
      "vars.STACKS": '["sim"]',
      "vars.PULUMI_BACKEND_URL": "",
      "secrets.PULUMI_CONFIG_PASSPHRASE": "",
      "matrix.stack": "sim",
      "github.event.pull_request.number": String(number),
      "github.event.pull_request.head.sha": await git("rev-parse", "HEAD"),
      "github.token": String(github.environment.GITHUB_TOKEN),
    };
    const workflow = new WorkflowRun(checkout, ".github/workflows/preview.yml", context, github.environment);
    const changed = await workflow.job("changed");
    const stacks = changed.outputs["steps.changed.outputs.stacks"] ?? "";
    expect(stacks, changed.log).toBe('["sim"]');
    const preview = await workflow.job("preview");
    // Its artifact goes from the folder of one job to that of the other.
    const comment = await workflow.job("comment", { "needs.changed.outputs.stacks": stacks });
    const comments = github.comments[number]?.map(({ body }) => body) ?? [];
    said.push(...[changed, preview, comment].flatMap(({ log, summary }) => [log, summary]), ...comments);
    return { changed, preview, comment };
  }

  it("is reviewed in a comment, which the review of a later commit replaces", async () => {
    const worker = "        worker-2: { host: esxi-2, address: 10.20.0.32 }\n";
    const first = await propose(worker, `${worker}        worker-3: { host: esxi-1, address: 10.20.0.33 }\n`);
    expect(first, first.preview.log).toMatchObject({ preview: { green: true }, comment: { green: true } });
    const [comment] = github.comments[number] ?? [];
    expect(comment?.body).toContain("worker-3");
    expect(first.preview.summary).toContain("worker-3");
    const earlier = comment?.body;

    const second = await propose(worker, worker.replace("10.20.0.32", "10.20.0.34"));
    expect(second, second.preview.log).toMatchObject({ preview: { green: true }, comment: { green: true } });
    expect(github.comments[number]).toEqual([comment]);
    expect(comment?.body).not.toBe(earlier);
    expect(comment?.body).toMatch(/data at risk/i);
    expect(comment?.body).not.toContain("worker-3");
  });

  it("with a configuration that is refused is red, and its comment says why", async () => {
    const failed = await propose("gateway: 10.20.0.1\n", "gateway: 10.21.0.1\n");
    expect(failed).toMatchObject({ changed: { green: true }, preview: { green: false }, comment: { green: false } });
    expect(github.comments[number]).toHaveLength(1);
    expect(github.comments[number]?.[0]?.body).toContain("network.gateway: got 10.21.0.1");
  });

  it("has no secret of the state in a log, a summary or a comment", async () => {
    const needles = await secretTexts();
    expect(needles.length).toBeGreaterThan(12);
    expect(said.join("\n")).toContain("Everything that differs");
    expectNoSecret(needles, { "what a pull request shows": said.join("\n") });
  });
}
