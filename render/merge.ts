/** Values as JSON and YAML have them. */
export type Document = Record<string, unknown>;

/** `over` wins; objects are merged key by key, everything else is replaced whole. */
export function merge(base: Document, over: Document): Document {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const existing = merged[key];
    merged[key] = isObject(existing) && isObject(value) ? merge(existing, value) : value;
  }
  return merged;
}

/** Whether a value is a mapping, neither a list nor a single value. */
export function isObject(value: unknown): value is Document {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
