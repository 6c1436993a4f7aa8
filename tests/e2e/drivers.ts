import { join } from "node:path";
import { expect, it } from "vitest";
import { stringify } from "yaml";
import { renderText, type Chart, type Values } from "../charts/render";
import { readYaml, validConfig, vary, type RawConfig } from "../support/configs";
import { runProgram } from "../support/recorder";
import { kubectl, temporaryFile } from "./support/lab";

const releases: Record<string, string> = {
  "csi-driver-nfs": "storage-nfs-driver",
  "csi-driver-smb": "storage-smb-driver",
  "vsphere-cpi": "cloud-provider",
  "vsphere-csi": "storage-vsphere-driver",
};

/** Drivers of which the lab has no image: the API server says whether it would take what the program declares for them. */
export function describeDrivers(): void {
  it("would be taken by the API server, with classes of every type", async () => {
    const example = join(__dirname, "..", "fixtures", "valid", "storage-of-every-type.yaml");
    const { change } = readYaml(example) as { change: RawConfig };
    const recording = await runProgram(vary(validConfig(), vary(change, { storage: { drivers: null } })));
    const dryRun = async (text: string) =>
      kubectl("apply", "--server-side", "--dry-run=server", "--filename", await temporaryFile(text));

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

    const classes = recording
      .ofType("StorageClass")
      .map(({ inputs }) => ({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", ...inputs }));
    const taken = await dryRun(classes.map((each) => stringify(each)).join("---\n"));
    expect(taken.split("\n")).toHaveLength(6);
  });
}
