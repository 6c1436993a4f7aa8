import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import type { Problem } from "./problem";

const certificatePath = "ingress.certificate";
const keyPath = "ingressCertificateKey";

/** Bits of the shortest RSA key that Go signs with. */
const leastBits = 1024;

const certificateBlock = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;
const keyBlock = /-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----[^]*?-----END \1PRIVATE KEY-----/;

/** Certificates in the order of their text, at least one. */
type Certificates = [X509Certificate, ...X509Certificate[]];

/** Ends the examination: what was found makes every further question pointless. */
class Finding extends Error {
  constructor(readonly problem: Problem) {
    super("the certificate or its key is of no use");
  }
}

/**
 * What keeps a server from serving with a certificate and its key.
 * @param certificatePem the certificate, those of the authorities between it and the root behind it
 * @param keyPem the key of the first one; nothing of it is ever part of a message
 * @param now the time at which the certificates have to be valid
 */
export function certificateProblem(certificatePem: string, keyPem: string, now: Date): Problem | undefined {
  try {
    const certificates = parseCertificates(certificatePem);
    const key = parseKey(keyPem);
    return unknownToTls(key) ?? mismatch(certificates, key) ?? outOfDate(certificates, now);
  } catch (error) {
    if (error instanceof Finding) {
      return error.problem;
    }
    throw error;
  }
}

function parseCertificates(pem: string): Certificates {
  const refuse = (got: string, expected: string): never => {
    throw new Finding({ path: certificatePath, got, expected });
  };
  if (pem.includes("PRIVATE KEY-----")) {
    refuse(
      "a text with a private key, which now stands in clear in the stack's file",
      `certificates alone, and a new key in ${keyPath}`,
    );
  }
  const certificates = (pem.match(certificateBlock) ?? []).map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      return refuse(
        `a ${place(index)}certificate that cannot be read`,
        "the whole PEM text of a certificate, with its line breaks",
      );
    }
  });
  const [first, ...chain] = certificates;
  return first === undefined
    ? refuse(
        "a text without a certificate",
        "one or more certificates in PEM, from BEGIN CERTIFICATE to END CERTIFICATE",
      )
    : [first, ...chain];
}

function parseKey(pem: string): KeyObject {
  const refuse = (got: string, expected: string): never => {
    throw new Finding({ path: keyPath, got, expected });
  };
  const block = keyBlock.exec(pem)?.[0] ?? refuse("a text without a private key", "a private key in PEM");
  if (block.includes("ENCRYPTED")) {
    refuse("a key that a passphrase protects", "one without, because nobody is there to type it when Traefik starts");
  }
  try {
    return createPrivateKey(block);
  } catch {
    // What OpenSSL has to say about it could quote the key.
    return refuse("a private key that cannot be read", "the whole PEM text of a private key, with its line breaks");
  }
}

/** Traefik cannot read such a key, or reads it and ends every handshake: Go's crypto/tls knows these alone. */
function unknownToTls({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): Problem | undefined {
  const { namedCurve = "given by its parameters", modulusLength = 0 } = details;
  const curves: Record<string, string> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };
  const got =
    type === "ed25519" || (type === "rsa" && modulusLength >= leastBits) || (type === "ec" && namedCurve in curves)
      ? undefined
      : type === "ec"
        ? `a key on the curve ${namedCurve}`
        : type === "rsa"
          ? `an RSA key of ${String(modulusLength)} bits`
          : `a key of the kind ${String(type)}`;
  return got === undefined
    ? undefined
    : {
        path: keyPath,
        got,
        expected:
          `one that TLS knows, and a certificate for it: RSA of ${String(leastBits)} bits or more, Ed25519, ` +
          `or ECDSA on ${new Intl.ListFormat("en-GB", { type: "disjunction" }).format(Object.values(curves))}`,
      };
}

function mismatch([first, ...chain]: Certificates, key: KeyObject): Problem | undefined {
  if (first.checkPrivateKey(key)) {
    return undefined;
  }
  return {
    path: keyPath,
    got: `a key that does not match the first certificate of ${certificatePath}`,
    expected: chain.some((certificate) => certificate.checkPrivateKey(key))
      ? "the certificate of this key before all others"
      : "the key that the certificate was issued for",
  };
}

function outOfDate(certificates: X509Certificate[], now: Date): Problem | undefined {
  for (const [index, { validFrom, validTo }] of certificates.entries()) {
    const [from, to] = [new Date(validFrom), new Date(validTo)];
    const got =
      now > to ? `that expired at ${iso(to)}` : now < from ? `that is not valid before ${iso(from)}` : undefined;
    if (got !== undefined) {
      return {
        path: certificatePath,
        got: `a ${place(index)}certificate ${got}`,
        expected: `one that is valid now, at ${iso(now)}`,
      };
    }
  }
  return undefined;
}

/** The place of a certificate in the text; the first one is the certificate itself. */
function place(index: number): string {
  return index === 0 ? "" : `chain's ${["first", "second", "third"][index - 1] ?? `${String(index)}th`} `;
}

/** Certificates know no parts of a second. */
function iso(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
