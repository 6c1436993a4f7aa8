import type { Difference } from "./differences";
import { isFields, isUnknown } from "./differences";
import type { Problem } from "./problems";
import type { Review } from "./review";
import { enumerated, type Risk } from "./risks";
import { compare, type Item, type Row, type Verb } from "./rows";
import type { Owner, Resource } from "./stack";

/** Characters of a comment that GitHub accepts. */
export const limit = 65_536;

/** How a row is headed, and what the first line says of a machine. */
const said: Record<Verb, { heading: string; machine: string }> = {
  deleted: { heading: "**deleted**", machine: "deleted" },
  replaced: { heading: "**replaced**", machine: "replaced" },
  restarted: { heading: "**restarted**", machine: "restarted" },
  created: { heading: "created", machine: "created" },
  changed: { heading: "changed in place", machine: "changed in place" },
  issued: { heading: "issued anew", machine: "changed in place" },
  run: { heading: "runs again", machine: "runs steps again" },
  forgotten: { heading: "no longer managed, but left as it is", machine: "no longer managed" },
};

const groups: Record<string, (name: string) => string> = { WorkerPool: (name) => `pool ${name}` };
const component = ({ component: type, name }: Owner) => groups[type]?.(name) ?? name;
const place = (owner: Owner) => (owner.machine === undefined ? component(owner) : owner.machine);

/** A text in backticks, whatever is in it. In a table it may hold neither a line break nor a bare `|`. */
export function code(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  const space = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return line === "" ? "(empty)" : `${ticks}${space}${line}${space}${ticks}`;
}

