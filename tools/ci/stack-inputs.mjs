// Which files of the repository the program loads for a stack, one a line; a folder that it lists ends with a slash:
// stack-inputs.mjs STACK
// The program says so itself: it runs here against mocks, without the stack's secrets, and what it opens is written down.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import Module, { createRequire } from "node:module";
import { join, relative, resolve } from "node:path";
import process, { argv, chdir, execPath, exit } from "node:process";

const require = createRequire(import.meta.url);
const root = join(import.meta.dirname, "..", "..");
const stack = argv[2];
const stackFile = `Pulumi.${stack}.yaml`;
// Where Pulumi runs the program.
chdir(root);
if (!fs.existsSync(stackFile)) {
  console.error(`error: stack ${stack} has no file ${stackFile}: correct the name, or add the file`);
  exit(1);
}

const inputs = new Set();

/** Writes down a file, which need not be there, or a folder with all that is in it. */
function note(path, suffix = "") {
  const file = relative(root, resolve(path));
  if (/(^|\/)(node_modules|sdks)\//.test(file)) {
    // Packages are what the lock file says, and the vSphere provider's SDK is what Pulumi.yaml says.
    inputs.add("package.json").add("package-lock.json");
  } else if (!/^$|^\.\.|^node:/.test(file)) {
    inputs.add(file + suffix);
  }
}

const isFile = (path) => fs.lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

function watch(names, suffix) {
  for (const holder of [fs, fs.promises]) {
    for (const name of names.filter((known) => known in holder)) {
      const original = holder[name];
      holder[name] = function (path, ...rest) {
        if (typeof path === "string") note(path, suffix);
        return original.call(this, path, ...rest);
      };
    }
  }
}
watch(["readFileSync", "readFile", "createReadStream", "openSync", "open", "existsSync", "statSync", "stat"]);
watch(["readdirSync", "readdir", "opendirSync", "opendir"], "/");

const pulumi = require("@pulumi/pulumi");
const { parse } = require("yaml");
const { name: project } = parse(fs.readFileSync("Pulumi.yaml", "utf8"));

/** Stands in for the vSphere provider's SDK, which a plugin makes: resources, and answers that nobody knows yet. */
const vsphere = new Proxy(
  { __esModule: true },
  {
    get(known, name) {
      if (name in known) return known[name];
      if (/^get[A-Z]/.test(name)) return () => pulumi.output(pulumi.unknown);
      return name === "Provider"
        ? class extends pulumi.ProviderResource {
            constructor(resource, args, options) {
              super("vsphere", resource, {}, options);
            }
          }
        : class extends pulumi.CustomResource {
            constructor(resource, args, options) {
              super(`vsphere:index:${name}`, resource, args, options);
            }
          };
    },
  },
);
const load = Module._load;
Module._load = function (request, ...rest) {
  return request === "@pulumi/vsphere" ? vsphere : load.call(this, request, ...rest);
};

/** The stack's configuration as Pulumi hands it over; a secret is some text. */
function configuration() {
  const { config = {} } = parse(fs.readFileSync(stackFile, "utf8")) ?? {};
  const secrets = Object.keys(config).filter((key) => config[key]?.secure !== undefined);
  const values = { ...config, ...Object.fromEntries(secrets.map((key) => [key, "a secret"])) };
  // Of a key it is asked whether it belongs to its certificate, and a program that refuses its configuration loads no further.
  const [ingress, ingressKey] = [`${project}:ingress`, `${project}:ingressCertificateKey`];
  if (secrets.includes(ingressKey) && values[ingress]?.certificate) {
    const input = JSON.stringify({ commonName: "stands in", days: 2 });
    const { certificate, key } = JSON.parse(
      execFileSync(execPath, ["pki/issue.mjs"], { input, encoding: "utf8", stdio: "pipe" }),
    );
    values[ingress] = { ...values[ingress], certificate };
    values[ingressKey] = key;
  }
  const texts = Object.entries(values).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return [Object.fromEntries(texts), secrets];
}

/** A command of the stack's may run a file of the repository. */
function noteCommand({ create, update, delete: remove }) {
  for (const word of [create, update, remove].join(" ").split(/\s+/)) {
    if (isFile(word)) note(word);
  }
}

function refused(error) {
  console.error(
    `note: the program ends early for stack ${stack}; what it loaded until then counts: ${error.message.split("\n")[0]}`,
  );
}

await pulumi.runtime.setMocks(
  {
    // Of what the stack holds the engine says nothing here, as before it is made.
    call: ({ token }) => (token === "pulumi:pulumi:readStackResourceOutputs" ? { outputs: {} } : {}),
    newResource: ({ type, inputs: properties }) => {
      if (type === "command:local:Command") noteCommand(properties);
      return { id: undefined, state: properties };
    },
  },
  project,
  stack,
  true,
);
pulumi.runtime.setAllConfig(...configuration());
process.on("unhandledRejection", refused);
try {
  require("ts-node").register({ transpileOnly: true, cwd: root });
  await require(join(root, parse(fs.readFileSync("Pulumi.yaml", "utf8")).main))();
  await pulumi.runtime.disconnect();
} catch (error) {
  refused(error);
}
Object.keys(require.cache).forEach((file) => note(file));
// Its own part in this is none of the program's.
inputs.delete(relative(root, import.meta.filename));
console.log([...inputs].sort().join("\n"));
exit(0);
