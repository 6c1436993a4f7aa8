/** Values as JSON and YAML have them. */
export type Document = Record<string, unknown>;

/** `over` wins; objects are merged key by key, everything else is replaced whole. */
export function merge(base: Document, over: Document): Document {
  return mergeWith(base, over, (_, value) => value);
}

/** Values of a chart: like `merge`, but lists are put one behind the other, so that what `base` needs is still there. */
export function mergeValues(base: Document, over: Document): Document {
  return mergeWith(base, over, (existing, value) =>
    Array.isArray(existing) && Array.isArray(value) ? [...(existing as unknown[]), ...(value as unknown[])] : value,
  );
}

function mergeWith(base: Document, over: Document, both: (existing: unknown, value: unknown) => unknown): Document {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const existing = merged[key];
    merged[key] = isObject(existing) && isObject(value) ? mergeWith(existing, value, both) : both(existing, value);
  }
  return merged;
}

/** Whether a value is a mapping, neither a list nor a single value. */
export function isObject(value: unknown): value is Document {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
