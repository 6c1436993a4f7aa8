import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pid } from "node:process";
import { deliveryText } from "../../render/step";
import { steps, type Role } from "./steps";

const folder = join("node_modules", ".cache", "esxi-k8s");

/**
 * Writes what machines of a role take in to a file on this computer, which is called by its content.
 * @returns its path from the project's folder, which is the same wherever the program runs
 */
export function stepsFile(role: Role): string {
  const text = deliveryText(steps[role]);
  const path = join(folder, `steps-${createHash("sha256").update(text).digest("hex").slice(0, 12)}`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    // Another run may be reading it.
    const part = `${path}.${String(pid)}`;
    writeFileSync(part, text);
    renameSync(part, path);
  }
  return path;
}
