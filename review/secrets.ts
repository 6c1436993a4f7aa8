/** What Pulumi prints in place of a secret. */
export const secret = "[secret]";

/** Names whose texts are secrets wherever they stand, should a program ever hand one over in clear. */
const secretName =
  /^(?!.*(secretName|secretKey)$).*(password|passphrase|privateKey|token|bcryptHash|client-key-data)$/i;

/**
 * A value in which everything is covered that is a secret by its form or its name. Pulumi covers what it knows to be one; what it
 * does not know, such as an old value from before it became one, or a provider's error, is covered here.
 */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === "string") {
    return withoutSecretText(value);
  }
  if (Array.isArray(value)) {
    return value.map(withoutSecrets);
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        typeof inner === "string" && inner !== "" && secretName.test(key) ? secret : withoutSecrets(inner),
      ]),
    );
  }
  return value;
}

/** A text without private keys, credentials in addresses, and what follows such words as `password:`. */
export function withoutSecretText(text: string): string {
  return text
    .replaceAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, secret)
    .replaceAll(/(:\/\/)[^\s/:@]*:[^\s/@]+@/g, `$1${secret}@`)
    .replaceAll(
      /\b((?:client-key-data|pass(?:word|phrase)|bearer)["']?[:=\s]\s*["']?)(?![@[<])[^\s"',]{8,}/gi,
      `$1${secret}`,
    );
}
