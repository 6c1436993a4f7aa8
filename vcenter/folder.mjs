// The vCenter folder that holds the machines of a stack and no others:
//   folder.mjs ready     makes it, and frees the names of the machines in CLONES from what an interrupted run left there
//   folder.mjs remove    removes what is there of the machines in MACHINES, dead or alive, and then the folder
// A resource of the stack runs it. Standard input is { server, user, password, allowUnverifiedSsl, datacenter, folder } as JSON; the
// environment holds MACHINES, CLONES, HELD, the machines that the stack holds, as NAME=UUID, and TURNS, those of them that it makes anew,
// as NAME,NAME=N for N at a time. What `ready` prints is kept in the state and handed to the next run in PULUMI_COMMAND_STDOUT:
// { folder, parents }, the ids of what this stack made. Failures are printed to standard output, because an error of the resource quotes
// it; what people may follow goes to standard error.
import { text } from "node:stream/consumers";
import { Fault, reference, same, withVCenter } from "./client.mjs";
import { judge } from "./leftovers.mjs";

const tasks = { ready, remove };
const { MACHINES, CLONES, HELD, TURNS, PULUMI_COMMAND_STDOUT: before } = process.env;
const settings = JSON.parse(await text(process.stdin));
const words = (line = "") => line.split(" ").filter((word) => word);
const again = "then run pulumi up again";

try {
  await withVCenter(settings, tasks[process.argv[2]]);
} catch (error) {
  console.log(error.message);
  process.exitCode = 1;
}

async function ready(vcenter) {
  const root = await rootFolder(vcenter);
  const known = before && JSON.parse(before);
  const own = known && (await vcenter.properties(reference("Folder", known.folder), "name"));
  const { folder, parents } = own ? await unchanged(vcenter, known) : await made(vcenter, root);
  await freeNames(vcenter, root, folder);
  console.log(JSON.stringify({ folder: folder.id, parents }));
}

async function rootFolder(vcenter) {
  const { vmFolder } = (await vcenter.properties(reference("Datacenter", settings.datacenter), "vmFolder")) ?? {};
  if (!vmFolder) {
    throw new Error(`vCenter has no datacenter ${settings.datacenter} any more: correct vcenter.datacenter, ${again}`);
  }
  return vmFolder;
}

/** The folder that the stack has already. */
async function unchanged(vcenter, { folder: id, parents }) {
  const folder = reference("Folder", id);
  const path = await vcenter.path(folder);
  if (path !== settings.folder) {
    throw new Error(
      `the stack's folder is ${path}, and vcenter.folder says ${settings.folder}: rename or move the folder in vCenter, or take ` +
        `the change back, ${again}`,
    );
  }
  return { folder, parents };
}

/** The folder that the stack gets, with those that it is in. */
async function made(vcenter, root) {
  const names = settings.folder.split("/");
  const parents = [];
  let folder = root;
  let isNew = false;
  for (const [index, name] of names.entries()) {
    const path = names.slice(0, index + 1).join("/");
    const found = await vcenter.child(folder, name);
    if (found && found.type !== "Folder") {
      throw new Error(`${path} is no folder: choose another vcenter.folder, ${again}`);
    }
    isNew = !found;
    folder = found ?? (await makeFolder(vcenter, folder, name));
    if (isNew && index < names.length - 1) {
      parents.push(folder.id);
    }
  }
  const children = isNew ? [] : await childNames(vcenter, folder);
  if (children.length > 0) {
    // Another stack's, perhaps one whose state was lost: nothing tells its machines from what an interrupted run left.
    throw new Error(
      `the folder ${settings.folder} was there before this stack, and holds ${some(children)}: empty it, or choose another ` +
        `vcenter.folder, ${again}`,
    );
  }
  return { folder, parents };
}

async function makeFolder(vcenter, parent, name) {
  try {
    const { "#text": id } = await vcenter.call(parent, "CreateFolder", { name });
    return reference("Folder", id);
  } catch (error) {
    // Another stack was faster.
    const found = error instanceof Fault && error.kind === "DuplicateName" && (await vcenter.child(parent, name));
    if (!found) {
      throw new Error(
        `cannot make the folder ${name} in ${(await vcenter.path(parent)) || "the datacenter"}: ${error.message}`,
        { cause: error },
      );
    }
    return found;
  }
}

