import { describe, expect, test } from "vitest";
import { regexpProblem } from "../../config/regexps";

// Go 1.26 itself compiled, or refused, each of these.

describe("Go compiles", () => {
  test.each([
    "",
    "^$",
    "a*?b+?c??d{2}?",
    "a{2,}b{,3}c{02}d{x}{",
    "^*|$+|\\b?",
    "()*(|a)+",
    "(?i)a(?s-m:b)(?U)c(?)",
    "(?P<year>\\d{4})-(?<month>\\d\\d)(?P<year>)",
    "a(?i)*",
    "[]a][^]a][a-z-9][-a][a-]",
    "[[:alpha:][:^digit:]\\d\\pL-]",
    "[[:]",
    "[\\x{61}-\\x7a\\101-\\132\\t-\\r]",
    "\\A\\B\\z\\pL\\p{Greek}\\P{^Lu}\\pz",
    "\\Q(*\\E+\\Qa",
    "\\0\\12\\177\\x41\\x{1F600}\\a\\f\\n\\r\\t\\v\\.\\_\\ \\~\\/",
    "é|😀+",
    "]}",
  ])("%s", (pattern) => {
    expect(regexpProblem(pattern)).toBeUndefined();
  });
});

describe("Go refuses", () => {
  test.each([
    ["(a", "the parenthesis at its character 1 is never closed"],
    ["a)", "the parenthesis at its character 2 closes nothing"],
    ["*a", "there is nothing that * at its character 1 could repeat"],
    ["(+a)", "there is nothing that + at its character 2 could repeat"],
    ["a|{2}", "there is nothing that {2} at its character 3 could repeat"],
    ["(?i)?", "there is nothing that ? at its character 5 could repeat"],
    ["\\Q\\E*", "there is nothing that * at its character 5 could repeat"],
    ["a**", "there is nothing that * at its character 3 could repeat"],
    ["a*?+", "there is nothing that + at its character 4 could repeat"],
    ["a{1001}", "the repetition {1001} at its character 2 is out of order or above 1000"],
    ["a{5,1001}", "the repetition {5,1001} at its character 2 is out of order or above 1000"],
    ["a{3,2}", "the repetition {3,2} at its character 2 is out of order or above 1000"],
    ["(?=a)", "look-around, as at its character 1, does not exist in Go"],
    ["a(?<!b)", "look-around, as at its character 2, does not exist in Go"],
    ["(?P=a)", "the group at its character 1 begins with what Go does not know"],
    ["(?<a-b>)", "the group at its character 1 begins with what Go does not know"],
    ["(?i-)a", "the group at its character 1 begins with what Go does not know"],
    ["(?x)", "the group at its character 1 begins with what Go does not know"],
    ["(a)\\1", "back references, as at its character 4, do not exist in Go"],
    ["\\k<a>", "back references, as at its character 1, do not exist in Go"],
    ["\\C", "the escape \\C at its character 1 does not exist in Go"],
    ["\\Z", "the escape \\Z at its character 1 does not exist in Go"],
    ["\\e", "the escape \\e at its character 1 does not exist in Go"],
    ["\\xg", "the escape \\x at its character 1 does not exist in Go"],
    ["\\p{2}", "the escape \\p at its character 1 does not exist in Go"],
    ["\\é", "the escape \\é at its character 1 does not exist in Go"],
    ["a\\", "the escape \\ at its character 2 does not exist in Go"],
    ["[a", "the bracket at its character 1 is never closed"],
    ["[]", "the bracket at its character 1 is never closed"],
    ["[b-a]", "the range b-a at its character 2 is out of order"],
    ["[\\n-\\t]", "the range \\n-\\t at its character 2 is out of order"],
    ["[\\x{62}-\\141]", "the range \\x{62}-\\141 at its character 2 is out of order"],
    ["[[:word:][:foo:]]", "the class at its character 10 is none that Go knows"],
    ["[\\b]", "the escape \\b at its character 2 does not exist in Go"],
    ["[a-\\d]", "the escape \\d at its character 4 does not exist in Go"],
  ])("%s", (pattern, problem) => {
    expect(regexpProblem(pattern)).toBe(problem);
  });
});
