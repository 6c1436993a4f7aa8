// Finds datastores and storage policies in vCenter, as the account that the storage drivers use: a resource of the stack runs it.
// Standard input is { server, user, password, allowUnverifiedSsl, datacenter, datastores, policies } as JSON, with names. Prints the URL of
// each datastore by its name as JSON. Failures are printed to standard output, because an error of the resource quotes it.
import { text } from "node:stream/consumers";
import { withVCenter } from "./client.mjs";

const settings = JSON.parse(await text(process.stdin));
const again = "then run pulumi up again";

try {
  await withVCenter(
    settings,
    async (vcenter) => {
      const found = await urls(vcenter);
      if (settings.policies.length > 0) {
        expectAll("storage policy", settings.policies, await vcenter.policies());
      }
      console.log(JSON.stringify(found));
    },
    "storage.vcenter.user or storageVcenterPassword",
  );
} catch (error) {
  console.log(error.message);
  process.exitCode = 1;
}

async function urls(vcenter) {
  const datacenters = await vcenter.below(vcenter.content.rootFolder, "Datacenter", "name", "datastoreFolder");
  const datacenter = datacenters.find(({ name }) => name === settings.datacenter);
  if (!datacenter) {
    throw new Error(
      `${settings.user} sees no datacenter ${settings.datacenter}: give it the privileges that docs/storage.md lists, or correct ` +
        `vcenter.datacenter, ${again}`,
    );
  }
  const all = await vcenter.below(datacenter.datastoreFolder, "Datastore", "name", "summary.url");
  const known = new Map(all.map((datastore) => [datastore.name, datastore["summary.url"]]));
  expectAll("datastore", settings.datastores, [...known.keys()]);
  return Object.fromEntries(settings.datastores.map((name) => [name, known.get(name)]));
}

function expectAll(what, wanted, known) {
  const missing = wanted.filter((name) => !known.includes(name));
  if (missing.length > 0) {
    throw new Error(
      `vCenter has no ${what} ${missing.join(" and no ")} that ${settings.user} sees: there ` +
        `${known.length === 1 ? "is" : "are"} ${[...known].sort().join(", ") || "none"}; correct storage.classes, ${again}`,
    );
  }
}
