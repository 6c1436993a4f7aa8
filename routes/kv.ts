import { isObject, type Document } from "../render/merge";
import type { Problem } from "../config/problem";
import { consulRoot } from "./declared";
import { sameName, shapeAt } from "./shapes";

/** Lists in which the first that fits decides, or each works on what the one before it made. */
const ordered = ["middlewares", "prefixes", "regex"];

/**
 * What Traefik reads otherwise than it is written: it joins the values of numbered entries with commas, in the order of their keys as
 * texts, and takes the list apart at its commas.
 */
export function listProblems(kv: Record<string, string>): Problem[] {
  const numbers = new Map<string, string[]>();
  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(kv)) {
    const [, list, number] = /^(.+)\/(\d+)$/.exec(key) ?? [];
    if (list === undefined || number === undefined || !isListOfTexts(list)) {
      continue;
    }
    numbers.set(list, [...(numbers.get(list) ?? []), number]);
    if (value.includes(",")) {
      problems.push({
        path: `consul.kv.${key}`,
        got: JSON.stringify(value),
        expected: "an item without a comma, at which Traefik takes a list apart; each item has a number of its own",
      });
    }
  }
  for (const [list, found] of numbers) {
    const asTexts = [...found].sort();
    const misplaced = asTexts.find((number, index) => index > 0 && Number(number) < Number(asTexts[index - 1]));
    if (misplaced !== undefined && ordered.some((name) => list.toLowerCase().endsWith(`/${name}`))) {
      const width = String(Math.max(...found.map(Number))).length;
      problems.push({
        path: `consul.kv.${list}/${misplaced}`,
        got: `a place behind ${list}/${String(asTexts[asTexts.indexOf(misplaced) - 1])}, because Traefik orders keys as texts`,
        expected: `numbers of one length, as in ${misplaced.padStart(width, "0")}`,
      });
    }
  }
  return problems;
}

function isListOfTexts(key: string): boolean {
  const [root, ...keys] = parts(key);
  const shape = root === consulRoot ? shapeAt(keys) : undefined;
  return typeof shape === "object" && "list" in shape && typeof shape.list === "string";
}

function parts(key: string): string[] {
  return key.split("/").filter((part) => part !== "");
}

/** Entries of the store as Traefik puts them together: a folder's own value does not count, nor does upper or lower case. */
export function treeOf(kv: Record<string, string>): Document {
  const tree = emptyTree();
  for (const [key, value] of withLists(kv)) {
    const [first, ...folders] = parts(key);
    const name = folders.pop();
    if (first !== consulRoot || name === undefined) {
      continue;
    }
    let folder = tree;
    for (const part of folders) {
      const known = sameKey(folder, part);
      const inner = folder[known];
      folder = isObject(inner) ? inner : (folder[known] = emptyTree());
    }
    const known = sameKey(folder, name);
    folder[known] = isObject(folder[known]) ? folder[known] : value;
  }
  return tree;
}

/** Numbered entries are one value with commas to Traefik, whatever they stand for: pkg/config/kv/kv_node.go */
function withLists(kv: Record<string, string>): Map<string, string> {
  const single = new Map<string, string>();
  const lists = new Map<string, string>();
  for (const [key, value] of Object.entries(kv).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const list = /^(.+)\/\d+$/.exec(key)?.[1];
    if (list === undefined) {
      single.set(key, value);
    } else {
      lists.set(list, lists.has(list) ? `${String(lists.get(list))},${value}` : value);
    }
  }
  return new Map([...single, ...lists]);
}

/** A tree in which a key such as `__proto__` is one like all others. */
function emptyTree(): Document {
  return Object.create(null) as Document;
}

function sameKey(tree: Document, key: string): string {
  return Object.keys(tree).find((known) => sameName(known, key)) ?? key;
}