/** A text that is shown as it is. */
function plain(text: string): string {
  return text.replaceAll(/[\\`*_{}[\]<>|~#@]/g, "\\$&").replaceAll(/\s*\n\s*/g, " ");
}

const longestValue = 60;

function value(of: unknown): string {
  if (isUnknown(of)) {
    return "(known later)";
  }
  if (of === undefined || of === null) {
    return "(none)";
  }
  const text = typeof of === "string" ? of : JSON.stringify(of);
  return code(text.length > longestValue ? `${text.slice(0, longestValue)}…` : text);
}

function difference(of: Difference): string {
  const path = of.path === "" ? "" : `${code(of.path)}: `;
  switch (of.kind) {
    case "value":
      return `${path}${value(of.before)} → ${value(of.after)}`;
    case "list":
      return `${path}${[...of.removed.map((each) => `− ${value(each)}`), ...of.added.map((each) => `+ ${value(each)}`)].join(", ")}`;
    case "text": {
      const count = (sign: string) => String(of.lines.filter((line) => line.sign === sign).length);
      return `${path}+${count("+")} −${count("-")} lines`;
    }
    case "secret":
      return `${path}another secret`;
  }
}

/** Differences that a table shows of one thing; the folded part has all. */
const mostShown = 4;

function item({ label, notes, differences }: Item): string {
  const shown = differences.slice(0, mostShown).map(difference);
  const rest = differences.length - shown.length;
  const facts = [...notes.map(plain), ...shown, ...(rest > 0 ? [`and ${String(rest)} more`] : [])];
  return [label === undefined ? "" : plain(label), facts.join("; ")].filter(Boolean).join(": ");
}

/** Lines that a row has at most. */
const mostItems = 8;

function items(row: Row): string {
  const steps = row.items.filter(({ resource }) => resource.type === "command:remote:Command");
  const isWhole = row.verb === "created" || row.verb === "replaced";
  // What is made anew runs all of its steps, of which the names are enough.
  const ran = isWhole ? steps : [];
  const others = row.items.filter((each) => !ran.includes(each));
  const telling = others.filter(({ label, notes, differences }) =>
    label === undefined ? notes.length + differences.length > 0 : true,
  );
  const detailed = telling.filter(
    ({ label, differences }) => label === undefined || differences.length > 0 || row.verb === "run",
  );
  const named = telling.filter((each) => !detailed.includes(each)).map(({ label = "" }) => label);
  const all = [
    ...detailed.map(item),
    ...(named.length > 0 ? [counted(named)] : []),
    ...(ran.length > 0 ? [`runs ${enumerated([...new Set(ran.map(({ label = "" }) => plain(label)))])}`] : []),
  ];
  return [
    ...all.slice(0, mostItems),
    ...(all.length > mostItems ? [`and ${String(all.length - mostItems)} more`] : []),
  ].join("<br>");
}

/** `Namespace consul, 4 × Secret`. */
function counted(labels: string[]): string {
  const kinds = new Map<string, string[]>();
  for (const label of labels) {
    const [kind = "", name] = label.split(" ");
    const key = name === undefined ? "" : kind;
    kinds.set(key, [...(kinds.get(key) ?? []), label]);
  }
  return [...kinds]
    .sort(([a], [b]) => compare(a, b))
    .flatMap(([kind, all]) =>
      kind === "" || all.length === 1 ? all.map(plain) : [`${String(all.length)} × ${plain(kind)}`],
    )
    .join(", ");
}

function table(rows: Row[]): string[] {
  const ranks = [...new Set(rows.map(({ rank }) => rank))];
  return [
    "|   | machine or component | what happens | how |",
    "| - | --- | --- | --- |",
    ...rows.map((row) => {
      const { owner, rank, verb } = row;
      const where =
        owner.machine === undefined
          ? plain(component(owner))
          : `**${plain(owner.machine)}** (${plain(component(owner))})`;
      const heading =
        verb === "run" && row.items.every(({ resource }) => resource.action === "create") ? "runs" : said[verb].heading;
      return `| ${String(ranks.indexOf(rank) + 1)} | ${where} | ${heading} | ${items(row)} |`;
    }),
  ];
}

const plural = (count: number, what: string) => `${String(count)} ${what}${count === 1 ? "" : "s"}`;
const names = (all: string[], most = 3) => (all.length > most ? undefined : enumerated(all.map(plain)));

/** The first line: what a reviewer reads in any case. */
function verdict({ stack, verdict: is, rows, risks, machines, problems }: Review): string {
  const where = `stack ${code(stack)}`;
  if (is === "failed") {
    return `**The preview failed** for ${where}: ${problems[0] ? plain(problems[0].what) : "see below"}.`;
  }
  if (is === "nothing") {
    return `**Nothing changes** in ${where}.`;
  }
  const changing = summary(rows, machines);
  if (is === "data-at-risk") {
    const what = risks.filter(({ atRisk }) => atRisk !== undefined).map((risk) => plain(risk.what));
    return `**Data at risk** in ${where}: ${what.slice(0, 3).join("; ")}${what.length > 3 ? `; and ${String(what.length - 3)} more` : ""}. ${changing}.`;
  }
  return `**${machines.length === 0 ? "No machine changes" : changes(machines.length)}** in ${where}${changing.replace(/^[^:]*/, "")}.`;
}

const changes = (count: number) => `${plural(count, "machine")} change${count === 1 ? "s" : ""}`;

/** `2 machines change: worker-3 is created, haproxy-1 runs steps again; besides, ingress` */
function summary(rows: Row[], machines: Review["machines"]): string {
  const kinds = [...new Set(machines.map(({ verb }) => verb))].map((verb) => {
    const of = machines.filter((each) => each.verb === verb).map(({ name }) => name);
    const how = said[verb].machine;
    const is = how.startsWith("runs")
      ? of.length === 1
        ? how
        : how.replace("runs", "run")
      : `${of.length === 1 ? "is" : "are"} ${how}`;
    return `${names(of) ?? String(of.length)} ${is}`;
  });
  const others = [
    ...new Set(rows.filter(({ owner }) => owner.machine === undefined).map(({ owner }) => component(owner))),
  ].sort(compare);
  const besides =
    others.length === 0
      ? []
      : [`${names(others, 6) ?? plural(others.length, "component")} ${others.length === 1 ? "changes" : "change"}`];
  const head = machines.length === 0 ? "No machine changes" : changes(machines.length);
  const all = [...kinds, ...besides];
  return all.length === 0 ? head : `${head}: ${all.join(", ")}`;
}

function alerts(risks: Risk[]): string[] {
  const block = (kind: string, of: Risk[]) =>
    of.length === 0
      ? []
      : [`> [!${kind}]`, ...of.map(({ what, meaning }) => `> - **${plain(what)}**: ${plain(meaning)}.`), ""];
  return [
    ...block(
      "CAUTION",
      risks.filter(({ atRisk }) => atRisk !== undefined),
    ),
    ...block(
      "WARNING",
      risks.filter(({ atRisk }) => atRisk === undefined),
    ),
  ];
}

function problemList(problems: Problem[]): string[] {
  return problems.flatMap(({ what, details, advice }) => [
    `### ${plain(what)}`,
    "",
    ...details.map((line) => `- ${code(line).replaceAll("\\|", "|")}`),
    ...(details.length > 0 ? [""] : []),
    advice.replaceAll(/'([^']+)'/g, (_, command: string) => code(command)),
    "",
  ]);
}

