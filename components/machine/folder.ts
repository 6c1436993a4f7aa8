import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { LoadedConfig } from "../../config";

export interface StackFolderArgs {
  vcenter: LoadedConfig["vcenter"];
  /** Password of `vcenter.user`. */
  password: pulumi.Input<string>;
  datacenterId: pulumi.Input<string>;
  /** Path below the datacenter's machines. */
  path: string;
  /** Names of the machines that the configuration has. */
  machines: string[];
  /** UUIDs of the virtual machines that the stack holds, by name. */
  held: ReadonlyMap<string, string>;
  /**
   * Names of those that are made anew now, by groups, and how many of each are away at a time. An interrupted run may have deleted the old
   * one, which the state tells nobody.
   */
  anew: { names: string[]; atOnce: number }[];
  /** Refuse to delete the folder. */
  protect: boolean;
}

/**
 * The vCenter folder in which the machines of a stack lie, and no others. Whenever machines are to be cloned, it runs first, and frees
 * their names from what an interrupted run left. When it is deleted, all its machines go with it, in whatever state they are.
 */
export function stackFolder(
  name: string,
  { vcenter, password, datacenterId, path, machines, held, anew, protect }: StackFolderArgs,
  opts: { parent: pulumi.Resource },
): local.Command {
  const clones = machines.filter((machine) => !held.has(machine) || anew.some(({ names }) => names.includes(machine)));
  const { server, user, allowUnverifiedSsl } = vcenter;
  return new local.Command(
    name,
    {
      // Both are in the state and run at a destroy, with whatever is in vcenter/ by then.
      create: "node vcenter/folder.mjs ready",
      delete: "node vcenter/folder.mjs remove",
      stdin: pulumi.secret(
        pulumi.jsonStringify({ server, user, password, allowUnverifiedSsl, datacenter: datacenterId, folder: path }),
      ),
      environment: {
        MACHINES: [...new Set([...machines, ...held.keys()])].join(" "),
        CLONES: clones.join(" "),
        HELD: [...held].map(([machine, uuid]) => `${machine}=${uuid}`).join(" "),
        ...(anew.length > 0 && {
          TURNS: anew.map(({ names, atOnce }) => `${names.join(",")}=${String(atOnce)}`).join(" "),
        }),
        // The next run looks again when this one is interrupted, and clones the same machines.
        RUN: new Date().toISOString(),
      },
      // What people may follow; a failure is quoted by the error.
      logging: local.Logging.Stderr,
    },
    {
      ...opts,
      protect,
      additionalSecretOutputs: ["stdin"],
      // Nothing to clone, nothing to look for.
      ignoreChanges: clones.length === 0 ? ["environment"] : [],
    },
  );
}
