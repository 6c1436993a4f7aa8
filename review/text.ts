import type { Owner } from "./stack";

/** A text in backticks, whatever is in it. In a table it may hold neither a line break nor a bare `|`. */
export function code(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  const space = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return line === "" ? "(empty)" : `${ticks}${space}${line}${space}${ticks}`;
}

/** Nothing is seen of it, and whoever is called like what it stands behind is not told of the comment. */
const apart = "\u200b";

/** A text that is shown as it is. */
export function plain(text: string): string {
  return text
    .replaceAll(/[\\`*_{}[\]<>|~]/g, "\\$&")
    .replaceAll(/[@#](?=\w)/g, `$&${apart}`)
    .replaceAll(/\s*\n\s*/g, " ");
}

const groups: Record<string, (name: string) => string> = { WorkerPool: (name) => `pool ${name}` };
/** What a component is called. */
export const component = ({ component: type, name }: Owner) => groups[type]?.(name) ?? name;
/** What a machine or a component is called. */
export const place = (owner: Owner) => (owner.machine === undefined ? component(owner) : owner.machine);

/** `1 machine`, `2 machines`. */
export const plural = (count: number, what: string) => `${String(count)} ${what}${count === 1 ? "" : "s"}`;
