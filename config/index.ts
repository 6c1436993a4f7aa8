import * as pulumi from "@pulumi/pulumi";
import { ConfigError, parseConfig } from "./parse";
import type { Past } from "./past";
import type { StackConfig } from "./schema";
import { hasNames, isSecretKey, type SecretKey } from "./secrets";

export type { MachineSize, NodeConfig, StackConfig, Taint } from "./schema";

/** A stack's configuration with its secrets wrapped again. */
export type LoadedConfig = Omit<StackConfig, SecretKey> & {
  vcenterPassword: pulumi.Output<string>;
  ingressCertificateKey?: pulumi.Output<string>;
  storageVcenterPassword?: pulumi.Output<string>;
  /** By class. */
  smbPasswords: Record<string, pulumi.Output<string>>;
};

/**
 * Reads and checks the configuration of the current stack. The only place that touches `pulumi.Config`.
 * @param past what the stack holds already, which not every configuration may follow
 * @throws pulumi.RunError listing every problem at once, before any resource is declared
 */
export function loadConfig(past: Past): LoadedConfig {
  const prefix = `${pulumi.getProject()}:`;
  const raw: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (key.startsWith(prefix)) {
      const name = key.slice(prefix.length);
      raw[name] = isSecretKey(name) && !hasNames(name) ? value : parseJson(value);
    }
  }
  const encrypted = new Set(Object.keys(raw).filter((name) => isEncrypted(prefix + name)));

  try {
    const {
      vcenterPassword,
      ingressCertificateKey,
      storageVcenterPassword,
      smbPasswords = {},
      ...config
    } = parseConfig(raw, pulumi.getStack(), encrypted, past);
    return {
      ...config,
      vcenterPassword: pulumi.secret(vcenterPassword),
      ingressCertificateKey: secret(ingressCertificateKey),
      storageVcenterPassword: secret(storageVcenterPassword),
      smbPasswords: Object.fromEntries(
        Object.entries(smbPasswords).map(([name, password]) => [name, pulumi.secret(password)]),
      ),
    };
  } catch (error) {
    // A RunError is printed without a stack trace, which would bury the list of problems.
    throw error instanceof ConfigError ? new pulumi.RunError(error.message) : error;
  }
}

const secret = (value: string | undefined) => (value === undefined ? undefined : pulumi.secret(value));

/** Pulumi hands structured values over as JSON; what is no JSON stays a text for the schema to judge. */
function parseJson(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

/** Pulumi knows which keys were encrypted, but its typings leave the question out. */
function isEncrypted(key: string): boolean {
  const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret: (key: string) => boolean };
  return isConfigSecret(key);
}
