import type { Problem } from "./problem";
import type { StackConfig } from "./schema";

/** What is wrong with the StorageClasses, and with what asks for volumes of them. */
export function storageProblems(config: StackConfig): Problem[] {
  return [...defaultProblems(config), ...consulProblems(config)];
}

const defaults = ({ storage }: StackConfig) =>
  Object.entries(storage.classes).flatMap(([name, each]) => (each.default ? [name] : []));

function defaultProblems(config: StackConfig): Problem[] {
  const names = defaults(config);
  return names.length < 2
    ? []
    : [
        {
          path: "storage.classes",
          got: `default: true in ${names.join(" and ")}`,
          expected: "one default class, because a volume that names no class would get either",
        },
      ];
}

/** Where this stack declares no class at all, somebody else's is waited for. */
function consulProblems(config: StackConfig): Problem[] {
  const { consul, storage } = config;
  const names = Object.keys(storage.classes);
  if (!consul.enabled || names.length === 0) {
    return [];
  }
  const path = "consul.storageClass";
  const others = "or storage.classes: {} where somebody else brings all classes";
  if (consul.storageClass === undefined) {
    return defaults(config).length > 0
      ? []
      : [{ path, got: "nothing", expected: `one of ${names.join(", ")}, or default: true in one of these, ${others}` }];
  }
  return Object.hasOwn(storage.classes, consul.storageClass)
    ? []
    : [{ path, got: consul.storageClass, expected: `a class of storage.classes: ${names.join(", ")}, ${others}` }];
}
