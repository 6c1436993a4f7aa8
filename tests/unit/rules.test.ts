import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRule, RuleError, type RuleKind } from "../../routes/rules";
import { readYaml } from "../support/configs";

/** A rule, and either what it says about names or why it is refused. */
interface Row {
  kind: RuleKind;
  rule: string;
  hosts?: string[];
  needsTls?: boolean;
  says?: string;
}

const table = readYaml(join(__dirname, "..", "fixtures", "rules.yaml")) as Record<
  "accepted" | "refused" | "stricter",
  Row[]
>;

function complaint(rule: string, kind: RuleKind): string {
  try {
    parseRule(rule, kind);
  } catch (error) {
    expect(error).toBeInstanceOf(RuleError);
    return (error as Error).message;
  }
  return "the rule was accepted";
}

describe("a rule that Traefik accepts", () => {
  test.each(table.accepted)("$kind $rule", ({ kind, rule, hosts = [], needsTls = false }) => {
    expect(parseRule(rule, kind)).toEqual({ hosts, needsTls });
  });
});

describe("a rule that Traefik refuses", () => {
  test.each(table.refused)("$kind $rule", ({ kind, rule, says }) => {
    expect(complaint(rule, kind)).toBe(says);
  });
});

describe("a rule that Traefik accepts and that matches nothing of what it means", () => {
  test.each(table.stricter)("$kind $rule", ({ kind, rule, says }) => {
    expect(complaint(rule, kind)).toBe(says);
  });
});

/** A tree of matchers with its text; `hosts` are those that stand under an even number of negations. */
interface Generated {
  text: string;
  hosts: string[];
  negatedHosts: string[];
}

const label = fc.stringMatching(/^[a-z]([-a-z0-9]{0,8}[a-z0-9])?$/);
const hostName = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const blank = fc.constantFrom("", " ", "  ", "\t");
const casing = (name: string) => fc.constantFrom(name, name.toLowerCase(), name.toUpperCase());
const quoted = (text: string) => fc.constantFrom(`\`${text}\``, JSON.stringify(text));

const hostMatcher = fc
  .tuple(casing("Host"), hostName, blank)
  .chain(([name, host, space]) =>
    quoted(host).map((text): Generated => ({ text: `${name}(${space}${text})`, hosts: [host], negatedHosts: [] })),
  );
const otherMatcher = fc
  .constantFrom("Path(`/a`)", 'PathPrefix("/")', "Method(`GET`)", "Header(`a`, `b`)", "Query(`a`)", "ClientIP(`::1`)")
  .map((text): Generated => ({ text, hosts: [], negatedHosts: [] }));

const { rule: generatedRule } = fc.letrec<{ rule: Generated }>((tie) => ({
  rule: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    hostMatcher,
    otherMatcher,
    tie("rule").map(({ text, hosts, negatedHosts }) => ({
      text: `!(${text})`,
      hosts: negatedHosts,
      negatedHosts: hosts,
    })),
    fc
      .tuple(tie("rule"), blank, fc.constantFrom("&&", "||"), fc.constantFrom("", " ", "\n"), tie("rule"))
      .map(([left, space, operator, gap, right]) => ({
        text: `(${left.text}${space}${operator}${gap}${right.text})`,
        hosts: [...left.hosts, ...right.hosts],
        negatedHosts: [...left.negatedHosts, ...right.negatedHosts],
      })),
  ),
}));

describe("any rule of the grammar", () => {
  test("is accepted, with its hosts", () => {
    fc.assert(
      fc.property(generatedRule, ({ text, hosts }) => {
        expect(parseRule(text, "http").hosts).toEqual([...new Set(hosts)]);
      }),
    );
  });

  test("is refused when a parenthesis is missing", () => {
    fc.assert(
      fc.property(generatedRule, ({ text }) => {
        expect(() => parseRule(text.slice(0, -1), "http")).toThrow(RuleError);
        expect(() => parseRule(`(${text}`, "http")).toThrow(RuleError);
      }),
    );
  });

  test("may have any text where its matcher takes any", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((value) => !/[`\r]/.test(value));
    fc.assert(
      fc.property(text, (value) => {
        expect(parseRule(`Header(\`a\`, \`${value}\`)`, "http").hosts).toEqual([]);
      }),
    );
  });

  test("ends in an answer or in a RuleError, whatever the text", () => {
    const piece = fc.constantFrom(
      "Host",
      "(",
      ")",
      "`a`",
      '"',
      "`",
      "!",
      "&&",
      "||",
      ",",
      "\n",
      " ",
      "\\",
      "x",
      "é",
      "{",
    );
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join("")),
        (text) => {
          try {
            expect(parseRule(text, "http").hosts).toBeInstanceOf(Array);
          } catch (error) {
            expect(error).toBeInstanceOf(RuleError);
            const [, place] = / at character (\d+)$/.exec((error as RuleError).got) ?? [];
            expect(Number(place)).toBeLessThanOrEqual(text.length + 1);
          }
        },
      ),
    );
  });
});
