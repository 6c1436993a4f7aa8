import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { isObject, type Document } from "../render/merge";
import type { Problem } from "./problem";
import type { StackConfig } from "./schema";
import { hasType } from "./storage";

type Section = "consul" | "ingress" | "nfs" | "smb";

/** Charts of this project by the section whose values they get. */
const charts: Record<Section, string> = {
  consul: "consul",
  ingress: "traefik",
  nfs: "csi-driver-nfs",
  smb: "csi-driver-smb",
};

/** Where the configuration has what a section's chart gets. */
function sections({ consul, ingress, storage }: StackConfig): Record<Section, Release> {
  const driver = (type: "nfs" | "smb"): Release => ({
    path: `storage.drivers.${type}`,
    enabled: hasType(type, storage.classes),
    ...storage.drivers[type],
  });
  return {
    consul: { path: "consul", ...consul },
    ingress: { path: "ingress", ...ingress },
    nfs: driver("nfs"),
    smb: driver("smb"),
  };
}
type Release = Pick<StackConfig["consul"], "enabled" | "chart" | "values"> & { path: string };

/** Values that the program sets, and the key of the configuration that they follow. */
const owned: Record<Section, Record<string, string>> = {
  consul: {
    "server.replicas": "consul.replicas",
    "server.storage": "consul.storageSize",
    "server.storageClass": "consul.storageClass",
  },
  ingress: {
    "deployment.kind": "ingress.replicas",
    "deployment.replicas": "ingress.replicas",
    "ingressRoute.dashboard.matchRule": "ingress.domain",
    "ports.web.http.redirections": "ingress.redirectToHttps",
    "ports.web.nodePort": "frontend.ingressNodePorts.http",
    "ports.web.redirections": "ingress.redirectToHttps",
    "ports.web.transport.respondingTimeouts.readTimeout": "ingress.readTimeout",
    "ports.websecure.nodePort": "frontend.ingressNodePorts.https",
    "ports.websecure.transport.respondingTimeouts.readTimeout": "ingress.readTimeout",
    "providers.file.content": "ingress.dynamic",
    tlsStore: "ingress.certificate and ingressCertificateKey",
  },
  nfs: {},
  smb: {},
};

/** Values without which Consul, Traefik and HAProxy do not find or trust each other. */
const needed: Record<Section, string[]> = {
  consul: [
    "global.acls.bootstrapToken",
    "global.acls.manageSystemACLs",
    "global.datacenter",
    "global.gossipEncryption.secretKey",
    "global.gossipEncryption.secretName",
    "global.name",
    "global.tls.caCert",
    "global.tls.enabled",
    "global.tls.httpsOnly",
    "server.serverCert",
    "ui.enabled",
    "ui.service.enabled",
  ],
  ingress: [
    "deployment.readinessPath",
    "ingressRoute.healthcheck.enabled",
    "ingressRoute.healthcheck.matchRule",
    "providers.file.enabled",
    "providers.kubernetesCRD.enabled",
    "service.spec.externalTrafficPolicy",
    "service.type",
  ],
  nfs: ["controller.enableSnapshotter", "externalSnapshotter.enabled"],
  smb: ["windows.enabled"],
};

/** Arguments of Traefik that would take the place of the program's, and what to use instead. */
const ownArguments: [RegExp, string][] = [
  [/^--?entrypoints\.(web|websecure)\.transport\.respondingtimeouts\.readtimeout(=|$)/i, "ingress.readTimeout"],
  [/^--?entrypoints\.(web|websecure)\.http\.redirections\./i, "ingress.redirectToHttps"],
  [/^--?providers\.file(\.|=|$)/i, "ingress.dynamic"],
];
const consulArgument = /^--?providers\.consul(\.|=|$)/i;

/** Entries of Traefik's lists that have the name of one of the program's. */
const ownNames = { env: "CONSUL_HTTP_TOKEN_FILE", volumes: "consul" };

