import { spawnSync } from "node:child_process";
import { exit } from "node:process";

/**
 * The outputs of a stack. Ends the program when there are none, after Pulumi has said why.
 * @param {string} stack
 * @param {{secrets?: boolean, through?: string[]}} [options] secrets in clear instead of "[secret]"; a command to run Pulumi with
 * @returns {Record<string, any>}
 */
export function outputs(stack, { secrets = false, through = [] } = {}) {
  const options = secrets ? ["--show-secrets"] : [];
  const [command, ...args] = [...through, "pulumi", "stack", "output", "--json", "--stack", stack, ...options];
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) {
    console.error(
      `error: the outputs of stack ${stack} cannot be read; 'pulumi whoami -v' says where Pulumi looks, 'pulumi stack ls' what is there`,
    );
    exit(1);
  }
  return JSON.parse(stdout);
}
