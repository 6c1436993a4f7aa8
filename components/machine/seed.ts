import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** 32 random bytes that live as long as the resource in the state, secret. The name is a contract: renaming draws others. */
export function seed(name: string, opts: pulumi.CustomResourceOptions): pulumi.Output<Buffer> {
  // Not RandomBytes: there the value is also the resource's id, and ids are in clear in every state.
  const drawn = new random.RandomPassword(name, { length: 64, special: false }, opts);
  return drawn.result.apply((text) => createHash("sha256").update(text).digest());
}
