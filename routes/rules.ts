import { matchers, renamed, type Matcher, type RuleKind } from "./matchers";
import { RuleError, tokens, unquote, type Token } from "./tokens";

export type { RuleKind } from "./matchers";
export { RuleError } from "./tokens";

/** What a valid rule says about names. */
export interface RuleNames {
  /** Hosts that the router claims: in lower case, without a closing dot, each once, none that stands under a negation. */
  hosts: string[];
  /** Whether the router needs TLS, as the first HostSNI of a rule demands unless it is for everything. */
  needsTls: boolean;
}

/**
 * Reads a rule as Traefik v3 does: https://doc.traefik.io/traefik/reference/routing-configuration/http/routing/rules-and-priority/
 * It is stricter in what would pass there and then match nothing: host names that are none, and the syntax of v2.
 * @throws RuleError for the first thing that is wrong
 */
export function parseRule(rule: string, kind: RuleKind): RuleNames {
  const parser = new Parser(tokens(rule), kind);
  parser.rule();
  return { hosts: [...parser.hosts], needsTls: parser.needsTls };
}

/** Traefik leaves the grammar to Go's parser of expressions, so this is a part of Go's grammar. */
class Parser {
  readonly hosts = new Set<string>();
  private firstHost: string | undefined;
  private position = 0;

  constructor(
    private readonly tokens: Token[],
    private readonly kind: RuleKind,
  ) {}

  get needsTls(): boolean {
    return this.kind === "tcp" && this.firstHost !== undefined && this.firstHost !== "*";
  }

  rule(): void {
    this.alternatives(false);
    const last = this.next.kind === "line end" ? this.tokens[this.position + 1] : this.next;
    if (last?.kind !== "end") {
      this.refuse(this.next, "&&, || or the end of the rule");
    }
  }

  private alternatives(negated: boolean): void {
    do {
      do {
        this.operand(negated);
      } while (this.accept("&&"));
    } while (this.accept("||"));
  }

  private operand(negated: boolean): void {
    if (this.accept("!")) {
      this.operand(!negated);
    } else if (this.accept("(")) {
      this.alternatives(negated);
      this.expect(")");
    } else if (this.next.kind === "name") {
      this.call(negated);
    } else {
      this.refuse(
        this.next,
        "a matcher such as " + (this.kind === "http" ? "Host(`app.example.org`)" : "HostSNI(`*`)"),
      );
    }
  }

  private call(negated: boolean): void {
    const name = this.take();
    const [canonical, matcher] = this.matcher(name);
    const values = this.values();
    this.checkCount(name, canonical, matcher, values);
    values.forEach((token, index) => {
      const value = unquote(token);
      if (value === "") {
        this.refuse(token, "a text that is not empty");
      }
      const expected = matcher.checks[index]?.(value);
      if (expected !== undefined) {
        this.refuse(token, expected);
      }
      if (matcher.claimsHost) {
        this.firstHost ??= value;
        if (!negated && value !== "*") {
          this.hosts.add(value.toLowerCase().replace(/\.$/, ""));
        }
      }
    });
  }

  /** Traefik knows each matcher as it is documented, in lower, in upper and in title case. */
  private matcher(name: Token): [string, Matcher] {
    const lower = name.text.toLowerCase();
    const known = Object.entries(matchers[this.kind]);
    const [canonical, matcher] = known.find(([key]) => key.toLowerCase() === lower) ?? [];
    if (canonical === undefined || matcher === undefined) {
      const names = renamed[this.kind];
      this.refuse(
        name,
        Object.hasOwn(names, lower) ? String(names[lower]) : `one of ${known.map(([key]) => key).join(", ")}`,
      );
    }
    if (![canonical, lower, canonical.toUpperCase(), title(lower)].includes(name.text)) {
      this.refuse(name, canonical);
    }
    return [canonical, matcher];
  }

  private values(): Token[] {
    const values: Token[] = [];
    this.expect("(");
    while (this.next.text !== ")" || this.next.kind !== "operator") {
      if (this.next.kind !== "string") {
        this.refuse(this.next, "a text in backquotes or double quotes");
      }
      values.push(this.take());
      if (!this.accept(",")) {
        break;
      }
    }
    this.expect(")");
    return values;
  }

  private checkCount(name: Token, canonical: string, { counts }: Matcher, values: Token[]): void {
    if (counts.includes(values.length)) {
      return;
    }
    const most = Math.max(...counts);
    // Several values for one matcher are what Traefik v2 read as a choice.
    const choice = most === 1 && values.length > 1;
    const fix = choice ? `, as in ${values.map(({ text }) => `${canonical}(${text})`).join(" || ")}` : "";
    const got = `${name.text} with ${count(values.length)}`;
    this.refuse(
      { ...name, text: got },
      `${counts
        .slice(0, -1)
        .map((n) => `${String(n)} or `)
        .join("")}${count(most)}${fix}`,
    );
  }

  private get next(): Token {
    const token = this.tokens[this.position];
    if (token === undefined) {
      throw new Error("read past the end of a rule");
    }
    return token;
  }

  private take(): Token {
    const token = this.next;
    this.position++;
    return token;
  }

  private accept(operator: string): boolean {
    const found = this.next.kind === "operator" && this.next.text === operator;
    this.position += found ? 1 : 0;
    return found;
  }

  private expect(operator: string): void {
    if (!this.accept(operator)) {
      this.refuse(this.next, operator);
    }
  }

  private refuse({ kind, text, at }: Token, expected: string): never {
    // Go ends an expression with the line, unless the line ends with an operator, a comma or an opening parenthesis.
    const advice = kind === "line end" ? `${expected}, on the same line` : expected;
    throw new RuleError(`${text} at character ${String(at + 1)}`, advice);
  }
}

function count(values: number): string {
  return `${String(values)} argument${values === 1 ? "" : "s"}`;
}

function title(lower: string): string {
  return lower.slice(0, 1).toUpperCase() + lower.slice(1);
}
