import * as pulumi from "@pulumi/pulumi";
import { sshKeyPair } from "../../render/ssh-key";
import { seed } from "./seed";

/** A generated key pair; the private half is a secret. */
export interface SshIdentity {
  /** PEM block `OPENSSH PRIVATE KEY`, secret. */
  privateKey: pulumi.Output<string>;
  /** `ssh-ed25519 AAAA…` */
  publicKey: pulumi.Output<string>;
}

/** An ed25519 key pair that lives as long as its seed in the state. The name is a contract: renaming replaces the key. */
export function sshIdentity(name: string, opts: pulumi.CustomResourceOptions): SshIdentity {
  const pair = seed(name, opts).apply(sshKeyPair);
  return {
    privateKey: pulumi.secret(pair.privateKey),
    publicKey: pulumi.unsecret(pair.publicKey),
  };
}
