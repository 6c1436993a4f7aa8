import { hkdfSync } from "node:crypto";
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
  return identity(seed(name, opts));
}

/** Key pairs by name, all of one seed (HKDF, RFC 5869): none tells anything of another or of the seed. */
export class SshIdentities {
  private readonly seed: pulumi.Output<Buffer>;

  /** @param name a contract: renaming replaces all keys */
  constructor(name: string, opts: pulumi.CustomResourceOptions) {
    this.seed = seed(name, opts);
  }

  of(name: string): SshIdentity {
    return identity(this.seed.apply((bytes) => Buffer.from(hkdfSync("sha256", bytes, "", `ssh host key ${name}`, 32))));
  }
}

function identity(bytes: pulumi.Output<Buffer>): SshIdentity {
  const pair = bytes.apply(sshKeyPair);
  return {
    privateKey: pulumi.secret(pair.privateKey),
    publicKey: pulumi.unsecret(pair.publicKey),
  };
}
