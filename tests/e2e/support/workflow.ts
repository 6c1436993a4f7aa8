import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { temporaryFolder, type Outcome } from "./lab";

interface Step {
  id?: string;
  run?: string;
  env?: Record<string, string>;
}
interface Workflow {
  env?: Record<string, string>;
  defaults: { run: { shell: "bash" } };
  jobs: Record<string, { env?: Record<string, string>; steps: Step[] }>;
}

/** What the commands of a job said and left, as GitHub would see it. */
export interface Ran {
  /** Every step succeeded. */
  green: boolean;
  /** All that was printed. */
  log: string;
  summary: string;
  /** Outputs of the steps, by `steps.<id>.outputs.<name>`. */
  outputs: Record<string, string>;
}

/** Runs the commands of a workflow's jobs, which it reads from the workflow itself. What actions do is the caller's part. */
export class WorkflowRun {
  constructor(
    /** The checkout that the workflow is in and its commands run in. */
    private readonly folder: string,
    private readonly file: string,
    /** Values of the expressions in `env`. */
    private readonly context: Record<string, string>,
    /** What GitHub sets. */
    private readonly environment: Record<string, string>,
  ) {}

  /** The commands of a job, each after the other, also behind one that failed: those steps say `!cancelled()`. */
  async job(name: string, context: Record<string, string> = {}): Promise<Ran> {
    const workflow = parse(await readFile(join(this.folder, this.file), "utf8")) as Workflow;
    const job = workflow.jobs[name];
    if (!job) {
      throw new Error(`${this.file} has no job ${name}`);
    }
    const files = await temporaryFolder();
    const [output, summary] = [join(files, "output"), join(files, "summary")];
    await Promise.all([output, summary].map((file) => writeFile(file, "")));
    const ran: Ran = { green: true, log: "", summary: "", outputs: {} };
    for (const { id, run, env } of job.steps) {
      if (run === undefined) {
        continue;
      }
      const values = { ...workflow.env, ...job.env, ...env };
      const { code, stdout, stderr } = await this.bash(run, {
        ...Object.fromEntries(Object.entries(values).map(([key, value]) => [key, this.evaluated(value, context)])),
        GITHUB_OUTPUT: output,
        GITHUB_STEP_SUMMARY: summary,
      });
      ran.log += stdout + stderr;
      ran.green &&= code === 0;
      for (const [, key = "", value = ""] of (await readFile(output, "utf8")).matchAll(/^(\w+)=(.*)$/gm)) {
        ran.outputs[`steps.${String(id)}.outputs.${key}`] = value;
      }
    }
    ran.summary = await readFile(summary, "utf8");
    return ran;
  }

  private evaluated(text: string, context: Record<string, string>): string {
    return text.replaceAll(/\$\{\{ (.*?) \}\}/g, (_, expression: string) => {
      const value = { ...this.context, ...context }[expression];
      if (value === undefined) {
        throw new Error(`${this.file} uses ${expression}, for which this test has no value`);
      }
      return value;
    });
  }

  private bash(script: string, env: Record<string, string>): Promise<Outcome> {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("GITHUB_"));
    const options = {
      cwd: this.folder,
      env: { ...Object.fromEntries(inherited), ...this.environment, ...env },
      maxBuffer: 64 << 20,
    };
    return new Promise((resolve) => {
      execFile("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", script], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr });
      });
    });
  }
}
