/** Top-level keys that are stored encrypted. Their values are texts even if they look like JSON, and are never printed. */
export const secretKeys = ["vcenterPassword", "ingressCertificateKey"] as const;

export type SecretKey = (typeof secretKeys)[number];

export function isSecretKey(key: string): key is SecretKey {
  return secretKeys.some((secret) => secret === key);
}

/** For messages: what is expected where a secret is missing. */
export function howToSet(key: SecretKey): string {
  return `a secret, set with: pulumi config set --secret ${key}`;
}
