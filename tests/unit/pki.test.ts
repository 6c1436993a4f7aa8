import { createPrivateKey, X509Certificate } from "node:crypto";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { issueByProgram, type Issued } from "../support/certificates";

const day = 24 * 60 * 60 * 1000;

let authority: Issued;
let other: Issued;
let server: Issued;
beforeAll(() => {
  authority = issueByProgram({ commonName: "esxi-k8s sim", days: 3650 });
  other = issueByProgram({ commonName: "esxi-k8s sim", days: 3650 });
  server = issueByProgram({
    commonName: "apps.example.org",
    dnsNames: ["apps.example.org", "*.apps.example.org"],
    ipAddresses: ["127.0.0.1"],
    days: 30,
    issuer: authority,
  });
});

const read = ({ certificate }: Issued) => new X509Certificate(certificate);

/** Days from now to a date of a certificate. */
const days = (date: string) => (Date.parse(date) - Date.now()) / day;

/** What openssl, rather than the library that issued it, says of a certificate for this purpose. */
function verify(leaf: Issued, issuer: Issued, purpose: string): { status: number | null; said: string } {
  const folder = mkdtempSync(join(tmpdir(), "pki-"));
  writeFileSync(join(folder, "ca.pem"), issuer.certificate);
  writeFileSync(join(folder, "leaf.pem"), leaf.certificate);
  const arguments_ = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem", "leaf.pem"];
  const { status, stdout, stderr } = spawnSync("openssl", arguments_, { cwd: folder, encoding: "utf8" });
  rmSync(folder, { recursive: true });
  return { status, said: stdout + stderr };
}

describe("an authority", () => {
  test("signs itself and is one", () => {
    const certificate = read(authority);
    expect(certificate.ca).toBe(true);
    expect(certificate.subject).toBe("CN=esxi-k8s sim");
    expect(certificate.issuer).toBe("CN=esxi-k8s sim");
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.subjectAltName).toBeUndefined();
  });

  test("is valid from an hour ago for as long as asked", () => {
    expect(days(read(authority).validFrom) * 24).toBeCloseTo(-1, 1);
    expect(days(read(authority).validTo)).toBeCloseTo(3650, 1);
  });

  test("has a key of its own each time", () => {
    expect(authority.key).not.toBe(other.key);
    expect(read(authority).serialNumber).not.toBe(read(other).serialNumber);
  });
});

describe("a certificate of an authority", () => {
  test("is for exactly the names and addresses asked for", () => {
    expect(read(server).subjectAltName).toBe("DNS:apps.example.org, DNS:*.apps.example.org, IP Address:127.0.0.1");
    expect(read(server).checkHost("shop.apps.example.org")).toBe("*.apps.example.org");
    expect(read(server).checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(read(server).checkHost("example.org")).toBeUndefined();
  });

  test("comes from the authority, not from another of its name, and issues none itself", () => {
    const certificate = read(server);
    expect(certificate.issuer).toBe("CN=esxi-k8s sim");
    expect(certificate.checkIssued(read(authority))).toBe(true);
    expect(certificate.verify(read(authority).publicKey)).toBe(true);
    expect(certificate.verify(read(other).publicKey)).toBe(false);
    expect(certificate.ca).toBe(false);
  });

  test.each(["sslserver", "sslclient"])("serves as %s to those who are strict", (purpose) => {
    expect(verify(server, authority, purpose)).toEqual({ status: 0, said: "leaf.pem: OK\n" });
    expect(verify(server, other, purpose).status).not.toBe(0);
  });

  test("is valid for as long as asked", () => {
    expect(days(read(server).validTo)).toBeCloseTo(30, 1);
  });

  test("has the key that is printed with it", () => {
    expect(read(server).checkPrivateKey(createPrivateKey(server.key))).toBe(true);
    expect(read(server).checkPrivateKey(createPrivateKey(authority.key))).toBe(false);
  });

  test("is text that ends with its last line", () => {
    for (const pem of [server.certificate, server.key, authority.certificate, authority.key]) {
      expect(pem).toMatch(/^-----BEGIN [A-Z ]+-----\n([A-Za-z0-9+/=]+\n)+-----END [A-Z ]+-----\n$/);
    }
  });
});

test("a request that is none is a failure that prints no certificate", () => {
  const run = () =>
    execFileSync(process.execPath, ["pki/issue.mjs"], {
      cwd: join(__dirname, "..", ".."),
      input: "{}",
      encoding: "utf8",
      stdio: "pipe",
    });
  expect(run).toThrow();
});
