import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = resolve(__dirname, "../..");
const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
};
const pinned = (name: string) => dependencies[`@pulumi/${name}`] ?? "";
const official: Record<string, string> = {
  command: pinned("command"),
  kubernetes: pinned("kubernetes"),
  random: pinned("random"),
  vsphere: /vsphere: vsphere@(.+)/.exec(readFileSync(join(root, "Pulumi.yaml"), "utf8"))?.[1] ?? "",
};

let bin = "";
beforeAll(() => {
  bin = mkdtempSync(join(tmpdir(), "toolchain-"));
});
afterAll(() => {
  rmSync(bin, { recursive: true });
});

function program(name: string, text: string) {
  writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(bin, name), 0o755);
}

/** Where the tool chain's own build of the engine would be, on a machine with this official CLI; nothing when it is not wanted. */
function ownEngine(cli: string, plugins: Record<string, string>) {
  const list = Object.entries(plugins).map(([name, version]) => ({ name, kind: "resource", version, size: 1 }));
  writeFileSync(join(bin, "plugins.json"), JSON.stringify(list, null, 2));
  program("go", "echo go1.26.8");
  program("pulumi", `case $1 in version) echo v${cli} ;; plugin) cat ${join(bin, "plugins.json")} ;; esac`);
  const { stdout, stderr, status } = spawnSync(join(root, "sim/toolchain/build"), ["--print", "pulumi"], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}`, ESXI_K8S_CACHE: join(bin, "cache") },
  });
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

describe("the official Pulumi CLI", () => {
  const current = "3.999.0";

  it("takes the place of what the tool chain would build when its plugins are those that the program asks for", () => {
    expect(ownEngine(current, official)).toBe("");
    expect(ownEngine(current, { ...official, docker: "4.0.0" })).toBe("");
  });

  it.each(Object.keys(official))("does not with another version of the plugin %s, or without it", (name) => {
    expect(ownEngine(current, { ...official, [name]: "0.1.0" })).toMatch(/\/pulumi-[0-9a-f]{12}\/bin$/);
    const without = Object.fromEntries(Object.entries(official).filter(([other]) => other !== name));
    expect(ownEngine(current, without)).toMatch(/\/pulumi-[0-9a-f]{12}\/bin$/);
  });

  it("does not when it is older than the engine that the tool chain builds", () => {
    expect(ownEngine("3.200.0", official)).toMatch(/\/pulumi-[0-9a-f]{12}\/bin$/);
  });
});
