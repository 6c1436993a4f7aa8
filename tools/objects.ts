// Which objects of the cluster are not what the state says of them, from a preview that looks at them.
import { z } from "zod";

/** A provider, for one, has no outputs. What a look finds is in what follows from it: the step of the look has the state twice. */
const resource = z.object({ type: z.string(), outputs: z.unknown().optional() }).optional();
const refreshed = z.object({
  steps: z.array(z.object({ op: z.string(), urn: z.string(), oldState: resource })),
});

/**
 * @param preview what `pulumi preview --refresh --json --show-sames` printed
 * @returns URNs of those of which a look differs from the state, and that would change because of it
 * @throws ZodError when it is no such preview
 */
export function driftedObjects(preview: string): string[] {
  const { steps } = refreshed.parse(JSON.parse(preview));
  const changed = new Map(
    steps.flatMap((step) => (["same", "refresh"].includes(step.op) ? [] : [[step.urn, step] as const])),
  );
  return steps
    .filter(
      ({ op, urn, oldState }) =>
        op === "refresh" &&
        changed.has(urn) &&
        (oldState?.type.startsWith("kubernetes:") ?? false) &&
        JSON.stringify(oldState?.outputs) !== JSON.stringify(changed.get(urn)?.oldState?.outputs),
    )
    .map(({ urn }) => urn);
}
