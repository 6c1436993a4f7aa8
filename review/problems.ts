import type { Preview } from "./preview";
import { withoutSecretText } from "./secrets";

/** Why a preview has no result, and what to do about it. */
export interface Problem {
  what: string;
  /** What was said, as it was said. */
  details: string[];
  advice: string;
}

/** How a preview ended. */
export interface Outcome {
  /** Exit code; nothing when a signal ended it. */
  code: number | null;
  signal?: string | null;
  stdout: string;
  stderr: string;
  /** Who works on the stack at this moment, as far as that can be seen. */
  lock?: string;
}

interface Rule {
  pattern: RegExp;
  what: (found: RegExpExecArray, stack: string) => string;
  advice: (found: RegExpExecArray, stack: string) => string;
  /** The lines that matter; by default, none beyond what the pattern found. */
  details?: (message: string, found: RegExpExecArray) => string[];
}

const lines = (text: string) => text.split("\n").map((line) => line.trimEnd());

/** What is known to go wrong; the first that fits a message explains it. */
const rules: Rule[] = [
  {
    pattern: /the configuration of stack \S+ has (\d+ problems?)/,
    what: ([, count = ""], stack) => `the configuration of stack ${stack} has ${count}`,
    details: (message) =>
      lines(message)
        .map((line) => line.trim())
        .filter((line) => / got .*, expected /.test(line)),
    advice: (_, stack) => `Correct Pulumi.${stack}.yaml: the paths are those below esxi-k8s:. Nothing was changed.`,
  },
  {
    pattern: /invalid YAML file|could not (?:parse|unmarshal) .*yaml|\byaml: (?:line \d+|unmarshal|found|did not)/,
    what: (_, stack) => `Pulumi.${stack}.yaml is not YAML that can be read`,
    details: (message, { index }) =>
      [/(?:yaml: |invalid YAML file: )?(line \d+[^\n]*)/.exec(message.slice(index))?.[1] ?? ""].filter(Boolean),
    advice: (_, stack) => `Mend that line of Pulumi.${stack}.yaml, or the one above it. Nothing was changed.`,
  },
  {
    pattern: /validating stack config: bad value/,
    what: (_, stack) => `a secret in Pulumi.${stack}.yaml is damaged`,
    advice: (_, stack) =>
      `Set each secret there again, for example with 'pulumi config set --stack ${stack} --secret vcenterPassword'.`,
  },
  {
    pattern: /failed to load checkpoint[^\n]*/,
    what: (_, stack) => `the state of stack ${stack} is damaged`,
    details: (_, [said]) => [said],
    advice: (_, stack) =>
      `Restore it from the backend: its history, or the file ending with .bak beside it. 'pulumi stack import --stack ${stack} --file FILE' takes an export.`,
  },
  {
    pattern: /no stack named '([^']+)' found/,
    what: (_, stack) => `there is no stack ${stack} in this backend`,
    advice: (_, stack) =>
      `See what there is with 'pulumi stack ls'. If it is to be new: 'pulumi stack init ${stack}'. If it should be there: log in to the backend that has it, with 'pulumi login' or PULUMI_BACKEND_URL.`,
  },
  {
    pattern: /currently locked by|[Aa]nother update is currently in progress|\[409\] Conflict/,
    what: (_, stack) => `stack ${stack} is locked: something is at work on it`,
    details: (message) => lines(message).filter((line) => /created by|locked/.test(line)),
    advice: (_, stack) =>
      `Review again when that run has ended. If it is dead: 'pulumi cancel --stack ${stack}' takes the lock away.`,
  },
  {
    pattern:
      /incorrect passphrase|PULUMI_CONFIG_PASSPHRASE|failed to decrypt|unable to decrypt|cipher: message authentication failed/,
    what: (_, stack) => `the secrets of stack ${stack} cannot be decrypted`,
    advice: (_, stack) =>
      `Give the preview the stack's passphrase (PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE), or access to the key of its secrets provider. If that is right, a secret in Pulumi.${stack}.yaml is damaged: set it again.`,
  },
  {
    pattern:
      /PULUMI_ACCESS_TOKEN must be set|could not (?:open|list) bucket|unable to open (?:bucket|state directory)|unable to check if bucket|failed to read Pulumi\.yaml from|\[40[13]\]|[Uu]nauthorized|AccessDenied|NoCredentialProviders|could not find default credentials|no such bucket|NoSuchBucket|getting stack|performing HTTP request: \w+ "https?:\/\/[^/"]+\/api\/|could not get cloud url|problem logging in|read ".*meta\.yaml"/,
    what: (_, stack) => `no access to the backend that has the state of stack ${stack}`,
    details: (message) =>
      lines(message)
        .filter((line) => line !== "" && !line.startsWith("Logging in using"))
        .slice(0, 3),
    advice: () =>
      "Log in to it ('pulumi login', or PULUMI_BACKEND_URL with the credentials that its storage wants), and see with 'pulumi stack ls' that it answers.",
  },
  {
    pattern: /setting up new vSphere SOAP client: (ServerFaultCode: (?:Login failure|Cannot complete login)[^\n]*)/,
    what: () => "vCenter refuses the login",
    details: (_, [, said = ""]) => [said],
    advice: (_, stack) =>
      `Correct vcenter.user in Pulumi.${stack}.yaml, or its password: 'pulumi config set --secret vcenterPassword --stack ${stack}'.`,
  },
  {
    pattern: /vSphere SOAP client: (?:Post|Get) "https?:\/\/([^/"]+)[^"]*": ([^\n]+)/,
    what: ([, server = ""]) => `vCenter at ${server} cannot be reached`,
    details: (_, [, , said = ""]) => [said],
    advice: (_, stack) =>
      `Preview from a machine that reaches it, and compare vcenter.server in Pulumi.${stack}.yaml with where vCenter is. A preview looks up hosts, datastores, networks and the template there.`,
  },
  {
    pattern: /invocation of vsphere:index\/\w+:\w+ returned an error: (?:invoking \S+ )?([^\n]+)/,
    what: () => "vCenter does not have what the configuration names, or does not tell",
    details: (_, [, said = ""]) => [said],
    advice: (_, stack) =>
      `Compare the names in Pulumi.${stack}.yaml (vcenter.datacenter, hosts, network.portGroup, template) with vCenter's, and see that its user may read them.`,
  },
];

