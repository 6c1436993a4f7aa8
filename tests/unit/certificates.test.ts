import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { certificateProblem } from "../../config/certificates";
import { parseConfig } from "../../config/parse";
import { issue, type Issued } from "../support/certificates";
import { validConfig, vary } from "../support/configs";

const now = new Date("2026-03-14T09:26:53Z");
const start = new Date("2026-01-01T00:00:00Z");
const end = new Date("2026-12-31T23:59:59Z");

let valid: Issued;
let other: Issued;
let expired: Issued;
let early: Issued;

beforeAll(async () => {
  [valid, other, expired, early] = await Promise.all([
    issue(start, end),
    issue(start, end),
    issue(start, new Date("2026-03-14T09:26:52Z")),
    issue(new Date("2026-03-14T09:26:54Z"), end),
  ]);
});

/** The line about a certificate and its key. */
function said(certificate: string, key: string, at = now): string | undefined {
  const problem = certificateProblem(certificate, key, at);
  return problem && `${problem.path}: got ${problem.got}, expected ${problem.expected}`;
}

describe("a certificate is accepted", () => {
  test("with its key", () => {
    expect(said(valid.certificate, valid.key)).toBeUndefined();
  });

  test("from its first to its last second", () => {
    expect(said(valid.certificate, valid.key, start)).toBeUndefined();
    expect(said(valid.certificate, valid.key, end)).toBeUndefined();
  });

  test("with a chain behind it and text around", () => {
    expect(said(`subject=CN\n${valid.certificate}issuer=CN\n${other.certificate}`, `\n${valid.key}\n`)).toBeUndefined();
  });

  test("with the line breaks of Windows", () => {
    const windows = (text: string) => text.replaceAll("\n", "\r\n");
    expect(said(windows(valid.certificate), windows(valid.key))).toBeUndefined();
  });

  test("with a key in the form that names its algorithm, and the parameters in front that openssl writes", () => {
    const key = createPrivateKey(valid.key).export({ type: "sec1", format: "pem" }).toString();
    expect(key).toContain("BEGIN EC PRIVATE KEY");
    const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    expect(said(valid.certificate, parameters + key)).toBeUndefined();
  });
});

/** Keys that no stand-in certificate matches: what is said first tells whether TLS knows their kind. */
describe("a key", () => {
  const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();
  const ec = (namedCurve: string) => pem(generateKeyPairSync("ec", { namedCurve }).privateKey);
  const rsa = (modulusLength: number) => pem(generateKeyPairSync("rsa", { modulusLength }).privateKey);
  const advice =
    "expected one that TLS knows, and a certificate for it: RSA of 1024 bits or more, Ed25519, " +
    "or ECDSA on P-256, P-384 or P-521";

  test.each([
    ["P-256", ec("prime256v1")],
    ["P-384", ec("secp384r1")],
    ["P-521", ec("secp521r1")],
    ["Ed25519", pem(generateKeyPairSync("ed25519").privateKey)],
    ["RSA of 1024 bits", rsa(1024)],
    ["RSA of 2048 bits", rsa(2048)],
  ])("that TLS knows is accepted: %s", (_kind, key) => {
    expect(said(valid.certificate, key)).toContain("a key that does not match");
  });

  test.each([
    ["a key on the curve brainpoolP256r1", ec("brainpoolP256r1")],
    ["a key on the curve brainpoolP384t1", ec("brainpoolP384t1")],
    ["a key on the curve secp256k1", ec("secp256k1")],
    ["a key on the curve secp224r1", ec("secp224r1")],
    ["a key of the kind ed448", pem(generateKeyPairSync("ed448").privateKey)],
    ["a key of the kind rsa-pss", pem(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey)],
    ["an RSA key of 1023 bits", rsa(1023)],
  ])("that no handshake works with is refused: %s", (got, key) => {
    expect(said(valid.certificate, key)).toBe(`ingressCertificateKey: got ${got}, ${advice}`);
  });
});

