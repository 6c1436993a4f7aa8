import { section } from "./details";
import { leaving, taking } from "./commands";
import { isUnknown, type Difference } from "./differences";
import type { Problem } from "./problems";
import type { Review } from "./review";
import { enumerated, type Risk } from "./risks";
import { compare, type Item, type Row, type Verb } from "./rows";
import { code, component, plain, plural } from "./text";

/** GitHub accepts 65,536 characters in a comment. The rest is for what a workflow says around the review. */
export const limit = 64_000;

/** How a row is headed, and what the first line says of a machine. */
const said: Record<Verb, { heading: string; machine: string }> = {
  deleted: { heading: "**deleted**", machine: "deleted" },
  replaced: { heading: "**replaced**", machine: "replaced" },
  restarted: { heading: "**restarted**", machine: "restarted" },
  upgraded: { heading: "**upgraded**", machine: "upgraded" },
  created: { heading: "created", machine: "created" },
  changed: { heading: "changed in place", machine: "changed in place" },
  issued: { heading: "issued anew", machine: "changed in place" },
  run: { heading: "runs again", machine: "runs steps again" },
  forgotten: { heading: "no longer managed, but left as it is", machine: "no longer managed" },
};

const longestValue = 60;

/** @param from what is before this place is no news */
function value(of: unknown, from = 0): string {
  if (isUnknown(of)) {
    return "(known later)";
  }
  if (of === undefined || of === null) {
    return "(none)";
  }
  const text = typeof of === "string" ? of : JSON.stringify(of);
  const start = text.length > longestValue ? Math.max(0, from - 10) : 0;
  const end = start + longestValue;
  return code(`${start > 0 ? "…" : ""}${text.slice(start, end)}${end < text.length ? "…" : ""}`);
}

/** Where two values begin to differ. */
function firstDifference(before: unknown, after: unknown): number {
  if (typeof before !== "string" || typeof after !== "string") {
    return 0;
  }
  let at = 0;
  while (at < before.length && before[at] === after[at]) {
    at++;
  }
  return at;
}

/** Changed lines of a text that a table shows; of more, it counts them. */
const mostLines = 2;

function difference(of: Difference): string {
  const path = of.path === "" ? "" : `${code(of.path)}: `;
  switch (of.kind) {
    case "value": {
      const from = firstDifference(of.before, of.after);
      return `${path}${value(of.before, from)} → ${value(of.after, from)}`;
    }
    case "list":
      return `${path}${[...of.removed.map((each) => `− ${value(each)}`), ...of.added.map((each) => `+ ${value(each)}`)].join(", ")}`;
    case "text": {
      const changed = of.lines.filter(({ sign }) => sign !== " ");
      if (changed.length <= mostLines) {
        return `${path}${changed.map(({ sign, text }) => `${sign === "+" ? "+" : "−"} ${value(text.trim())}`).join(", ")}`;
      }
      const count = (sign: string) => String(of.lines.filter((line) => line.sign === sign).length);
      return `${path}+${count("+")} −${count("-")} lines`;
    }
    case "secret":
      return `${path}another secret`;
  }
}

/** Differences that a table shows of one thing; the folded part has all. */
const mostShown = 4;

function item({ label, notes, differences, resource }: Item): string {
  // Of what is new, everything is.
  const news = resource.action === "create" ? [] : differences;
  const shown = news.slice(0, mostShown).map(difference);
  const rest = news.length - shown.length;
  const facts = [...notes.map(plain), ...shown, ...(rest > 0 ? [`and ${String(rest)} more`] : [])];
  return [label === undefined ? "" : plain(label), facts.join("; ")].filter(Boolean).join(": ");
}

/** Lines that a row has at most. */
const mostItems = 8;

function items(row: Row): string {
  const steps = row.items.filter(({ resource }) => resource.type === "command:remote:Command");
  const isWhole = row.verb === "created" || row.verb === "replaced";
  // What is made anew runs all of its steps, of which the names are enough.
  const names = isWhole ? [...new Set(steps.flatMap(({ label = taking }) => (label === taking ? [] : [label])))] : [];
  const ran = names.filter((name) => name !== leaving);
  const leaves = row.verb !== "run" && steps.some(({ label }) => label === leaving);
  const isSaid = (each: Item) =>
    isWhole || row.verb === "restarted" || row.verb === "upgraded" || each.label === leaving;
  const others = row.items.filter((each) => !steps.includes(each) || row.verb === "run" || !isSaid(each));
  const speaking = others.filter(({ label, notes, differences }) =>
    label === undefined ? notes.length + differences.length > 0 : true,
  );
  const detailed = speaking.filter(
    ({ label, differences }) => label === undefined || differences.length > 0 || row.verb === "run",
  );
  const named = speaking.filter((each) => !detailed.includes(each)).map(({ label = "" }) => label);
  const all = [
    ...detailed.map(item),
    ...(named.length > 0 ? [counted(named)] : []),
    ...(leaves ? ["leaves the cluster before"] : []),
    ...(row.verb === "upgraded" ? upgrade(row) : []),
    ...(row.verb === "restarted" && steps.length > 0 ? ["emptied before, and taken back when it is Ready"] : []),
    ...(ran.length > 0 ? [`boots, then runs ${enumerated(ran.map(plain))}`] : []),
  ];
  return [
    ...all.slice(0, mostItems),
    ...(all.length > mostItems ? [`and ${String(all.length - mostItems)} more`] : []),
  ].join("<br>");
}

