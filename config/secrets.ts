/** Top-level keys that are stored encrypted, and are never printed. Values of the first three are texts even if they look like JSON. */
export const secretKeys = [
  "vcenterPassword",
  "ingressCertificateKey",
  "storageVcenterPassword",
  "smbPasswords",
] as const;

export type SecretKey = (typeof secretKeys)[number];

export function isSecretKey(key: string): key is SecretKey {
  return secretKeys.some((secret) => secret === key);
}

/** Whether what stands at a path is a secret, or a part of one. */
export function isSecretPath(path: string): boolean {
  return isSecretKey(path.split(".")[0] ?? "");
}

/** Whether a secret is several, each by a name. */
export function hasNames(key: SecretKey): boolean {
  return key === "smbPasswords";
}

/** For messages: what is expected where a secret is missing, or one of several by its name. */
export function howToSet(key: SecretKey, name?: string): string {
  return name === undefined
    ? `a secret, set with: pulumi config set --secret ${key}`
    : `a secret, set with: pulumi config set --secret --path '${key}["${name}"]'`;
}
