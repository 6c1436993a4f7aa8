import { z } from "zod";
import { withoutSecrets } from "./secrets";

/** What the state or the program says of a resource, as far as a review reads it. */
const state = z.object({
  type: z.string(),
  parent: z.string().optional(),
  dependencies: z.array(z.string()).optional(),
  /** Its URN, then its id. */
  provider: z.string().optional(),
  deletedWith: z.string().optional(),
  retainOnDelete: z.boolean().optional(),
  protect: z.boolean().optional(),
  /** Of a machine: its address. */
  replacementTrigger: z.unknown().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
});
export type State = z.infer<typeof state>;

const step = z.object({
  op: z.string(),
  urn: z.string(),
  oldState: state.optional(),
  newState: state.optional(),
  /** Top-level properties that differ: of two secrets nothing else tells. */
  diffReasons: z.array(z.string()).nullish(),
  /** By the path of what differs. */
  detailedDiff: z.record(z.string(), z.object({ kind: z.string() })).nullish(),
});
export type Step = z.infer<typeof step>;

const preview = z.object({
  /** The stack's configuration: structured values in JSON, secrets covered. */
  config: z.record(z.string(), z.string()).nullish(),
  steps: z.array(step).nullish(),
  diagnostics: z
    .array(z.object({ urn: z.string().optional(), message: z.string().optional(), severity: z.string().optional() }))
    .nullish(),
});

/** A preview: everything of the stack, whether it changes or not, and what was said about it. */
export interface Preview {
  /** Groups of machines, as `nodes` of the configuration name them. */
  config: Record<string, string>;
  steps: Step[];
  diagnostics: Diagnostic[];
}

export interface Diagnostic {
  /** Of the resource that it is about. */
  urn?: string;
  message: string;
  severity: string;
}

/**
 * Reads what `pulumi preview --json --show-sames` printed, and leaves out what no review needs: it is less than a tenth.
 * @throws Error when the text is not such a document as a whole
 */
export function parsePreview(text: string): Preview {
  const { config, steps, diagnostics } = preview.parse(withoutSecrets(JSON.parse(text)));
  return {
    config: Object.fromEntries(
      Object.entries(config ?? {}).filter(([key]) => /:(frontend|controlPlane|workers)$/.test(key)),
    ),
    steps: (steps ?? []).map((each) => (each.op === "same" ? unchanged(each) : each)),
    diagnostics: (diagnostics ?? []).map(({ urn, message = "", severity = "info" }) => ({ urn, message, severity })),
  };
}

/** Of what stays as it is, a state says where it belongs and whether it is protected; machines are described by where they are, too. */
function unchanged({ op, urn, oldState, newState }: Step): Step {
  const known = newState ?? oldState;
  if (!known) {
    return { op, urn };
  }
  const short = ({ type, parent, dependencies, provider, deletedWith, protect, inputs }: State): State => ({
    ...{ type, parent, dependencies, provider, deletedWith, protect },
    ...(type === machineType && { inputs: placed(inputs) }),
  });
  // Protection is Pulumi's own, and changes without a change of the resource.
  const isOther = newState !== undefined && oldState !== undefined && !oldState.protect !== !newState.protect;
  return {
    op,
    urn,
    ...(isOther && { oldState: short({ ...oldState, inputs: newState.inputs }) }),
    newState: short(known),
  };
}

export const machineType = "vsphere:index/virtualMachine:VirtualMachine";

const placed = (inputs: State["inputs"]) => ({ hostSystemId: inputs?.hostSystemId });
