import { recorded as names, type StateRecord } from "../../config/past";
import type { Recording } from "./recorder";

/** What the engine would keep of a run, as far as the program reads it. */
export function stateOf(recording: Recording): Record<string, StateRecord> {
  return Object.fromEntries(
    recording.resources.map(({ urn, type, name, inputs, outputs }) => [
      urn,
      { type, outputs: outputs ?? (type === names.virtualMachine ? { ...inputs, uuid: `uuid of ${name}` } : inputs) },
    ]),
  );
}

/** The same without a machine that somebody deleted by hand. */
export function without(state: Record<string, StateRecord>, machine: string): Record<string, StateRecord> {
  return Object.fromEntries(
    Object.entries(state).filter(([urn, { type }]) => !(type === names.virtualMachine && urn.endsWith(`::${machine}`))),
  );
}
