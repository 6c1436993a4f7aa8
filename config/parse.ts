import type { z } from "zod";
import { livingProblems } from "./living-problems";
import { nothingYet } from "./past";
import type { Problem } from "./problem";
import { findProblems } from "./problems";
import { stackConfig, type StackConfig } from "./schema";
import { hasNames, howToSet, isSecretKey, isSecretPath, secretKeys, type SecretKey } from "./secrets";

/** Text that the example configurations hold where only the user knows the value. */
const placeholder = "CHANGE-ME";

/**
 * Checks the values of a stack's configuration.
 * @param raw the values below `esxi-k8s:`, secrets in clear
 * @param stack the stack's name, for advice in messages
 * @param encrypted names of the top-level keys that the stack's file stores encrypted
 * @param past what the stack holds already
 * @throws ConfigError that lists every problem at once; what values mean together is judged once their shapes are right
 */
export function parseConfig(
  raw: Record<string, unknown>,
  stack: string,
  encrypted: ReadonlySet<string>,
  past = nothingYet,
): StackConfig {
  const unread = [...placeholders(raw), ...roundedNumbers(raw)];
  const unreadPaths = new Set(unread.map(({ path }) => path));
  const inClear = secretKeys.filter((key) => key in raw && !encrypted.has(key)).map(storedInClear);

  const parsed = stackConfig.safeParse(raw);
  const others = parsed.success
    ? [...findProblems(parsed.data), ...livingProblems(parsed.data, stack, past)]
    : parsed.error.issues.flatMap((issue) => shapeProblems(issue, raw));

  const problems = [...unread, ...inClear, ...others.filter(({ path }) => !unreadPaths.has(path))];
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(stack, problems);
  }
  return parsed.data;
}

/** Everything that is wrong with a configuration, one line a problem. */
export class ConfigError extends Error {
  constructor(
    stack: string,
    readonly problems: Problem[],
  ) {
    const lines = problems.map(({ path, got, expected }) => `  ${path}: got ${got}, expected ${expected}`);
    super(
      `the configuration of stack ${stack} has ${String(problems.length)} problem${problems.length === 1 ? "" : "s"}; ` +
        `edit Pulumi.${stack}.yaml (namespace esxi-k8s), nothing was changed\n${lines.join("\n")}`,
    );
    this.name = "ConfigError";
  }
}

function shapeProblems(issue: z.core.$ZodIssue, raw: unknown): Problem[] {
  const path = issue.path.map(String);
  const at = path.join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: [...path, key].join("."),
      got: "an unknown key",
      expected: "a key that config/schema.ts documents; correct the spelling or remove it",
    }));
  }
  // A key of a record that has the wrong form carries the reason one level down.
  const expected = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const value = issue.code === "invalid_key" ? path.at(-1) : valueAt(raw, path);
  if (value === undefined) {
    return [{ path: at, got: "nothing", expected: isSecretKey(at) ? howToSet(at) : describe(expected) }];
  }
  return [{ path: at, got: show(at, value), expected: describe(expected) }];
}

/** zod's own messages read `Invalid input: expected string, received undefined`; only the middle is news. */
function describe(message: string): string {
  return /expected (.*?)(, received .*)?$/.exec(message)?.[1] ?? message;
}

function show(path: string, value: unknown): string {
  return isSecretPath(path) ? "a secret" : JSON.stringify(value);
}

function valueAt(raw: unknown, path: string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    raw,
  );
}

function placeholders(value: unknown, path: string[] = []): Problem[] {
  if (typeof value === "string" && value.startsWith(placeholder)) {
    const hint = value.slice(placeholder.length).replace(/^[: ]+/, "");
    return [{ path: path.join("."), got: "a placeholder", expected: hint || "your own value" }];
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => placeholders(inner, [...path, key]));
  }
  return [];
}

/** Whole numbers that have lost digits on their way through JSON. */
function roundedNumbers(value: unknown, path: string[] = []): Problem[] {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    const got = `a whole number beyond ${String(Number.MAX_SAFE_INTEGER)}, which is rounded`;
    return [{ path: path.join("."), got, expected: "a smaller one, or its digits in quotes" }];
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => roundedNumbers(inner, [...path, key]));
  }
  return [];
}

function storedInClear(key: SecretKey): Problem {
  return { path: key, got: "a value stored in clear", expected: hasNames(key) ? howToSet(key, "NAME") : howToSet(key) };
}
