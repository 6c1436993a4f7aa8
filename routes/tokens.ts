/** Why Traefik would refuse a rule, or never match it. */
export class RuleError extends Error {
  constructor(
    /** What stands there, and where in the rule: characters count from one. */
    readonly got: string,
    readonly expected: string,
  ) {
    super(`got ${got}, expected ${expected}`);
    this.name = "RuleError";
  }
}

/** A piece of a rule; `at` is its place, counted from zero. */
export interface Token {
  kind: "name" | "string" | "operator" | "line end" | "end";
  text: string;
  at: number;
}

const forms: [Token["kind"], RegExp][] = [
  ["name", /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ["string", /`[^`]*`|"(?:[^"\\\n]|\\[^\n])*"/y],
  ["operator", /&&|\|\||[!(),]/y],
];

/**
 * Takes a rule apart as Go's scanner does.
 * @throws RuleError for what is none of Go's tokens, or none that a rule can use
 */
export function tokens(rule: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < rule.length) {
    const start = at;
    if (/[ \t\r]/.test(rule.charAt(at))) {
      at++;
      continue;
    }
    if (rule[at] === "\n") {
      at++;
      const last = found.at(-1);
      if (last?.kind === "name" || last?.kind === "string" || last?.text === ")") {
        found.push({ kind: "line end", text: "the end of a line", at: start });
      }
      continue;
    }
    const form = forms.find(([, pattern]) => matchesAt(pattern, rule, at));
    if (form === undefined) {
      throw new RuleError(`${rule.slice(at, at + 1)} at character ${String(at + 1)}`, unreadable(rule[at]));
    }
    const [kind, pattern] = form;
    at = pattern.lastIndex;
    found.push({ kind, text: rule.slice(start, at), at: start });
  }
  return [...found, { kind: "end", text: "the end", at }];
}

/** Whether `pattern`, which is sticky, matches at a place; its `lastIndex` is the end of the match then. */
function matchesAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

function unreadable(character: string | undefined): string {
  if (character === "`" || character === '"') {
    return `a closing ${character}`;
  }
  if (character === "'") {
    return "texts in backquotes or double quotes";
  }
  return "matchers, texts in backquotes or double quotes, &&, ||, ! and parentheses";
}

const escapes = new Map(
  Object.entries({ a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "\\": "\\", '"': '"' }),
);

/**
 * The value of a string as Go writes it.
 * @throws RuleError for an escape that Go does not know
 */
export function unquote({ text, at }: Token): string {
  if (text.startsWith("`")) {
    return text.slice(1, -1).replaceAll("\r", "");
  }
  const escape = /\\([0-3][0-7]{2}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)/gsu;
  return text.slice(1, -1).replace(escape, (all: string, body: string, index: number) => {
    const code = /^\d/.test(body) ? parseInt(body, 8) : parseInt(body.slice(1), 16);
    const isCode = body.length > 1 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
    const character = isCode ? String.fromCodePoint(code) : escapes.get(body);
    if (character === undefined) {
      throw new RuleError(
        `${all} at character ${String(at + index + 2)}`,
        "an escape of Go, or a text in backquotes, where a backslash stands for itself",
      );
    }
    return character;
  });
}
