import * as pulumi from "@pulumi/pulumi";
import { readPast, type Past, type StateRecord } from "../config/past";

/**
 * What this stack holds as the engine knows it, before this run changes anything: that decides in which order machines may be disturbed,
 * and what a configuration may still change. The function is the engine's own, by which one stack reads another.
 */
export async function loadPast(): Promise<Past> {
  const { outputs } = (await pulumi.runtime.invoke(
    "pulumi:pulumi:readStackResourceOutputs",
    { stackName: pulumi.getStack() },
    { async: true },
  )) as { outputs: Record<string, StateRecord> };
  return readPast(outputs);
}
