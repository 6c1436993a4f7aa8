import { createPrivateKey, createPublicKey } from "node:crypto";

/** An ed25519 key pair in the formats that OpenSSH reads. */
export interface SshKeyPair {
  /** Private key, PEM block `OPENSSH PRIVATE KEY`. */
  privateKey: string;
  /** Public key, `ssh-ed25519 AAAA…`. */
  publicKey: string;
}

const keyType = "ssh-ed25519";

/**
 * Derives the key pair of a 32 byte seed (RFC 8032). The same seed always gives the same text, which libraries that
 * write OpenSSH's format do not promise (they draw its check number at random): a text that changed on every run
 * would be a change to every virtual machine. PKCS #8 would need OpenSSH 9.6, newer than Ubuntu 22.04's.
 * Format: PROTOCOL.key of OpenSSH.
 * @throws Error when the seed is not 32 bytes
 */
export function sshKeyPair(seed: Buffer): SshKeyPair {
  if (seed.length !== 32) {
    throw new Error(`an ed25519 seed has 32 bytes, got ${String(seed.length)}`);
  }
  const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
  const point = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);

  const publicBlob = Buffer.concat([sshString(keyType), sshString(point)]);
  const checkNumber = point.subarray(0, 4);
  const unpadded = Buffer.concat([
    checkNumber,
    checkNumber,
    publicBlob,
    sshString(Buffer.concat([seed, point])),
    sshString(""),
  ]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (unpadded.length % 8)) % 8));
  const container = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    Buffer.from([0, 0, 0, 1]),
    sshString(publicBlob),
    sshString(Buffer.concat([unpadded, padding])),
  ]);

  const lines = container.toString("base64").match(/.{1,70}/g) ?? [];
  return {
    privateKey: ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n"),
    publicKey: `${keyType} ${publicBlob.toString("base64")}`,
  };
}

/** A length-prefixed string (RFC 4251, section 5). */
function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