describe("a certificate is refused", () => {
  test("when it is none", () => {
    expect(said("apps.example.org.pem", valid.key)).toBe(
      "ingress.certificate: got a text without a certificate, expected one or more certificates in PEM, " +
        "from BEGIN CERTIFICATE to END CERTIFICATE",
    );
  });

  test("when it is cut off", () => {
    expect(said(valid.certificate.slice(0, 200), valid.key)).toContain("got a text without a certificate,");
    const shortened = valid.certificate.replace(/\n[^\n]+\n-----END/, "\n-----END");
    expect(said(shortened, valid.key)).toBe(
      "ingress.certificate: got a certificate that cannot be read, " +
        "expected the whole PEM text of a certificate, with its line breaks",
    );
  });

  test("when YAML has joined its lines", () => {
    expect(said(valid.certificate.replaceAll("\n", " "), valid.key)).toContain("got a certificate that cannot be read");
  });

  test("when one of its chain cannot be read", () => {
    const broken = other.certificate.replace(/\n[^\n]+\n-----END/, "\n-----END");
    expect(said(valid.certificate + broken, valid.key)).toContain(
      "got a chain's first certificate that cannot be read",
    );
  });

  test("when its key stands beside it in clear", () => {
    const line = said(valid.certificate + valid.key, valid.key);
    expect(line).toBe(
      "ingress.certificate: got a text with a private key, which now stands in clear in the stack's file, " +
        "expected certificates alone, and a new key in ingressCertificateKey",
    );
  });

  test("when it has expired", () => {
    expect(said(expired.certificate, expired.key)).toBe(
      "ingress.certificate: got a certificate that expired at 2026-03-14T09:26:52Z, " +
        "expected one that is valid now, at 2026-03-14T09:26:53Z",
    );
  });

  test("when it is not valid yet", () => {
    expect(said(early.certificate, early.key)).toBe(
      "ingress.certificate: got a certificate that is not valid before 2026-03-14T09:26:54Z, " +
        "expected one that is valid now, at 2026-03-14T09:26:53Z",
    );
  });

  test("when one of its chain has expired", () => {
    expect(said(valid.certificate + other.certificate + expired.certificate, valid.key)).toContain(
      "got a chain's second certificate that expired at 2026-03-14T09:26:52Z",
    );
  });
});

describe("a key is refused", () => {
  const path = "ingressCertificateKey";

  test("when it belongs to another certificate", () => {
    expect(said(valid.certificate, other.key)).toBe(
      `${path}: got a key that does not match the first certificate of ingress.certificate, ` +
        "expected the key that the certificate was issued for",
    );
  });

  test("when its certificate comes behind others", () => {
    expect(said(other.certificate + valid.certificate, valid.key)).toBe(
      `${path}: got a key that does not match the first certificate of ingress.certificate, ` +
        "expected the certificate of this key before all others",
    );
  });

  test("when it is none", () => {
    const line = `${path}: got a text without a private key, expected a private key in PEM`;
    expect(said(valid.certificate, valid.certificate)).toBe(line);
    expect(said(valid.certificate, valid.key.slice(0, 60))).toBe(line);
  });

  test("when it cannot be read, and none of it is told", () => {
    const line = said(valid.certificate, valid.key.replace(/\n[^\n]+\n-----END/, "\n-----END"));
    expect(line).toBe(
      `${path}: got a private key that cannot be read, expected the whole PEM text of a private key, with its line breaks`,
    );
  });

  test.each(["pkcs8", "sec1"] as const)("when a passphrase protects it (%s)", (type) => {
    const options = { type, format: "pem", cipher: "aes-256-cbc", passphrase: "battery-staple" } as const;
    const key = createPrivateKey(valid.key).export(options).toString();
    expect(said(valid.certificate, key)).toBe(
      `${path}: got a key that a passphrase protects, ` +
        "expected one without, because nobody is there to type it when Traefik starts",
    );
  });
});

describe("as part of a configuration", () => {
  const encrypted = new Set(["vcenterPassword", "ingressCertificateKey"]);
  const configured = ({ certificate, key }: Issued) =>
    parseConfig(vary(validConfig(), { ingress: { certificate }, ingressCertificateKey: key }), "test", encrypted);

  test("a certificate is held against the clock", async () => {
    const today = await issue(new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000));
    expect(configured(today)).toMatchObject({ ingressCertificateKey: today.key });
    const yesterday = await issue(start, new Date("2026-01-02T00:00:00Z"));
    expect(() => configured(yesterday)).toThrow(
      "ingress.certificate: got a certificate that expired at 2026-01-02T00:00:00Z,",
    );
  });

  test("a key is never printed", async () => {
    const today = await issue(new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000));
    let message = "";
    try {
      configured({ certificate: today.certificate, key: other.key });
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain("ingressCertificateKey: got a key that does not match");
    for (const line of other.key.split("\n").filter((text) => text !== "")) {
      expect(message).not.toContain(line);
    }
  });
});
