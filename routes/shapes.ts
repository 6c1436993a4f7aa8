import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isObject, type Document } from "../render/merge";
import { address, regexp, type Check } from "./matchers";
import { endpoint, priority, wholeDuration, wholeNumber, url } from "./values";

/**
 * What Traefik's decoder takes in one place. Values are texts to it, so that "7" is a whole number like 7; names of fields are
 * read without regard to upper and lower case.
 */
export type Shape =
  | keyof typeof scalars
  | "anything"
  /** A scalar that has to pass a check too: what the decoder takes there and Traefik then has no use for. */
  | { scalar: keyof typeof scalars; check: Check }
  /** Values one after the other; a single text is one, or several with commas. */
  | { list: Shape }
  /** A mapping from names that the user chooses, which a check may judge. */
  | { names: Shape; check?: Check }
  /**
   * A mapping with these keys alone. Where it may not be empty, an empty one makes Traefik refuse its whole source; what is of one
   * kind has one key.
   */
  | { fields: Record<string, Shape>; mayBeEmpty?: boolean; one?: boolean };

/** Judges by place: `*` stands for any name, and for the items of a list. */
export type Checks = Record<string, Check>;

/** What values mean to Traefik wherever it runs. */
const values: Checks = {
  "http.routers.*.priority": priority,
  "tcp.routers.*.priority": priority,
  "http.middlewares.*.forwardAuth.address": url,
  "http.middlewares.*.forwardAuth.authResponseHeadersRegex": regexp,
  "http.middlewares.*.headers.accessControlAllowOriginListRegex.*": regexp,
  "http.middlewares.*.inFlightReq.sourceCriterion.ipStrategy.excludedIPs.*": address,
  "http.middlewares.*.ipAllowList.ipStrategy.excludedIPs.*": address,
  "http.middlewares.*.ipAllowList.sourceRange.*": address,
  "http.middlewares.*.ipWhiteList.ipStrategy.excludedIPs.*": address,
  "http.middlewares.*.ipWhiteList.sourceRange.*": address,
  "http.middlewares.*.rateLimit.sourceCriterion.ipStrategy.excludedIPs.*": address,
  "http.middlewares.*.redirectRegex.regex": regexp,
  "http.middlewares.*.replacePathRegex.regex": regexp,
  "http.middlewares.*.stripPrefixRegex.regex.*": regexp,
  "http.services.*.loadBalancer.servers.*.url": url,
  "tcp.middlewares.*.ipAllowList.sourceRange.*": address,
  "tcp.middlewares.*.ipWhiteList.sourceRange.*": address,
  "tcp.services.*.loadBalancer.servers.*.address": endpoint,
  "udp.services.*.loadBalancer.servers.*.address": endpoint,
};

/** Mappings that are of one kind, which their only key names. */
const ofOneKind = ["http.middlewares.*", "http.services.*", "tcp.middlewares.*", "tcp.services.*", "udp.services.*"];

/** What Traefik's decoder takes, generated from its Go types by `make crds`. */
const decoded = JSON.parse(readFileSync(join(__dirname, "traefik-dynamic.json"), "utf8")) as Shape;

/**
 * Traefik's dynamic configuration: what its decoder takes, and what it has a use for then.
 * @param checks what depends on the stack
 */
export function dynamicShape(checks: Checks = {}): Shape {
  return refine(decoded, [], { ...values, ...checks });
}

/** The shape of a place in the dynamic configuration, by its keys in any case; nothing where Traefik knows none. */
export function shapeAt(keys: string[]): Shape | undefined {
  return keys.reduce<Shape | undefined>((shape, key) => {
    if (typeof shape !== "object") {
      return undefined;
    }
    if ("fields" in shape) {
      return Object.entries(shape.fields).find(([known]) => sameName(known, key))?.[1];
    }
    return "names" in shape ? shape.names : "list" in shape ? shape.list : undefined;
  }, decoded);
}

/** A shape with the checks of its place. */
function refine(shape: Shape, place: string[], checks: Checks): Shape {
  const at = place.join(".");
  if (typeof shape === "string") {
    const check = checks[at];
    return check === undefined || shape === "anything" ? shape : { scalar: shape, check };
  }
  if ("list" in shape) {
    return { list: refine(shape.list, [...place, "*"], checks) };
  }
  if ("names" in shape) {
    return { names: refine(shape.names, [...place, "*"], checks), check: checks[at] };
  }
  if ("scalar" in shape) {
    return shape;
  }
  const fields = Object.entries(shape.fields).map(
    ([key, inner]) => [key, refine(inner, [...place, key], checks)] as const,
  );
  return { ...shape, fields: Object.fromEntries(fields), one: ofOneKind.includes(at) };
}

