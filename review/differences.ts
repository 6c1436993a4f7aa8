import { diffArrays, diffLines } from "diff";
import { secret } from "./secrets";

/** One place in which a resource differs. */
export type Difference = { path: string } & (
  | { kind: "value"; before: unknown; after: unknown }
  | { kind: "list"; removed: unknown[]; added: unknown[] }
  | { kind: "text"; lines: Line[] }
  | { kind: "secret" }
);

/** A line of a text that stays (` `), goes (`-`) or comes (`+`). */
export interface Line {
  sign: " " | "-" | "+";
  text: string;
}

/** What Pulumi prints, by type, for what is known only when it has been made. */
const unknowns = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);
export const isUnknown = (value: unknown): boolean => typeof value === "string" && unknowns.has(value);

type Fields = Record<string, unknown>;
export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isScalar = (value: unknown) => typeof value !== "object" || value === null;

/** Whether a value is a secret, or has one anywhere. */
export function holdsSecret(value: unknown): boolean {
  if (typeof value === "string") {
    return value.includes(secret);
  }
  return !isScalar(value) && Object.values(value as object).some(holdsSecret);
}

/** Where two values differ. Of what is a secret on either side, nothing more is told. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  if (before === after) {
    return [];
  }
  if (isFields(before) && isFields(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => !key.startsWith("__"));
    return keys.sort().flatMap((key) => differences(before[key], after[key], join(path, key)));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    return lists(before, after, path);
  }
  if (JSON.stringify(before) === JSON.stringify(after)) {
    return [];
  }
  if (holdsSecret(before) || holdsSecret(after)) {
    return [{ path, kind: "secret" }];
  }
  if ([before, after].some((value) => typeof value === "string" && value.trimEnd().includes("\n"))) {
    return texts(before, after, path);
  }
  return [{ path, kind: "value", before, after }];
}

function lists(before: unknown[], after: unknown[], path: string): Difference[] {
  const all = [...before, ...after];
  if (all.every((value) => isScalar(value) && !holdsSecret(value))) {
    const parts = diffArrays(before, after);
    const removed = parts.flatMap((part) => (part.removed ? part.value : []));
    const added = parts.flatMap((part) => (part.added ? part.value : []));
    return removed.length + added.length === 0 ? [] : [{ path, kind: "list", removed, added }];
  }
  const indices = Array.from({ length: Math.max(before.length, after.length) }, (_, index) => index);
  return indices.flatMap((index) => differences(before[index], after[index], `${path}[${String(index)}]`));
}

function texts(before: unknown, after: unknown, path: string): Difference[] {
  const text = (value: unknown) => {
    if (value === undefined || value === null || isUnknown(value)) {
      return "";
    }
    const said = typeof value === "string" ? value : JSON.stringify(value);
    return said.endsWith("\n") || said === "" ? said : `${said}\n`;
  };
  const lines = diffLines(text(before), text(after)).flatMap(({ value, added, removed }) =>
    value
      .replace(/\n$/, "")
      .split("\n")
      .map((line): Line => ({ sign: added ? "+" : removed ? "-" : " ", text: line })),
  );
  return lines.some(({ sign }) => sign !== " ") ? [{ path, kind: "text", lines }] : [];
}

/** A path as JavaScript would write it. */
function join(path: string, key: string): string {
  if (path === "") {
    return key;
  }
  if (!/^[\w$-]+$/.test(key)) {
    return `${path}["${key}"]`;
  }
  return `${path}.${key}`;
}
