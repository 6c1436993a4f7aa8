import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

export type Chart =
  | "consul"
  | "csi-driver-nfs"
  | "csi-driver-smb"
  | "snapshot-crds"
  | "traefik"
  | "traefik-crds"
  | "vsphere-cpi"
  | "vsphere-csi";
export type Values = Record<string, unknown>;

/** An object of Kubernetes, as far as tests look into it. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec?: Record<string, unknown>;
  data?: Record<string, string>;
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

const root = join(__dirname, "..", "..");

/** Where the tool chain puts Helm; `HELM` names another one. */
const helm =
  process.env.HELM ??
  join(spawnSync("sim/toolchain/build", ["--print", "helm"], { cwd: root, encoding: "utf8" }).stdout.trim(), "helm");

/** Runs a command of Helm on a chart with values; its exit code and everything it printed. */
export function runHelm(command: string[], chart: Chart, values: Values): { code: number | null; text: string } {
  const folder = mkdtempSync(join(tmpdir(), "esxi-k8s-"));
  const file = join(folder, "values.json");
  writeFileSync(file, JSON.stringify(values));
  const args = [...command, join(root, "charts", chart), "--namespace", chart, "--values", file];
  const { status, stdout, stderr, error } = spawnSync(helm, args, { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  if (error) {
    throw new Error(`${helm} cannot be run (${error.message}): build it with sim/toolchain/build helm`);
  }
  return { code: status, text: stdout + stderr };
}

/** The text that a chart renders to, in the order of Helm. */
export function renderText(chart: Chart, values: Values): string {
  const { code, text } = runHelm(["template", chart], chart, values);
  if (code !== 0) {
    throw new Error(text);
  }
  return text;
}

/** The objects that a chart renders to. */
export function render(chart: Chart, values: Values): KubernetesObject[] {
  return parseAllDocuments(renderText(chart, values))
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
}

/** What Helm says to values that it refuses. */
export function refusal(chart: Chart, values: Values): string {
  const { code, text } = runHelm(["template", chart], chart, values);
  if (code === 0) {
    throw new Error(`the values were accepted: ${JSON.stringify(values)}`);
  }
  return text;
}
