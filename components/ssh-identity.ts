import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { sshKeyPair } from "../render/ssh-key";

/** A generated key pair; the private half is a secret. */
export interface SshIdentity {
  /** PEM block `OPENSSH PRIVATE KEY`, secret. */
  privateKey: pulumi.Output<string>;
  /** `ssh-ed25519 AAAA…` */
  publicKey: pulumi.Output<string>;
}

/** An ed25519 key pair that lives as long as its seed in the state. The name is a contract: renaming replaces the key. */
export function sshIdentity(name: string, opts: pulumi.CustomResourceOptions): SshIdentity {
  // Not RandomBytes: there the value is also the resource's id, and ids are in clear in every state.
  const seed = new random.RandomPassword(name, { length: 64, special: false }, opts);
  const pair = seed.result.apply((text) => sshKeyPair(createHash("sha256").update(text).digest()));
  return {
    privateKey: pulumi.secret(pair.privateKey),
    publicKey: pulumi.unsecret(pair.publicKey),
  };
}
