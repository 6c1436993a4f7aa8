import { join } from "node:path";
import { expect, it } from "vitest";
import { stringify } from "yaml";
import { renderText, type Chart, type Values } from "../charts/render";
import { readYaml, validConfig, vary, type RawConfig } from "../support/configs";
import { runProgram, type Declared } from "../support/recorder";
import { attempt, inLab, kubectl, temporaryFile } from "./support/lab";

const releases: Record<string, string> = {
  "csi-driver-nfs": "storage-nfs-driver",
  "csi-driver-smb": "storage-smb-driver",
  "vsphere-cpi": "cloud-provider",
  "vsphere-csi": "storage-vsphere-driver",
};

/** What the program declares, as kubectl takes it. */
function manifests(declared: Declared[]): string {
  return declared
    .map(({ type, inputs }) => {
      const [, apiVersion = "", kind] = type.split(":");
      return stringify({ apiVersion: apiVersion.replace(/^core\//, ""), kind, ...inputs });
    })
    .join("---\n");
}

/** Drivers of which the lab has no image: the API server says whether it would take what the program declares for them. */
export function describeDrivers(): void {
  it("would find their datastores and policies in vCenter, or say which login or name is wrong", async () => {
    const account = {
      server: "10.20.0.2",
      user: "administrator@vsphere.local",
      password: await inLab("pulumi", "config", "get", "vcenterPassword", "--stack", "sim"),
      allowUnverifiedSsl: true,
      datacenter: "lab",
      datastores: ["esxi-1-local", "esxi-2-local"],
      // One that vCenter comes with.
      policies: ["vSAN Default Storage Policy"],
    };
    const look = async (change: Partial<typeof account>) => {
      const file = await temporaryFile(JSON.stringify({ ...account, ...change }));
      return attempt("sim/enter", ["bash", "-c", `node vcenter/storage.mjs <${file}`]);
    };
    const found = await look({});
    expect(found.code, found.stdout).toBe(0);
    expect(Object.keys(JSON.parse(found.stdout) as object)).toEqual(account.datastores);
    expect(Object.values(JSON.parse(found.stdout) as object)).not.toContain(undefined);

    const refused = await look({ password: "wrong" });
    expect(refused).toMatchObject({
      code: 1,
      stdout: `vCenter at 10.20.0.2 refuses ${account.user}: correct storage.vcenter.user or storageVcenterPassword\n`,
    });
    const unknown = await look({ datastores: ["esxi-1-local", "san"] });
    expect(unknown).toMatchObject({
      code: 1,
      stdout:
        `vCenter has no datastore san that ${account.user} sees: there are esxi-1-local, esxi-2-local; correct storage.classes, ` +
        "then run pulumi up again\n",
    });
    const { code, stdout } = await look({ policies: ["gold"] });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^vCenter has no storage policy gold that .* sees: there are .*vSAN Default Storage Policy/);
  });

  it("would be taken by the API server, with classes of every type", async () => {
    const example = join(__dirname, "..", "fixtures", "valid", "storage-of-every-type.yaml");
    const { change } = readYaml(example) as { change: RawConfig };
    const recording = await runProgram(vary(validConfig(), vary(change, { storage: { drivers: null } })));
    const dryRun = async (text: string, ...options: string[]) =>
      kubectl("apply", "--server-side", "--dry-run=server", ...options, "--filename", await temporaryFile(text));

    for (const [chart, release] of Object.entries(releases)) {
      const namespace = {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: chart, labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
      };
      await kubectl("apply", "--filename", await temporaryFile(stringify(namespace)));
      const text = renderText(chart as Chart, recording.release(release).inputs.values as Values);
      const taken = await dryRun(text);
      expect(taken.split("\n")).toHaveLength([...text.matchAll(/^kind: /gm)].length);
      expect(taken).not.toContain("Warning");
      await kubectl("delete", "namespace", chart, "--wait=false");
    }

    // Classes of snapshots are known to an API server that has the definitions, which it takes for good here.
    const definitions = await temporaryFile(renderText("snapshot-crds", {}));
    expect((await kubectl("apply", "--server-side", "--filename", definitions)).split("\n")).toHaveLength(3);
    await kubectl("wait", "--for=condition=Established", "--timeout=60s", "--filename", definitions);
    for (const [kind, count] of [
      ["StorageClass", 6],
      ["VolumeSnapshotClass", 4],
    ] as const) {
      expect((await dryRun(manifests(recording.ofType(kind)))).split("\n")).toHaveLength(count);
    }

    const { urn } = recording.get("VolumeSnapshots", "storage-snapshots");
    const namespace = recording.get("Namespace", "storage-snapshots-namespace");
    const controller = recording.resources.filter(
      ({ type, parent }) => parent === urn && /:(Deployment|ServiceAccount|(Cluster)?Role(Binding)?)$/.test(type),
    );
    await kubectl("apply", "--filename", await temporaryFile(manifests([namespace])));
    // The API server warns of pods that ask for more than their namespace gives.
    expect((await dryRun(manifests(controller), "--warnings-as-errors")).split("\n")).toHaveLength(8);
    await kubectl("delete", "namespace", "snapshot-controller", "--wait=false");
    await kubectl("delete", "--filename", definitions);
  });
}