/** What Helm would refuse in `consul.values` and `ingress.values`, and what would replace the program's own. */
export function valuesProblems(config: StackConfig): Problem[] {
  return Object.entries(sections(config)).flatMap(([key, { path: root, enabled, chart, values }]) => {
    const section = key as Section;
    if (!enabled) {
      return [];
    }
    const replaced = [
      ...Object.entries(owned[section]).map(([part, use]) =>
        replacement(root, values, part, `${use} instead, which sets it`),
      ),
      ...needed[section].map((part) =>
        replacement(root, values, part, "nothing, because other parts of the stack go by what the program sets"),
      ),
      ...(section === "ingress" ? listProblems(config) : []),
    ].filter((problem) => problem !== undefined);
    // The official chart has its schema with it, in the repository that it comes from.
    const misfits = chart === undefined ? schemaProblems(section, root, values) : [];
    const all = [...replaced, ...misfits];
    // Of several about one place, the first says what to do.
    return all.filter(({ path }, index) => all.findIndex((other) => other.path === path) === index);
  });
}

/** Where the values set a key of the program, or put something else in the place of the mapping that it is in. */
function replacement(root: string, values: Document, key: string, use: string): Problem | undefined {
  const path = [`${root}.values`];
  let inner: unknown = values;
  for (const part of key.split(".")) {
    if (!isObject(inner)) {
      break;
    }
    inner = inner[part];
    path.push(part);
  }
  return inner === undefined ? undefined : { path: path.join("."), got: show(inner), expected: use };
}

function listProblems({ consul, ingress: { values } }: StackConfig): Problem[] {
  const problems: Problem[] = [];
  for (const key of ["additionalArguments", "env", "volumes"] as const) {
    const list = values[key];
    const path = `ingress.values.${key}`;
    if (list !== undefined && !Array.isArray(list)) {
      problems.push({ path, got: show(list), expected: "a list, which is added to the program's" });
      continue;
    }
    (list ?? []).forEach((item: unknown, index) => {
      const place = `${path}.${String(index)}`;
      if (key === "additionalArguments") {
        const [, use] = ownArguments.find(([form]) => form.test(String(item))) ?? [];
        const isConsuls = consul.enabled && consulArgument.test(String(item));
        if (use !== undefined || isConsuls) {
          problems.push({
            path: place,
            got: show(item),
            expected: use === undefined ? "no argument about the stack's own store" : `${use} instead, which sets it`,
          });
        }
      } else if (consul.enabled && isObject(item) && item.name === ownNames[key]) {
        problems.push({
          path: place,
          got: ownNames[key],
          expected: "another name, because the program has one of this",
        });
      }
    });
  }
  return problems;
}

const schemas = new Map<Section, ValidateFunction>();

/** What the chart's schema says of values that are a part of the whole: nothing of what is missing. */
function schemaProblems(section: Section, root: string, values: Document): Problem[] {
  const validate = schemas.get(section) ?? compile(section);
  schemas.set(section, validate);
  validate(values);
  const ofTheWhole = ["required", "if", "anyOf", "oneOf", "not"];
  const errors = (validate.errors ?? []).filter(({ keyword }) => !ofTheWhole.includes(keyword));
  return errors.map((error) => describe(`${root}.values`, error));
}

function compile(section: Section): ValidateFunction {
  const path = join(__dirname, "..", "charts", charts[section], "values.schema.json");
  return new Ajv({ allErrors: true, strict: false, verbose: true }).compile(
    JSON.parse(readFileSync(path, "utf8")) as object,
  );
}

function describe(root: string, { instancePath, keyword, params, message, data, parentSchema }: ErrorObject): Problem {
  const keys = instancePath
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const path = [root, ...keys].join(".");
  if (keyword === "additionalProperties") {
    const known = isObject(parentSchema?.properties) ? Object.keys(parentSchema.properties) : [];
    const { additionalProperty } = params as { additionalProperty: string };
    return { path: `${path}.${additionalProperty}`, got: "an unknown key", expected: `one of ${known.join(", ")}` };
  }
  const { type, allowedValues } = params as { type?: string | string[]; allowedValues?: unknown[] };
  const expected =
    type !== undefined
      ? [type].flat().join(" or ")
      : allowedValues !== undefined
        ? `one of ${allowedValues.map(show).join(", ")}`
        : String(message).replace(/^must /, "it to ");
  return { path, got: show(data), expected };
}

function show(value: unknown): string {
  return JSON.stringify(value);
}
