import type * as pulumi from "@pulumi/pulumi";
import type { ClassOf } from "../../config/storage";
import type { StorageTypeArgs } from "./storage-type";

/**
 * Lets a worker try the share of a class, as its volumes will be mounted: a share that cannot be reached or mounted is found before a
 * pod hangs on it. Tried again when what is tried changes.
 */
export function tryShare(
  owner: pulumi.Resource,
  name: string,
  config: ClassOf<"nfs"> | ClassOf<"smb">,
  { worker, dependsOn }: Pick<StorageTypeArgs<"nfs">, "worker" | "dependsOn">,
  login: { user?: string; password?: pulumi.Input<string> } = {},
): pulumi.Resource[] {
  const { type, server, share, mountOptions } = config;
  return worker === undefined
    ? []
    : [
        worker.run(
          `storage-${name}-share`,
          {
            script: "try-share",
            parameters: {
              CLASS: name,
              TYPE: type,
              SERVER: server,
              SHARE: share,
              OPTIONS: mountOptions.join(","),
              USERNAME: login.user ?? "",
            },
            stdin: login.password,
            timeoutSeconds: 180,
          },
          // A node that was there before is awaited by nobody else, and may be getting what mounts the share.
          { parent: owner, dependsOn: [...dependsOn, ...(worker.equipped ? [worker.equipped] : [])] },
        ),
      ];
}
