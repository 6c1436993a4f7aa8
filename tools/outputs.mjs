import { execFileSync } from "node:child_process";

/**
 * The outputs of a stack.
 * @param {string} stack
 * @param {{secrets?: boolean}} [options] secrets in clear instead of "[secret]"
 * @returns {Record<string, any>}
 */
export function outputs(stack, { secrets = false } = {}) {
  const options = secrets ? ["--show-secrets"] : [];
  return JSON.parse(
    execFileSync("pulumi", ["stack", "output", "--json", "--stack", stack, ...options], { encoding: "utf8" }),
  );
}
