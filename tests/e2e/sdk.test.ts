import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { tokens } from "../support/vsphere";
import { run } from "./support/lab";

beforeAll(async () => {
  await run("sim/tools", []);
});

describe("the stand-in for the vSphere SDK that unit tests use", () => {
  it.each(Object.entries(tokens).filter(([name]) => name !== "Provider"))(
    "registers %s as the generated SDK does",
    async (name, token) => {
      const file = name.replace(/Output$/, "");
      const source = await readFile(`sdks/vsphere/${file[0]?.toLowerCase() ?? ""}${file.slice(1)}.js`, "utf8");
      expect(source).toMatch(new RegExp(`["']${token}["']`));
    },
  );
});
