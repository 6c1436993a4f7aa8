/**
 * A variable's value from a field of its pod, with the version that the API server would add. Without it, a run that creates the
 * object again, because an interrupted one could not record it, conflicts with what is stored.
 */
export const podField = (fieldPath: string) => ({ fieldRef: { apiVersion: "v1", fieldPath } });
