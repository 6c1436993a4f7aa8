import { expect } from "vitest";
import { inLab } from "./lab";

/** What betrays each secret of the stack's state: passwords whole, of keys and certificates' keys their longest lines. */
export async function secretTexts(): Promise<string[]> {
  const state = await inLab("pulumi", "stack", "export", "--show-secrets", "--stack", "sim");
  const plain = [...state.matchAll(/"plaintext": ("(?:[^"\\]|\\.)*")/g)].map(([, text = '""']) => {
    const value: unknown = JSON.parse(JSON.parse(text) as string);
    return typeof value === "string" ? value : JSON.stringify(value);
  });
  const passwords = plain.filter((text) => /^\S{16,64}$/.test(text));
  // The first three lines of an OpenSSH key are its header and its public half.
  const keys = plain.flatMap((text) => [...text.matchAll(/KEY-----\\?n?\n?((?:[A-Za-z0-9+/=]+(?:\\n|\n))+)-----END/g)]);
  // A key on an elliptic curve has three lines in all.
  const keyLines = keys
    .map(([, body = ""]) => body.trim().split(/\\n|\n/))
    .map((lines) => lines[3] ?? lines.at(-2) ?? "");
  const kubeconfigKeys = plain.flatMap((text) =>
    [...text.matchAll(/client-key-data: (\S+)/g)].map(([, key = ""]) => key),
  );
  const vcenterPassword = await inLab("pulumi", "config", "get", "vcenterPassword", "--stack", "sim");
  return [...new Set([...passwords, ...keyLines, ...kubeconfigKeys, vcenterPassword])].filter(
    ({ length }) => length >= 16,
  );
}

/** Looks for secrets in texts, by what they are called, also in base64. */
export function expectNoSecret(needles: string[], places: Record<string, string>): void {
  for (const needle of needles) {
    for (const [where, text] of Object.entries(places)) {
      // Not toContain: its message would print the secret.
      expect(text.includes(needle), `a secret is in clear in ${where}`).toBe(false);
      const encoded = Buffer.from(needle)
        .toString("base64")
        .replace(/.{0,3}=*$/, "");
      expect(text.includes(encoded), `a secret is in clear, in base64, in ${where}`).toBe(false);
    }
  }
}
