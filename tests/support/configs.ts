import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { parseConfig } from "../../config/parse";
import type { StackConfig } from "../../config/schema";
import { secretKeys } from "../../config/secrets";

const root = join(__dirname, "..", "..");

/** What stands below `esxi-k8s:`, secrets in clear. */
export type RawConfig = Record<string, unknown>;

/** What an encrypted value becomes here: the passphrase of a stack is of no interest to these tests. */
export const decryptedSecret = "decrypted-9f2c";

/** The complete configuration that every other one in the tests is a variation of. */
export function validConfig(): RawConfig {
  return readYaml(join(root, "tests", "fixtures", "valid.yaml")) as RawConfig;
}

/** `validConfig` with some changes, checked; see `vary`. */
export function variant(change: RawConfig = {}): StackConfig {
  return parseConfig(vary(validConfig(), change), "test", new Set(secretKeys));
}

/** Changes merged over a configuration: objects key by key, null takes a key away, everything else replaces. */
export function vary<T>(base: T, change: unknown): T {
  if (!isObject(change)) {
    return change as T;
  }
  const varied: Record<string, unknown> = isObject(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the keys are data here
      delete varied[key];
    } else {
      varied[key] = vary(varied[key], value);
    }
  }
  return varied as T;
}

/** A stack's file as the program sees it: without namespace, with secrets in clear, and the names of those. */
export function stackFile(stack: string): { raw: RawConfig; encrypted: Set<string> } {
  const { config } = readYaml(join(root, `Pulumi.${stack}.yaml`)) as { config: RawConfig };
  const raw: RawConfig = {};
  const encrypted = new Set<string>();
  for (const [key, value] of Object.entries(config)) {
    const name = key.replace(/^esxi-k8s:/, "");
    const secure = isObject(value) && "secure" in value;
    raw[name] = secure ? decryptedSecret : value;
    if (secure) {
      encrypted.add(name);
    }
  }
  return { raw, encrypted };
}

/** A stack's file once its owner has filled in what is missing, and set the password. */
export function filledIn(stack: string): RawConfig {
  let count = 0;
  const fill = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      return value.map(fill);
    }
    if (isObject(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)]));
    }
    return typeof value === "string" ? value.replace(/^CHANGE-ME.*/, () => `filled-in-${count++}`) : value;
  };
  return { ...(fill(stackFile(stack).raw) as RawConfig), vcenterPassword: decryptedSecret };
}

export function readYaml(path: string): unknown {
  return parse(readFileSync(path, "utf8"));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