async function freeNames(vcenter, root, folder) {
  const clones = words(CLONES);
  if (clones.length === 0) {
    return;
  }
  const { removable, reasons } = judge(
    await machinesNamed(vcenter, root, folder, clones),
    Object.fromEntries(words(HELD).map((machine) => machine.split("="))),
    await vcenter.now(),
    words(TURNS).map((turn) => {
      const [names, atOnce] = turn.split("=");
      return { names: names.split(","), atOnce: Number(atOnce) };
    }),
  );
  if (reasons.length > 0) {
    throw new Error(`${reasons.join("\n")}\nnothing was changed: mend that, ${again}`);
  }
  await all(removable, async (machine) => {
    await removeMachine(vcenter, machine);
    console.error(`removed ${machine.path}, which an interrupted run had left`);
  });
}

async function remove(vcenter) {
  const { folder: id, parents } = JSON.parse(before);
  const folder = reference("Folder", id);
  const machines = await machinesNamed(vcenter, await rootFolder(vcenter), folder, words(MACHINES));
  await all(
    machines.filter(({ inFolder, template }) => inFolder && !template),
    (machine) => removeMachine(vcenter, machine),
  );
  for (const each of [id, ...[...parents].reverse()].map((one) => reference("Folder", one))) {
    const children = await childNames(vcenter, each);
    if (children === undefined) {
      continue;
    }
    const path = await vcenter.path(each);
    if (children.length > 0) {
      console.error(`the folder ${path} stays, because it holds ${some(children)}`);
      break;
    }
    await vcenter.run(each, "Destroy_Task").catch((error) => {
      throw new Error(`cannot remove the folder ${path}: ${error.message}`, { cause: error });
    });
  }
  const elsewhere = machines.filter(({ inFolder }) => !inFolder);
  if (elsewhere.length > 0) {
    throw new Error(
      `${some(elsewhere.map(({ path }) => path))}: outside of the stack's folder and left alone; move what is this stack's back ` +
        `into ${settings.folder}, rename what is not, then run pulumi destroy again`,
    );
  }
}

/** All machines of the datacenter that have one of some names. */
async function machinesNamed(vcenter, root, folder, names) {
  const all = await vcenter.below(root, "VirtualMachine", "name", "parent");
  return Promise.all(
    all
      .filter(({ name }) => names.includes(name))
      .map(async ({ self, name, parent }) => {
        const inFolder = same(parent, folder);
        // A machine that is just being cloned has no configuration yet.
        if (inFolder) {
          await vcenter.settled(self);
        }
        const paths = ["config.uuid", "config.template", "config.createDate", "runtime.powerState"];
        const found = (await vcenter.properties(self, ...paths)) ?? {};
        const [uuid, template, createDate, powerState] = paths.map((path) => found[path]);
        const path = await vcenter.path(self);
        return { self, name, path, inFolder, uuid, template: template === "true", createDate, powerState };
      }),
  );
}

/** Works on all at once and to the end, and fails with everything that failed. */
async function all(things, work) {
  const failures = (await Promise.allSettled(things.map(work))).flatMap(({ reason }) => reason?.message ?? []);
  if (failures.length > 0) {
    throw new Error(failures.join("\n"));
  }
}

async function removeMachine(vcenter, { self, path, powerState }) {
  try {
    // There is nothing on it that a guest would have to save.
    if (powerState !== "poweredOff") {
      await vcenter.run(self, "PowerOffVM_Task");
    }
    await vcenter.run(self, "Destroy_Task");
  } catch (error) {
    // Somebody else was faster.
    if (error.kind !== "ManagedObjectNotFound") {
      throw new Error(`cannot remove ${path}: ${error.message}`, { cause: error });
    }
  }
}

/** Names of what is in a folder; undefined when there is no such folder. */
async function childNames(vcenter, folder) {
  const { childEntity } = (await vcenter.properties(folder, "childEntity")) ?? {};
  const children = await Promise.all((childEntity ?? []).map((child) => vcenter.properties(child, "name")));
  return childEntity && children.flatMap((child) => (child ? [child.name] : []));
}

function some(names) {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
