// What @peculiar/x509 is built on wants this to be there first.
import "reflect-metadata";
import { execFileSync } from "node:child_process";
import { KeyObject, webcrypto } from "node:crypto";
import { join } from "node:path";
import { X509CertificateGenerator } from "@peculiar/x509";

/** A certificate and its key in PEM. */
export interface Issued {
  certificate: string;
  key: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate that its own key signed. */
export async function issue(notBefore: Date, notAfter: Date): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=apps.example.org",
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    keys,
  });
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" });
  return { certificate: `${certificate.toString("pem")}\n`, key: key.toString() };
}

/** What pki/issue.mjs reads. */
export interface IssueRequest {
  commonName: string;
  days: number;
  dnsNames?: string[];
  ipAddresses?: string[];
  issuer?: Issued;
}

/** Runs pki/issue.mjs as the stack does, in the root of the project. */
export function issueByProgram(request: IssueRequest): Issued {
  const output = execFileSync(process.execPath, ["pki/issue.mjs"], {
    cwd: join(__dirname, "..", ".."),
    input: JSON.stringify(request),
    encoding: "utf8",
    stdio: "pipe",
  });
  return JSON.parse(output) as Issued;
}