/** What else Pulumi and Node.js say around an error, which tells nothing to a reviewer. */
const noise =
  /^\s*(Running program .* failed with an unhandled exception:|at .*\(.*\)?|promise: Promise .*|\}|error: update failed|error: preview failed|Diagnostics:|)\s*$/;

/** Longest part of a message that nobody has foreseen: what is in it is not known. */
const most = { lines: 12, characters: 1500 };

function explain(message: string, stack: string): Problem {
  for (const { pattern, what, advice, details } of rules) {
    const found = pattern.exec(message);
    if (found) {
      return { what: what(found, stack), details: details?.(message, found) ?? [], advice: advice(found, stack) };
    }
  }
  const said = lines(message)
    .map((line) =>
      line.replaceAll(/(error serializing property "\w+": )+/g, "").replace(/^(error: |<ref \*\d+> Error: )/, ""),
    )
    .filter((line) => !noise.test(line));
  const [first = "the preview failed", ...rest] = said;
  return {
    what: first.slice(0, 300),
    details: rest.slice(0, most.lines).join("\n").slice(0, most.characters).split("\n").filter(Boolean),
    advice: `See all of it with 'make preview STACK=${stack}'.`,
  };
}

/** Terminal colours, which a program prints into its own errors. */
// eslint-disable-next-line no-control-regex -- that is what they are
const colours = /\u001b\[[\d;]*m/g;

/**
 * Why there is no review of what a preview shows; nothing when there is no reason.
 * @param preview what it printed, if that could be read
 */
export function problemsOf(outcome: Outcome, preview: Preview | undefined, stack: string): Problem[] {
  const { code, signal, stderr, lock } = outcome;
  if (lock !== undefined) {
    return [explain(`the stack is currently locked by:\ncreated by ${lock}`, stack)];
  }
  const errors = (preview?.diagnostics ?? [])
    .filter(({ severity }) => severity === "error")
    .map(({ message }) => message);
  const messages = errors.length > 0 || (code === 0 && preview) ? errors : [stderr];
  const said = messages
    .map((message) => withoutSecretText(message.replaceAll(colours, "")))
    .filter((text) => text.trim());
  const known = new Map(
    said.map((message) => explain(message, stack)).map((problem) => [JSON.stringify(problem), problem]),
  );
  const problems = [...known.values()];
  // One reason breaks everything that waits for it, each with a message of its own.
  const foreseen = problems.filter(({ advice }) => !advice.startsWith("See all of it"));
  if (foreseen.length > 0) {
    return foreseen;
  }
  if (problems.length > 0) {
    return problems;
  }
  if (code === 0 && preview) {
    return [];
  }
  const end = signal ? `was ended by ${signal}` : `ended with exit code ${String(code)}`;
  return [
    {
      what: preview ? `the preview ${end}` : `the preview ${end} before it had printed a whole result`,
      details: [],
      advice: preview
        ? `See why with 'make preview STACK=${stack}'.`
        : `Run it again: 'make review STACK=${stack}'. If it ends the same way, look at the memory and the time that the machine gives it.`,
    },
  ];
}
