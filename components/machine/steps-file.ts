import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pid } from "node:process";
import { deliveryText, shortHash } from "../../render/step";
import { steps, type Role } from "./steps";

const folder = join("node_modules", ".cache", "esxi-k8s");

/** Paths by role: a file is made once a run, not once a machine. */
const written = new Map<Role, string>();

/**
 * Writes what machines of a role take in to a file on this computer, which is called by its content.
 * @returns its path from the project's folder, which is the same wherever the program runs
 */
export function stepsFile(role: Role): string {
  const path = written.get(role) ?? write(deliveryText(steps[role]));
  written.set(role, path);
  return path;
}

function write(text: string): string {
  const path = join(folder, `steps-${shortHash(text)}`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    // Another run may be reading it.
    const part = `${path}.${String(pid)}`;
    writeFileSync(part, text);
    renameSync(part, path);
  }
  return path;
}
