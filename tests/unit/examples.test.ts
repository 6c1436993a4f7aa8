import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(__dirname, "..", "..");

interface Lock {
  packages: Record<string, { version?: string; integrity?: string }>;
}
const lock = (...folder: string[]) =>
  JSON.parse(readFileSync(join(root, ...folder, "package-lock.json"), "utf8")) as Lock;

describe.each(readdirSync(join(root, "examples")))("the example %s", (example) => {
  const { "": itself, ...packages } = lock("examples", example).packages;

  test("has the project's own packages, which npm keeps and the lab has plugins for", () => {
    const known = new Set(Object.values(lock().packages).map(({ integrity }) => integrity));
    const others = Object.entries(packages).filter(([, { integrity }]) => !known.has(integrity));
    expect(others).toEqual([]);
  });

  test("is locked as it is declared", () => {
    const declared = JSON.parse(readFileSync(join(root, "examples", example, "package.json"), "utf8")) as object;
    const { dependencies, devDependencies } = declared as Record<string, Record<string, string>>;
    expect(itself).toMatchObject({ dependencies, devDependencies });
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(packages[`node_modules/${name}`]?.version).toBe(version);
    }
  });
});
