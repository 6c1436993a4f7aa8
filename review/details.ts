import { isFields, isUnknown, type Difference } from "./differences";
import type { Item, Row } from "./rows";
import type { Resource } from "./stack";
import { place, plain } from "./text";

/** A block of text that no line of it can end. */
function fenced(lines: string[], language: string): string[] {
  const longest = Math.max(2, ...lines.flatMap((line) => [...line.matchAll(/`+/g)].map(([ticks]) => ticks.length)));
  const fence = "`".repeat(longest + 1);
  return [`${fence}${language}`, ...lines, fence];
}

/** Unchanged lines that are shown around changed ones. */
const around = 3;

function inFull(of: Difference): string[] {
  const show = (each: unknown) =>
    isUnknown(each) ? "(known later)" : typeof each === "string" ? each : JSON.stringify(each);
  switch (of.kind) {
    case "value":
      return [
        ...(of.before === undefined ? [] : [`- ${of.path}: ${show(of.before)}`]),
        ...(of.after === undefined ? [] : [`+ ${of.path}: ${show(of.after)}`]),
      ];
    case "list":
      return [
        ...of.removed.map((each) => `- ${of.path}: ${show(each)}`),
        ...of.added.map((each) => `+ ${of.path}: ${show(each)}`),
      ];
    case "secret":
      return [`! ${of.path}: another secret`];
    case "text": {
      const isNear = (at: number) =>
        of.lines.slice(Math.max(0, at - around), at + around + 1).some(({ sign }) => sign !== " ");
      const shown = of.lines.flatMap(({ sign, text }, at) =>
        isNear(at) ? [`${sign} ${text}`] : at > 0 && isNear(at - 1) ? ["  …"] : [],
      );
      return [`! ${of.path}`, ...shown];
    }
  }
}

/** Everything that the program says of something new, which has no other side to compare with; no provider's defaults. */
function inputs({ after }: Resource): string[] {
  const flat = (from: unknown, path: string): string[] => {
    if (isFields(from)) {
      const defaults: unknown = from.__defaults;
      return Object.entries(from)
        .filter(([key]) => !key.startsWith("__") && !(Array.isArray(defaults) && defaults.includes(key)))
        .flatMap(([key, inner]) => flat(inner, path === "" ? key : `${path}.${key}`));
    }
    if (Array.isArray(from) && from.some(isFields)) {
      return from.flatMap((inner, index) => flat(inner, `${path}[${String(index)}]`));
    }
    const text = isUnknown(from) ? "(known later)" : typeof from === "string" ? from : JSON.stringify(from);
    return text.split("\n").map((line, at) => (at === 0 ? `+ ${path}: ${line}` : `+     ${line}`));
  };
  return flat(after?.inputs ?? {}, "");
}

/** A change with everything that is known of it. */
export function section(row: Row, { label, differences, resource }: Item): string[] {
  const title = `${place(row.owner)}${label === undefined ? "" : `, ${label}`}: ${resource.action}`;
  const isNew = resource.action === "create" && differences.length === 0;
  const body = isNew ? inputs(resource) : differences.flatMap(inFull);
  return [`#### ${plain(title)}`, "", ...(body.length > 0 ? [...fenced(body, "diff"), ""] : [])];
}
