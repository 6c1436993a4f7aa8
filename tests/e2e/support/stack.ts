import { readFile, rm } from "node:fs/promises";
import { parse, stringify } from "yaml";
import { attempt, inLab, temporaryFile, type Outcome } from "./lab";

/** What stands below a key of a stack's configuration. */
type Values = Record<string, unknown>;
/** Changes by keys of the configuration, made from what stands there. */
export type Changes = Record<string, (values: Values) => unknown>;

/** The options by which Pulumi takes the configuration of the stack `sim` with some keys changed. */
export async function changed(changes: Changes): Promise<string[]> {
  const file = parse(await readFile("Pulumi.sim.yaml", "utf8")) as { config: Record<string, Values> };
  for (const [key, change] of Object.entries(changes)) {
    const full = `esxi-k8s:${key}`;
    file.config[full] = change(file.config[full] ?? {}) as Values;
  }
  return ["--config-file", await temporaryFile(stringify(file))];
}

/** A stack beside `sim` in the tests' lab, which has that one's configuration with some keys changed. */
export class SmallStack {
  constructor(readonly name: string) {}

  async init(): Promise<void> {
    await inLab("pulumi", "stack", "init", this.name, "--no-select");
    // Each variant has a file of its own.
    await rm(`Pulumi.${this.name}.yaml`);
  }

  /** Runs Pulumi on the stack. */
  async pulumi(command: string, changes: Changes, ...options: string[]) {
    return attempt("sim/enter", ["pulumi", command, "--stack", this.name, ...(await changed(changes)), ...options]);
  }

  up(changes: Changes): Promise<Outcome> {
    return this.pulumi("up", changes, "--yes", "--skip-preview", "--continue-on-error");
  }
}
