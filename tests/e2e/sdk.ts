import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { tokens } from "../support/vsphere";

/** The stand-in for the vSphere SDK that unit tests use, against the one that was generated when the lab came up. */
export function describeSdk(): void {
  it.each(Object.entries(tokens).filter(([name]) => name !== "Provider"))(
    "registers %s as the generated SDK does",
    async (name, token) => {
      const file = name.replace(/Output$/, "");
      const source = await readFile(`sdks/vsphere/${file[0]?.toLowerCase() ?? ""}${file.slice(1)}.js`, "utf8");
      expect(source).toMatch(new RegExp(`["']${token}["']`));
    },
  );
}
