import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isObject, type Document } from "../render/merge";

/**
 * What Traefik's decoder takes in one place. Values are texts to it, so that "7" is a whole number like 7; names of fields are
 * read without regard to upper and lower case.
 */
export type Shape =
  | keyof typeof scalars
  | "anything"
  /** Values one after the other; a single text is one, or several with commas. */
  | { list: Shape }
  /** A mapping from names that the user chooses. */
  | { names: Shape }
  /** A mapping with these keys alone. Where it may not be empty, an empty one makes Traefik refuse its whole source. */
  | { fields: Record<string, Shape>; mayBeEmpty?: boolean };

/** Traefik's dynamic configuration, generated from its Go types by `make crds`. */
export const dynamicShape = JSON.parse(readFileSync(join(__dirname, "traefik-dynamic.json"), "utf8")) as Shape;

/** The form of a value, and what to call it. */
const scalars = {
  text: [/^/, "a text"],
  boolean: [/^(1|0|t|f|T|F|true|false|True|False|TRUE|FALSE)$/, "true or false"],
  integer: [/^[+-]?\d+$/, "a whole number"],
  count: [/^\d+$/, "a whole number, not below zero"],
  number: [/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "a number"],
  // A number alone is one of seconds.
  duration: [/^[+-]?(\d+|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/, "a duration such as 10s or 1m30s"],
} as const;

/** How a source is spoken of. */
export interface Source {
  /** What it calls a mapping. */
  mapping: string;
  /** Takes the place, by its keys, of what Traefik would refuse, what stands there, and what would be accepted. */
  refuse: (keys: string[], got: string, expected: string) => void;
}

/**
 * Judges a value as Traefik decodes it: https://github.com/traefik/paerser, parser/nodes_metadata.go and element_fill.go
 * @returns what is right about the value, its keys as Traefik's documentation spells them
 */
export function conform(shape: Shape, value: unknown, keys: string[], source: Source): unknown {
  const refused = (expected: string): unknown => {
    source.refuse(keys, show(value), expected);
    return undefined;
  };
  if (shape === "anything") {
    return value;
  }
  if (typeof shape === "string") {
    const [form, name] = scalars[shape];
    return isScalar(value) && form.test(String(value)) ? value : refused(name);
  }
  if ("list" in shape) {
    const items = listed(shape.list, value);
    return items?.map(([key, item]) => conform(shape.list, item, [...keys, key], source)) ?? refused("a list");
  }
  const mayBeEmpty = "fields" in shape && shape.mayBeEmpty === true;
  if (mayBeEmpty && isScalar(value) && /^(true|false|)$/i.test(String(value))) {
    // A switch: `tls: true` has no settings of its own, nor has an entry of the store without a value.
    return /^false$/i.test(String(value)) ? undefined : {};
  }
  if (!isObject(value) || (isEmpty(value) && !mayBeEmpty)) {
    return refused(`${source.mapping} with entries, or ${mayBeEmpty ? "true" : "nothing at all"}`);
  }
  const known = new Map<string, unknown>();
  for (const [key, inner] of Object.entries(value)) {
    const place = [...keys, key];
    if ("names" in shape) {
      // What has a name may be empty: it is all defaults then.
      const isDefault = isObject(inner) && isEmpty(inner);
      known.set(key, isDefault ? {} : conform(shape.names, inner, place, source));
      continue;
    }
    const [name, field] = Object.entries(shape.fields).find(([known]) => sameName(known, key)) ?? [];
    if (name === undefined || field === undefined) {
      const names = Object.keys(shape.fields).join(", ");
      source.refuse(place, "a key that Traefik does not know", `one of ${names}`);
    } else if (known.has(name)) {
      source.refuse(place, "a key that stands here twice, in two spellings", `${name} alone`);
    } else if (inner !== null) {
      known.set(name, conform(field, inner, place, source));
    }
  }
  return Object.fromEntries(known);
}

/** The items of a list with their keys; nothing when the value is none. */
function listed(item: Shape, value: unknown): [string, unknown][] | undefined {
  if (Array.isArray(value)) {
    return Object.entries(value);
  }
  // In the store, a list of mappings is a folder of folders.
  const isFolder = isObject(value) && typeof item !== "string";
  const isText = isScalar(value) && typeof item === "string";
  return isFolder ? Object.entries(value) : isText ? Object.entries(String(value).split(",")) : undefined;
}

/** Whether two spellings are one name to Traefik. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function isScalar(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}

/** Whether nothing is in a mapping; Traefik leaves out what has no value. */
function isEmpty(value: Document): boolean {
  return Object.values(value).every((inner) => inner === null);
}

/** A value as a message quotes it. */
export function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