/** A block of text that no line of it can end. */
function fenced(lines: string[], language: string): string[] {
  const longest = Math.max(2, ...lines.flatMap((line) => [...line.matchAll(/`+/g)].map(([ticks]) => ticks.length)));
  const fence = "`".repeat(longest + 1);
  return [`${fence}${language}`, ...lines, fence];
}

/** Unchanged lines that are shown around changed ones. */
const around = 3;

function inFull(of: Difference): string[] {
  const show = (each: unknown) =>
    isUnknown(each) ? "(known later)" : typeof each === "string" ? each : JSON.stringify(each);
  switch (of.kind) {
    case "value":
      return [
        ...(of.before === undefined ? [] : [`- ${of.path}: ${show(of.before)}`]),
        ...(of.after === undefined ? [] : [`+ ${of.path}: ${show(of.after)}`]),
      ];
    case "list":
      return [
        ...of.removed.map((each) => `- ${of.path}: ${show(each)}`),
        ...of.added.map((each) => `+ ${of.path}: ${show(each)}`),
      ];
    case "secret":
      return [`! ${of.path}: another secret`];
    case "text": {
      const isNear = (at: number) =>
        of.lines.slice(Math.max(0, at - around), at + around + 1).some(({ sign }) => sign !== " ");
      const shown = of.lines.flatMap(({ sign, text }, at) =>
        isNear(at) ? [`${sign} ${text}`] : at > 0 && isNear(at - 1) ? ["  …"] : [],
      );
      return [`! ${of.path}`, ...shown];
    }
  }
}

/** Everything of the inputs of something new, which has no other side to compare with. */
function inputs({ after }: Resource): string[] {
  const flat = (from: unknown, path: string): string[] => {
    if (isFields(from)) {
      return Object.entries(from)
        .filter(([key]) => !key.startsWith("__"))
        .flatMap(([key, inner]) => flat(inner, path === "" ? key : `${path}.${key}`));
    }
    const text = isUnknown(from) ? "(known later)" : typeof from === "string" ? from : JSON.stringify(from);
    return text.split("\n").map((line, at) => (at === 0 ? `+ ${path}: ${line}` : `+     ${line}`));
  };
  return flat(after?.inputs ?? {}, "");
}

/** A change with everything that is known of it. */
function section(row: Row, { label, differences, resource }: Item): string[] {
  const title = `${place(row.owner)}${label === undefined ? "" : `, ${label}`}: ${resource.action}`;
  const body = resource.action === "create" ? inputs(resource) : differences.flatMap(inFull);
  return [`#### ${plain(title)}`, "", ...(body.length > 0 ? [...fenced(body, "diff"), ""] : [])];
}

/**
 * A review as GitHub shows it. What does not fit into a comment is left out of the folded part, from its end, and that is said.
 * @param most characters
 */
export function markdown(review: Review, most = limit): string {
  const head = [
    verdict(review),
    "",
    ...problemList(review.problems),
    ...alerts(review.risks),
    ...(review.rows.length > 0 ? [...table(review.rows), ""] : []),
    ...(review.withCluster > 0
      ? [
          `${plural(review.withCluster, "object")} in the cluster ${review.withCluster === 1 ? "is" : "are"} deleted with it.`,
          "",
        ]
      : []),
    ...review.warnings.flatMap((warning) => [`> [!NOTE]`, `> ${plain(warning)}`, ""]),
  ];
  const sections = review.rows.flatMap((row) => row.items.map((each) => section(row, each)));
  const foot =
    review.verdict === "failed"
      ? []
      : [
          `<sub>${plural(review.unchanged, "resource")} stay as they are. Rows with the same number happen at the same time. The same on a desk: ${code(`make review STACK=${review.stack}`)}</sub>`,
        ];
  const opening = ["<details><summary>Everything that differs</summary>", ""];
  const left = (count: number) =>
    count === 0
      ? []
      : [
          `**${plural(count, "part")} of this list ${count === 1 ? "is" : "are"} left out, because GitHub takes no longer comments: ${code(`make preview STACK=${review.stack}`)} shows all.**`,
          "",
        ];
  const closing = ["</details>", ""];
  const size = (lines: string[]) => lines.reduce((sum, line) => sum + line.length + 1, 0);

  const frame = size([...head, ...opening, ...left(sections.length), ...closing, ...foot]);
  let room = most - frame;
  const kept: string[][] = [];
  for (const each of sections) {
    room -= size(each);
    if (room < 0) {
      break;
    }
    kept.push(each);
  }
  const folded =
    sections.length === 0 ? [] : [...opening, ...kept.flat(), ...left(sections.length - kept.length), ...closing];
  return cut([...head, ...folded, ...foot], foot, most, review.stack);
}

/** Lines, and if even they are too many, as many as there is room for, and a word on that. */
function cut(lines: string[], foot: string[], most: number, stack: string): string {
  const text = `${lines.join("\n").trimEnd()}\n`;
  if (text.length <= most) {
    return text;
  }
  const note = [
    "",
    `**The rest is left out, because GitHub takes no longer comments: ${code(`make preview STACK=${stack}`)} shows all.**`,
    "",
    ...foot,
    "",
  ].join("\n");
  const room = most - note.length;
  return `${text.slice(0, text.lastIndexOf("\n", room))}${note}`;
}
