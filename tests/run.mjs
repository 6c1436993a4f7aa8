// Runs suites of tests and ends with `N passed, N failed`: run.mjs SUITE..., which are below
// A suite that could not run at all counts as failed; nothing is ever skipped.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

const results = [];

/** One command as one test. */
function check(name, command, env = {}) {
  console.log(`\n==> ${name}`);
  const { status, error } = spawnSync("bash", ["-c", command], { stdio: "inherit", env: { ...process.env, ...env } });
  if (error) console.error(error.message);
  results.push({ name, passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 });
  return status === 0;
}

/** A vitest project, or one of its files; its tests are counted one by one. */
function vitest(project, file = "", env = {}) {
  const name = file || project;
  console.log(`\n==> ${name} tests`);
  const report = `artifacts/${name}.json`;
  mkdirSync("artifacts", { recursive: true });
  rmSync(report, { force: true });
  const { status } = spawnSync(
    "npx",
    [
      "vitest",
      "run",
      "--project",
      project,
      file,
      "--reporter=verbose",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ],
    { stdio: "inherit", env: { ...process.env, ...env } },
  );
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : {};
  const { numPassedTests: passed = 0, numFailedTests: failed = 0, numPendingTests: pending = 0 } = counts;
  // A hook that fails leaves its tests pending, and a file that does not load has none: both are failures.
  const silent = status !== 0 && failed + pending === 0 ? 1 : 0;
  results.push({ name: `${name} tests`, passed, failed: failed + pending + silent, failures: failuresIn(counts) });
}

/** What failed, to be read at the end of a long output: each test, with what it said in at most 20 lines. */
function failuresIn({ testResults = [] }) {
  const said = (message) => {
    // What was printed stands in one line of the message.
    const lines = stripVTControlCharacters(message).trim().replaceAll("\\n", "\n").split("\n");
    const own = lines.filter((line) => !/^\s+at .*(node_modules|node:|new Promise)/.test(line));
    return own.length > 20 ? [...own.slice(0, 5), "…", ...own.slice(-14)] : own;
  };
  const of = (title, messages) => [title, ...messages.flatMap(said).map((line) => `  ${line}`)];
  return testResults.flatMap(({ name, message, assertionResults }) => [
    ...(message ? of(name, [message]) : []),
    ...assertionResults.flatMap(({ status, fullName, failureMessages }) => {
      if (status === "failed") return of(fullName, failureMessages);
      return status === "passed" ? [] : [`${fullName}: did not run, because something before it failed`];
    }),
  ]);
}

const shellScripts =
  'git ls-files -co --exclude-standard | while read -r f; do [ -f "$f" ] && { [[ $f == *.sh ]] || head -c 60 "$f" | grep -qaE \'^#!.*bash\'; } && echo "$f"; done';

// What takes minutes where it is not in the cache, so that the tests' own limits need not allow for it.
const prepared =
  "sim/prepare chromium:chromium growpart:cloud-guest-utils sfdisk:fdisk mkfs.xfs:xfsprogs && sim/toolchain/build && sim/earlier/build && sim/depot/build >/dev/null && sim/depot/build earlier >/dev/null";

function long(name, env, more = "true") {
  if (check("the tool chain, packages and images, and the browser", `${prepared} && ${more}`))
    vitest("long", name, env);
}

const suites = {
  unit: () => vitest("unit"),
  lint: () => {
    // Types come from the vSphere SDK, which is generated; shellcheck is a package of the machine, which takes root to install.
    const needed =
      "sim/toolchain/build bridged actionlint && sim/tools --sdk && { command -v shellcheck >/dev/null || sim/prepare; }";
    if (!check("the tools that the checks need", needed)) return;
    check("types", "npx tsc --noEmit --noCheck false");
    check("ESLint", "npx eslint .");
    check("rooms and circles", "npm run --silent rooms");
    check("Prettier", "npx prettier --check --log-level warn .");
    check("shellcheck", `${shellScripts} | xargs shellcheck --external-sources`);
    check("actionlint", '"$(sim/toolchain/build --print actionlint)/actionlint" -color');
  },
  toolchain: () => {
    // Vetted and compiled with what they test, since Go's caches are gone by now.
    check("tests of the tool chain's own code", "sim/toolchain/build --test");
  },
  charts: () => {
    if (check("Helm and where definitions are from", "sim/toolchain/build helm traefik && tools/snapshot-definitions"))
      vitest("charts");
  },
  e2e: () => {
    if (check("the tool chain, packages and images, and the browser", prepared)) vitest("e2e");
  },
  // Longer ones, each by a target of its own: SEED, FROM and RUNS say which cases.
  creation: () => long("creation"),
  destroy: () => long("destroy"),
  frontend: () => long("frontend"),
  faults: () => long("faults"),
  members: () => {
    long("members", { RUNS: process.env.RUNS ?? "20" });
    long("frontend", { FROM: "1", RUNS: "2" });
  },
  upgrade: () => long("upgrade", { RUNS: process.env.RUNS ?? "4" }),
  releases: () => long("releases", {}, "sim/previous/build && sim/depot/build previous >/dev/null"),
  volumes: () => long("volumes"),
  restore: () => long("restore"),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in suites));
if (wanted.length === 0 || unknown.length > 0) {
  console.error(`unknown suite ${unknown.join(", ")}; choose from ${Object.keys(suites).join(", ")}`);
  process.exit(2);
}
if (!check("npm packages", "make --no-print-directory node_modules")) {
  process.exitCode = 1;
} else {
  results.length = 0;
  for (const name of wanted) suites[name]();
}

console.log("");
for (const { name, passed, failed, failures = [] } of results) {
  console.log(
    `${failed > 0 ? "FAILED" : "ok    "}  ${name}${passed + failed > 1 ? `: ${passed} passed, ${failed} failed` : ""}`,
  );
  for (const line of failures) console.log(`        ${line}`);
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
const failed = sum("failed");
if (failed > 0) process.exitCode = 1;
const summary = `${sum("passed")} passed, ${failed} failed`;
mkdirSync("artifacts", { recursive: true });
writeFileSync("artifacts/summary", `${summary}\n`);
console.log(summary);
