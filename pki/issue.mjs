// Issues an X.509 certificate with a new key. Reads a request as JSON from standard input:
//   { commonName, days, dnsNames?, ipAddresses?, issuer?: { certificate, key } }   without an issuer it is an authority
// and prints { certificate, key }, both in PEM, and `valid until` with its end, in ISO 8601, to standard error. A resource of the stack runs it
// once and keeps what it printed, the former as a secret.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { text } from "node:stream/consumers";
import { webcrypto } from "node:crypto";
import { stderr, stdin, stdout } from "node:process";

x509.cryptoProvider.set(webcrypto);
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 24 * 60 * 60 * 1000;

const { commonName, days, dnsNames = [], ipAddresses = [], issuer } = JSON.parse(await text(stdin));
const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

const { KeyUsageFlags, ExtendedKeyUsage } = x509;
const extensions = issuer
  ? [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...dnsNames.map((value) => ({ type: "dns", value })),
        ...ipAddresses.map((value) => ({ type: "ip", value })),
      ]),
    ]
  : [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ];
const authority = issuer && new x509.X509Certificate(issuer.certificate);
const certificate = await x509.X509CertificateGenerator.create({
  subject: [{ CN: [commonName] }],
  issuer: authority?.subjectName ?? [{ CN: [commonName] }],
  publicKey: keys.publicKey,
  signingKey: issuer ? await importKey(issuer.key) : keys.privateKey,
  signingAlgorithm: algorithm,
  // Clocks differ by a little.
  notBefore: new Date(Date.now() - 60 * 60 * 1000),
  notAfter: new Date(Date.now() + days * day),
  extensions: [
    ...extensions,
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ...(authority ? [await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey)] : []),
  ],
});

const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
stderr.write(`valid until ${certificate.notAfter.toISOString()}\n`);
stdout.write(JSON.stringify({ certificate: `${certificate.toString("pem")}\n`, key: `${key}\n` }));

function importKey(pem) {
  return webcrypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(pem), algorithm, false, ["sign"]);
}