/** From which Kubernetes a machine, or the cluster as a whole, comes to which. */
function upgrade({ owner, items: steps }: Row): string[] {
  const versions = steps.flatMap((step) => step.differences.filter(({ path }) => path === "VERSION"));
  const around = owner.machine === undefined ? "" : "; emptied before, and taken back when it is well";
  return versions.slice(0, 1).map((version) => `Kubernetes ${difference({ ...version, path: "" })}${around}`);
}

/** Kinds by which an object of many is known best. */
const telling = ["Release", "StorageClass", "Deployment", "DaemonSet", "IngressRoute", "Ingress", "Namespace"];

/** Names of one row that are said before the rest is counted. */
const mostNames = 4;

/** `Release consul, Namespace consul, ConfigMap esxi-k8s-release, Secret consul-ca-cert and 6 more`. */
function counted(labels: string[]): string {
  const order = (label: string) => {
    const at = telling.indexOf(label.split(" ")[0] ?? "");
    return at < 0 ? telling.length : at;
  };
  const sorted = [...labels].sort((a, b) => order(a) - order(b) || compare(a, b)).map(plain);
  const rest = sorted.length - mostNames;
  return rest > 1 ? `${sorted.slice(0, mostNames).join(", ")} and ${String(rest)} more` : enumerated(sorted);
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

/**
 * A review as GitHub shows it. What does not fit into a comment is left out of the folded part, from its end, and that is said.
 * @param most characters
 */
export function markdown(review: Review, most = limit): string {
  const { stack, rows, withCluster } = review;
  const head = [
    verdict(review),
    "",
    ...problemList(review.problems),
    ...alerts(review.risks),
    ...(rows.length > 0 ? [...table(rows), ""] : []),
    ...(withCluster > 0
      ? [`${plural(withCluster, "object")} in the cluster ${withCluster === 1 ? "is" : "are"} deleted with it.`, ""]
      : []),
    ...review.warnings.flatMap((warning) => ["> [!NOTE]", `> ${plain(warning)}`, ""]),
  ];
  const foot = review.verdict === "failed" ? [] : [`<sub>${footnotes(review).join(" ")}</sub>`];
  const sections = rows.flatMap((row) => row.items.map((item) => section(row, item)));
  if (sections.length === 0) {
    return size([...head, ...foot]) <= most ? whole([...head, ...foot]) : cut(head, foot, most, stack);
  }
  const folded = (kept: string[][]) => [
    "<details><summary>Everything that differs</summary>",
    "",
    ...kept.flat(),
    ...leftOut(sections.length - kept.length, stack),
    "</details>",
    "",
  ];
  let room = most - size([...head, ...folded([]), ...foot]);
  if (room < 0) {
    return cut(head, foot, most, stack);
  }
  const end = sections.findIndex((lines) => (room -= size(lines)) < 0);
  return whole([...head, ...folded(end < 0 ? sections : sections.slice(0, end)), ...foot]);
}

const size = (lines: string[]) => lines.reduce((sum, line) => sum + line.length + 1, 0);
const whole = (lines: string[]) => `${lines.join("\n").trimEnd()}\n`;

function footnotes({ stack, rows, unchanged }: Review): string[] {
  const order = "Rows are in the order of the work; those of one number do not wait for each other.";
  return [
    ...(rows.length > 0 ? [order] : []),
    `${plural(unchanged, "resource")} ${unchanged === 1 ? "stays as it is" : "stay as they are"}.`,
    `The same on a desk: ${code(`make review STACK=${stack}`)}`,
  ];
}

const because = (stack: string) =>
  `because GitHub takes no longer comments: ${code(`make preview STACK=${stack}`)} shows all.`;

function leftOut(count: number, stack: string): string[] {
  const is = count === 1 ? "is" : "are";
  return count === 0 ? [] : [`**${plural(count, "part")} of this list ${is} left out, ${because(stack)}**`, ""];
}

/** Of a head that leaves no room for more, whole lines, and a word on what is missing. */
function cut(head: string[], foot: string[], most: number, stack: string): string {
  const note = whole(["", `**The rest is left out, ${because(stack)}**`, "", ...foot]);
  const text = whole(head);
  const room = most - note.length;
  return `${text.length <= room ? text : text.slice(0, text.lastIndexOf("\n", room - 1) + 1)}${note}`;
}