/** The form of a value, what to call it, and what of that form is out of the decoder's range. */
const scalars = {
  text: [/^/, "a text"],
  boolean: [/^(1|0|t|f|T|F|true|false|True|False|TRUE|FALSE)$/, "true or false"],
  integer: [/^[+-]?\d+$/, "a whole number", wholeNumber],
  count: [/^\d+$/, "a whole number, not below zero", wholeNumber],
  number: [/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "a number"],
  // A number alone is one of seconds.
  duration: [
    /^[+-]?(\d+|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/,
    "a duration such as 10s or 1m30s",
    wholeDuration,
  ],
} satisfies Record<string, [form: RegExp, name: string, range?: Check]>;

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
  if (typeof shape === "string" || "scalar" in shape) {
    const { scalar, check } = typeof shape === "string" ? { scalar: shape, check: undefined } : shape;
    const [form, name, range]: [RegExp, string, Check?] = scalars[scalar];
    if (!isScalar(value) || !form.test(String(value))) {
      return refused(name);
    }
    const expected = range?.(String(value)) ?? check?.(String(value));
    return expected === undefined ? value : refused(expected);
  }
  if ("list" in shape) {
    const items = listed(shape.list, value);
    return items?.map(([key, item]) => conform(shape.list, item, [...keys, key], source)) ?? refused("a list");
  }
  const mayBeEmpty = "fields" in shape && shape.mayBeEmpty === true;
  if (mayBeEmpty && isScalar(value) && /^(true|)$/i.test(String(value))) {
    // A switch: `tls: true` has no settings of its own, nor has an entry of the store without a value.
    return {};
  }
  if (!isObject(value) || (isEmpty(value) && !mayBeEmpty)) {
    return refused(`${source.mapping} with entries, or ${mayBeEmpty ? "true" : "nothing at all"}`);
  }
  const known = new Map<string, unknown>();
  for (const [key, inner] of Object.entries(value)) {
    const place = [...keys, key];
    if ("names" in shape) {
      const expected = shape.check?.(key);
      if (expected !== undefined) {
        source.refuse(place, show(key), expected);
        continue;
      }
      // What has a name may be empty: it is all defaults then.
      const isDefault = isObject(inner) && isEmpty(inner) && !isOfOneKind(shape.names);
      known.set(key, isDefault ? {} : conform(shape.names, inner, place, source));
      continue;
    }
    const [name, field] = Object.entries(shape.fields).find(([known]) => sameName(known, key)) ?? [];
    if (name === undefined || field === undefined) {
      const names = Object.keys(shape.fields).join(", ");
      source.refuse(place, "a key that Traefik does not know", `one of ${names}`);
    } else if (known.has(name)) {
      source.refuse(place, "a key that stands here twice, in two spellings", `${name} alone`);
    } else if (inner !== null && !isSwitchedOff(field, inner)) {
      known.set(name, conform(field, inner, place, source));
    }
  }
  if (isOfOneKind(shape) && known.size > 1) {
    const kinds = [...known.keys()];
    source.refuse(keys, kinds.join(" and "), `one of them: what is of two kinds is of none to Traefik`);
  }
  return Object.fromEntries(known);
}

function isOfOneKind(shape: Shape): boolean {
  return typeof shape === "object" && "fields" in shape && shape.one === true;
}

/** A field that is a switch and set to false counts for nothing. */
function isSwitchedOff(shape: Shape, value: unknown): boolean {
  const isSwitch = typeof shape === "object" && "fields" in shape && shape.mayBeEmpty === true;
  return isSwitch && isScalar(value) && /^false$/i.test(String(value));
}

/** The items of a list with their keys; nothing when the value is none. */
function listed(item: Shape, value: unknown): [string, unknown][] | undefined {
  if (Array.isArray(value)) {
    return Object.entries(value);
  }
  // In the store, a list of mappings is a folder of folders.
  const isSimple = typeof item === "string" || "scalar" in item;
  const isFolder = isObject(value) && !isSimple;
  const isText = isScalar(value) && isSimple;
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
