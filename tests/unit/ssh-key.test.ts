import fc from "fast-check";
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sshKeyPair } from "../../render/ssh-key";

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

/** Reads OpenSSH's containers: fields that tell their own length. */
class Reader {
  constructor(private rest: Buffer) {}

  bytes(length: number): Buffer {
    if (length > this.rest.length) {
      throw new Error("the container ends too early");
    }
    const taken = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(length);
    return taken;
  }

  number(): number {
    return this.bytes(4).readUInt32BE();
  }

  field(): Buffer {
    return this.bytes(this.number());
  }

  remaining(): Buffer {
    return this.bytes(this.rest.length);
  }
}

/** What a private key file says, field by field as in OpenSSH's PROTOCOL.key. */
function readPrivateKey(pem: string) {
  const lines = pem.split("\n");
  expect(lines.shift()).toBe("-----BEGIN OPENSSH PRIVATE KEY-----");
  expect(lines.pop()).toBe("");
  expect(lines.pop()).toBe("-----END OPENSSH PRIVATE KEY-----");
  expect(lines.every((line) => line.length <= 70)).toBe(true);
  const file = new Reader(Buffer.from(lines.join(""), "base64"));

  const outer = {
    magic: file.bytes(15).toString(),
    cipher: file.field().toString(),
    kdf: file.field().toString(),
    kdfOptions: file.field().toString(),
    keys: file.number(),
    publicBlob: file.field(),
  };
  const privateSection = file.field();
  expect(file.remaining()).toHaveLength(0);

  const section = new Reader(privateSection);
  const inner = {
    checks: [section.number(), section.number()],
    type: section.field().toString(),
    point: section.field(),
    secret: section.field(),
    comment: section.field().toString(),
    padding: [...section.remaining()],
  };
  return { ...outer, ...inner, sectionLength: privateSection.length };
}

function readPublicKey(line: string) {
  const [type, base64, ...more] = line.split(" ");
  const blob = Buffer.from(base64 ?? "", "base64");
  const reader = new Reader(blob);
  const key = { type, blobType: reader.field().toString(), point: reader.field(), blob };
  expect(reader.remaining()).toHaveLength(0);
  expect(more).toEqual([]);
  return key;
}

function jwk(point: Buffer) {
  return { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") };
}

function verifier(publicKey: string): KeyObject {
  return createPublicKey({ key: jwk(readPublicKey(publicKey).point), format: "jwk" });
}

function signer(privateKey: string): KeyObject {
  const { secret, point } = readPrivateKey(privateKey);
  return createPrivateKey({ key: { ...jwk(point), d: secret.subarray(0, 32).toString("base64url") }, format: "jwk" });
}

describe("an SSH key pair", () => {
  test("of a seed from RFC 8032 has the public key of that RFC", () => {
    const { publicKey } = sshKeyPair(
      Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex"),
    );
    expect(readPublicKey(publicKey).point.toString("hex")).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
  });

  test("is written as OpenSSH writes it", () => {
    fc.assert(
      fc.property(seed, (bytes) => {
        const { privateKey, publicKey } = sshKeyPair(bytes);
        const read = readPrivateKey(privateKey);
        const { type, blobType, point, blob } = readPublicKey(publicKey);
        expect([type, blobType]).toEqual(["ssh-ed25519", "ssh-ed25519"]);
        expect(read).toMatchObject({
          magic: "openssh-key-v1\0",
          cipher: "none",
          kdf: "none",
          kdfOptions: "",
          keys: 1,
          type: "ssh-ed25519",
          comment: "",
        });
        expect(read.publicBlob).toEqual(blob);
        expect(read.point).toEqual(point);
        expect(read.secret).toEqual(Buffer.concat([bytes, point]));
        // OpenSSH takes two different check numbers for a wrong passphrase, and other padding for a damaged file.
        expect(read.checks[0]).toBe(read.checks[1]);
        expect(read.sectionLength % 8).toBe(0);
        expect(read.padding).toEqual(read.padding.map((_, index) => index + 1));
        expect(read.padding.length).toBeLessThan(8);
      }),
    );
  });

  test("signs what its public half verifies, and nothing else does", () => {
    fc.assert(
      fc.property(seed, seed, fc.uint8Array(), (bytes, other, message) => {
        fc.pre(!bytes.equals(other));
        const pair = sshKeyPair(bytes);
        const signature = sign(null, message, signer(pair.privateKey));
        expect(verify(null, message, verifier(pair.publicKey), signature)).toBe(true);
        expect(verify(null, message, verifier(sshKeyPair(other).publicKey), signature)).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  test("is the same text every time, or every preview would show changes", () => {
    fc.assert(
      fc.property(seed, (bytes) => {
        expect(sshKeyPair(Buffer.from(bytes))).toEqual(sshKeyPair(bytes));
      }),
    );
  });

  test("needs a seed of exactly 32 bytes, and its error shows none of them", () => {
    const wrong = fc.uint8Array({ maxLength: 80 }).filter(({ length }) => length !== 32);
    fc.assert(
      fc.property(wrong, (bytes) => {
        expect(() => sshKeyPair(Buffer.from(bytes))).toThrow(
          new Error(`an ed25519 seed has 32 bytes, got ${bytes.length}`),
        );
      }),
    );
  });
});
