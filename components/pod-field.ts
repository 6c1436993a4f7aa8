/**
 * A variable's value from a field of its pod. With the version that the API server would put there: a value that differs from what is
 * stored is a conflict for whoever applies the object again, as a run does that does not know what an interrupted one has made.
 */
export const podField = (fieldPath: string) => ({ fieldRef: { apiVersion: "v1", fieldPath } });
