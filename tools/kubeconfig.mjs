// Brings a stack's kubeconfig to where kubectl looks for it, beside what is there: kubeconfig.mjs STACK [--out FILE] [--context NAME]
// Cluster, user and context have one name there, by default the stack's. The file `-` is standard output.
import * as fs from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { env, exit, pid } from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { parse, parseDocument } from "yaml";
import { z } from "zod";
import { outputs } from "./outputs.mjs";

/** What a person has to do something about. */
class Refusal extends Error {}

const elsewhere = "or choose another file with OUT=FILE";

const entries = z.array(z.looseObject({ name: z.string() })).nullish();
const kubeconfig = z.looseObject({
  kind: z.literal("Config"),
  clusters: entries,
  users: entries,
  contexts: entries,
  "current-context": z.string().nullish(),
});

/** The file with its comments; an empty document when there is none. */
function read(file) {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found && !fs.lstatSync(file, { throwIfNoEntry: false })) return parseDocument("");
  if (!found) throw new Refusal(`${file} is a link to what is not there: make that or delete the link, ${elsewhere}`);
  // A device or a pipe would be replaced by a file.
  if (!found.isFile()) throw new Refusal(`${file} is not a file: choose one with OUT=FILE, or OUT=- to print`);
  const document = parseDocument(fs.readFileSync(file, "utf8"));
  const [mistake] = document.errors;
  if (mistake) throw new Refusal(`${file} is not YAML: ${mistake.message.split("\n")[0]} Mend it, ${elsewhere}`);
  if (document.contents && !kubeconfig.safeParse(document.toJS()).success) {
    throw new Refusal(`${file} holds something other than a kubeconfig: move it away, ${elsewhere}`);
  }
  return document;
}

/** The entries of that name. */
function find(document, name) {
  const named = (list) => document.toJS()?.[list]?.find((entry) => entry.name === name);
  return { cluster: named("clusters")?.cluster, user: named("users")?.user, context: named("contexts")?.context };
}

/** Adds a cluster, or renews it. What people set for its context, such as a namespace or another user, stays. */
function merge(document, name, own, file) {
  const { cluster, user, context } = find(document, name);
  // One that was built anew has another authority; one that moved, another address.
  const same = ["server", "certificate-authority-data"].some((key) => cluster?.[key] === own.cluster[key]);
  if (cluster ? !same : user && !context) throw taken(name, file);
  if (context && context.cluster !== name) throw taken(name, file);

  document.contents ??= document.createNode({ apiVersion: "v1", kind: "Config" });
  put(document, "clusters", { name, cluster: { ...cluster, ...own.cluster } });
  put(document, "users", { name, user: own.user });
  put(document, "contexts", { name, context: { user: name, ...context, cluster: name } });
}

function taken(name, file) {
  const choice = "choose another name with CONTEXT=NAME, or delete that entry with kubectl config";
  return new Refusal(`${file} has an entry ${name} that belongs to another cluster: ${choice}`);
}

function put(document, list, entry) {
  const present = document.toJS()[list] ?? [];
  if (present.length === 0) document.set(list, document.createNode([]));
  const index = present.findIndex(({ name }) => name === entry.name);
  document.setIn([list, index < 0 ? present.length : index], document.createNode(entry));
}

const text = (document) => document.toString({ indentSeq: false, lineWidth: 0 });

/** Changes a file while no other does: kubectl holds the same lock when it writes one. */
async function change(file, work) {
  fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lock = `${file}.lock`;
  for (const start = Date.now(); ; await setTimeout(50)) {
    try {
      fs.closeSync(fs.openSync(lock, "wx", 0o600));
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (Date.now() - start > 5000) {
        throw new Refusal(`${lock} is there: somebody is writing ${file}; if nobody is, delete the lock`);
      }
    }
  }
  try {
    const document = read(file);
    work(document);
    replace(file, text(document));
  } finally {
    fs.rmSync(lock);
  }
}

/** Whoever reads the file sees the old or the new one, and nobody but its owner ever sees either. */
function replace(file, content) {
  const old = fs.statSync(file, { throwIfNoEntry: false });
  if (old) fs.accessSync(file, fs.constants.W_OK);
  // Not the link that leads to it.
  const target = old ? fs.realpathSync(file) : file;
  const temporary = `${target}.${pid}`;
  const handle = fs.openSync(temporary, "wx", 0o600);
  try {
    fs.writeFileSync(handle, content);
    if (old && old.uid !== fs.fstatSync(handle).uid) fs.fchownSync(handle, old.uid, old.gid);
    fs.fsyncSync(handle);
    fs.renameSync(temporary, target);
  } catch (error) {
    fs.rmSync(temporary);
    throw error;
  } finally {
    fs.closeSync(handle);
  }
}

async function run(stack, { out, context: name = stack.split("/").at(-1) }) {
  const values = outputs(stack, { secrets: true });
  if (!values.kubeconfig) {
    throw new Refusal(`stack ${stack} has no kubeconfig yet: run make up STACK=${stack} to its end first`);
  }
  const { clusters, users } = parse(values.kubeconfig);
  const own = { cluster: clusters[0].cluster, user: users[0].user };
  if (out === "-") {
    const document = parseDocument("");
    merge(document, name, own, out);
    document.set("current-context", name);
    process.stdout.write(text(document));
    return;
  }

  // Of several files kubectl changes the one that has the entry, or else the first one that is there.
  const named = out ? [out] : (env.KUBECONFIG ?? "").split(delimiter).filter(Boolean);
  const files = (named.length > 0 ? named : [join(homedir(), ".kube", "config")]).map((file) => resolve(file));
  const file =
    files.find((each) => Object.values(find(read(each), name)).some(Boolean)) ??
    files.find(fs.existsSync) ??
    files.at(-1);
  let current;
  await change(file, (document) => {
    merge(document, name, own, file);
    current = files.map((each) => read(each).get("current-context")).find(Boolean);
    if (!current) document.set("current-context", (current = name));
  });
  const use = current === name ? "which is the current one" : `to be used with: kubectl --context ${name}`;
  console.log(`${file} has the context ${name}, ${use}`);
}

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string" }, context: { type: "string" } },
});
try {
  await run(positionals[0], options);
} catch (error) {
  // What the file system refuses says where.
  if (!(error instanceof Refusal) && !error.syscall) throw error;
  console.error(`error: ${error.message}${error.syscall ? `: let it be written, ${elsewhere}` : ""}`);
  exit(1);
}
