import { stringify } from "yaml";

/** YAML as its readers on nodes understand it: to YAML 1.1 an unquoted `on` or `no` is a truth value, not a name. */
export function toYaml(value: unknown): string {
  return stringify(value, { version: "1.1" });
}
