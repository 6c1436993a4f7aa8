/** What Go calls its flags, a sign and more flags, and the end of the group's head. */
const flags = /\(\?[imsU]*(-[imsU]+)?[:)]/y;
const groupName = /\(\?P?<\w+>/y;
/** A repetition; braces around anything else stand for themselves. */
const repetition = /(?:[*+?]|\{(0|[1-9]\d*)(?:(,)(0|[1-9]\d*)?)?\})\??/y;
/** An escape that stands for one character, inside and outside of a class. */
const character =
  /\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2}|x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]+\}|[afnrtv]|[^0-9A-Za-z\u0080-\uffff])/y;
/** An escape that stands for a class of characters. */
const classEscape = /\\(?:[dswDSW]|[pP](?:[CLMNPSZclmnpsz]|\{\^?[A-Za-z_]+\}))/y;
const anchor = /\\[AbBz]/y;
const quotation = /\\Q[^]*?(?:\\E|$)/y;
const namedClass = /\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]/y;
const mostRepetitions = 1000;
const controls = new Map(Object.entries({ a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }));

/**
 * Judges a regular expression by the rules of Go's regexp (RE2), which lacks look-around and back references and knows
 * flags, names and classes that JavaScript writes otherwise.
 * @returns what is wrong with it; nothing when Go would compile it, the names of scripts and the size left aside
 */
export function regexpProblem(pattern: string): string | undefined {
  /** For each open parenthesis, its place. */
  const open: number[] = [];
  let at = 0;
  /** Whether there is something that a repetition could repeat. */
  let repeatable = false;
  let repeated = false;

  const take = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at;
    const match = expression.exec(pattern);
    at = match ? expression.lastIndex : at;
    return match;
  };
  const where = (place: number) => `at its character ${String(place + 1)}`;

  while (at < pattern.length) {
    const start = at;
    const afterRepetition = repeated;
    repeated = false;
    let match: RegExpExecArray | null;

    if ((match = take(repetition))) {
      const [, least, comma, most = comma ? undefined : least] = match;
      if ([least, most].some((count) => Number(count ?? 0) > mostRepetitions) || Number(least) > Number(most)) {
        return `the repetition ${match[0]} ${where(start)} is out of order or above ${String(mostRepetitions)}`;
      }
      if (!repeatable || afterRepetition) {
        return `there is nothing that ${match[0]} ${where(start)} could repeat`;
      }
      repeated = true;
    } else if (pattern.startsWith("(?", at)) {
      if (/^\(\?<?[=!]/.test(pattern.slice(at))) {
        return `look-around, as ${where(start)}, does not exist in Go`;
      }
      match = take(groupName) ?? take(flags);
      if (match === null) {
        return `the group ${where(start)} begins with what Go does not know`;
      }
      if (!match[0].endsWith(")")) {
        open.push(start);
        repeatable = false;
      }
    } else if (pattern[at] === "[") {
      const problem = takeClass();
      if (problem !== undefined) {
        return problem;
      }
      repeatable = true;
    } else if (pattern[at] === "\\") {
      const quoted = take(quotation);
      if (quoted === null && !take(character) && !take(classEscape) && !take(anchor)) {
        return /^\\[1-9k]/.test(pattern.slice(at))
          ? `back references, as ${where(start)}, do not exist in Go`
          : `the escape ${pattern.slice(at, at + 2)} ${where(start)} does not exist in Go`;
      }
      repeatable ||= quoted === null || quoted[0].replace(/^\\Q|\\E$/g, "") !== "";
    } else if (pattern[at] === "(") {
      open.push(at++);
      repeatable = false;
    } else if (pattern[at] === ")") {
      if (open.pop() === undefined) {
        return `the parenthesis ${where(start)} closes nothing`;
      }
      at++;
      repeatable = true;
    } else {
      repeatable = pattern[at] !== "|";
      at++;
    }
  }
  const unclosed = open.pop();
  return unclosed === undefined ? undefined : `the parenthesis ${where(unclosed)} is never closed`;

  /** Takes a class in brackets. */
  function takeClass(): string | undefined {
    const start = at++;
    if (pattern[at] === "^") {
      at++;
    }
    // A bracket that comes first stands for itself.
    for (let first = true; first || pattern[at] !== "]"; first = false) {
      if (at >= pattern.length) {
        return `the bracket ${where(start)} is never closed`;
      }
      if (take(namedClass) || take(classEscape)) {
        continue;
      }
      if (pattern.startsWith("[:", at) && pattern.includes(":]", at + 2)) {
        return `the class ${where(at)} is none that Go knows`;
      }
      const from = at;
      const low = takeClassCharacter();
      let high = low;
      if (pattern[at] === "-" && pattern[at + 1] !== "]" && at + 1 < pattern.length) {
        at++;
        high = takeClassCharacter();
      }
      if (low === undefined || high === undefined) {
        return `the escape ${pattern.slice(at, at + 2)} ${where(at)} does not exist in Go`;
      }
      if (high < low) {
        return `the range ${pattern.slice(from, at)} ${where(from)} is out of order`;
      }
    }
    at++;
    return undefined;
  }

  /** Takes a character of a class, and returns its code point; nothing when it is an escape that does not exist. */
  function takeClassCharacter(): number | undefined {
    if (pattern[at] === "\\") {
      const escape = take(character)?.[0].slice(1);
      return escape === undefined ? undefined : codePoint(escape);
    }
    const code = pattern.codePointAt(at) ?? 0;
    at += String.fromCodePoint(code).length;
    return code;
  }
}

function codePoint(escape: string): number {
  if (/^[0-7]/.test(escape)) {
    return parseInt(escape, 8);
  }
  if (escape.startsWith("x")) {
    return parseInt(escape.replace(/[x{}]/g, ""), 16);
  }
  return controls.get(escape) ?? escape.charCodeAt(0);
}
