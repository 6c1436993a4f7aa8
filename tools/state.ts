import { z } from "zod";
import { stepLine, type StepLine } from "../review/commands";
import { pulumi } from "./outcome";

/** How Pulumi marks a secret in a state that is exported with them. */
const secretMark = "4dabf18193072939515e22adb298388d";

/** A step as the state has it: what it was run with last. */
export interface KnownStep {
  urn: string;
  /** Of the resource. */
  name: string;
  line: StepLine;
  /** Its whole standard input: texts, an empty line, then secrets. */
  stdin: string;
  /** The command line itself. */
  create: string;
  reach: Reach;
}

/** How Pulumi reaches where a step runs. */
export interface Reach {
  host: string;
  port?: number;
  user: string;
  privateKey: string;
  hostKey: string;
}

const reach = z.object({
  host: z.string(),
  port: z.number().optional(),
  user: z.string(),
  privateKey: z.string(),
  hostKey: z.string(),
});
const resource = z.object({
  urn: z.string(),
  type: z.string(),
  inputs: z.record(z.string(), z.unknown()).default({}),
});
const exported = z.object({ deployment: z.object({ resources: z.array(resource).default([]) }) });

/** A value of the state with its secrets in clear. */
function clear(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(clear);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if (secretMark in value && "plaintext" in value) {
    return clear(JSON.parse(String(value.plaintext)));
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clear(inner)]));
}

/** What the state of a stack says of what Pulumi itself cannot look at. */
export interface KnownState {
  /** All steps that run when their resource is created. */
  steps: KnownStep[];
  /** Helm releases, as NAMESPACE/NAME. */
  releases: string[];
}

/** @throws Error when Pulumi cannot read the state */
export function readState(stack: string): KnownState {
  const { code, stdout, stderr } = pulumi(["stack", "export", "--show-secrets", "--stack", stack]);
  if (code !== 0) {
    throw new Error(`the state of stack ${stack} cannot be read: ${stderr.trim()}`);
  }
  return parseState(stdout);
}

/** The same, from an exported state. */
export function parseState(state: string): KnownState {
  const { deployment } = exported.parse(JSON.parse(state));
  const releases = deployment.resources
    .filter(({ type }) => type === "kubernetes:helm.sh/v3:Release")
    .map(({ inputs }) => `${String(clear(inputs.namespace))}/${String(clear(inputs.name))}`);
  const steps = deployment.resources.flatMap(({ urn, type, inputs }) => {
    const line = type === "command:remote:Command" ? stepLine(inputs.create) : undefined;
    if (line === undefined) {
      return [];
    }
    const name = urn.slice(urn.lastIndexOf("::") + 2);
    const stdin = clear(inputs.stdin ?? "");
    const create = String(inputs.create);
    return [{ urn, name, line, create, stdin: String(stdin), reach: reach.parse(clear(inputs.connection)) }];
  });
  return { steps, releases };
}
