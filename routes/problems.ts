import { isObject, type Document } from "../render/merge";
import { conform, dynamicShape, sameName, show } from "./shapes";
import type { Problem } from "../config/problem";
import { consulRoot, declaredRoutes, ownHosts } from "./declared";
import { parseRule, RuleError, type RuleKind } from "./rules";
import type { StackConfig } from "../config/schema";

/** Who can claim a host name. Within one of them a host may have many routers, for different paths. */
type Source = "kubernetes" | "file" | "consul";

/** A host name that a router claims, and where that is written. */
interface Claim {
  host: string;
  source: Source;
  /** For a message: `because <holder> has it`. */
  holder: string;
}

/** What a source declares, with the words for its places. */
interface Declared {
  source: Source;
  tree: Document;
  /** The property path of a place in the tree. */
  pathOf: (...keys: string[]) => string;
  /** What the source calls a group of entries. */
  group: string;
}

/** What Traefik would refuse in the routes of the configuration, or would leave to chance. */
export function routeProblems(config: StackConfig): Problem[] {
  const { problems, claims } = readAll(config);
  return [...problems, ...conflicts(claims)];
}

/** Host names of the routes that the stack knows of, by their source. */
export function hostsBySource(config: Routed): Record<Source, string[]> {
  const { claims } = readAll(config);
  const of = (source: Source) => [
    ...new Set(claims.filter((claim) => claim.source === source).map(({ host }) => host)),
  ];
  return { kubernetes: of("kubernetes"), file: of("file"), consul: of("consul") };
}

/** The part of a configuration that has to do with routes. */
type Routed = Pick<StackConfig, "ingress" | "consul" | "demo">;

function readAll(config: Routed): { problems: Problem[]; claims: Claim[] } {
  const { dynamic, kv } = declaredRoutes(config);
  const sources: Declared[] = [
    {
      source: "file",
      tree: config.ingress.enabled ? dynamic : {},
      pathOf: (...keys) => ["ingress.dynamic", ...keys].join("."),
      group: "a mapping",
    },
    {
      source: "consul",
      tree: config.consul.enabled ? treeOf(kv) : {},
      pathOf: (...keys) => `consul.kv.${[consulRoot, ...keys].join("/")}`,
      group: "a folder",
    },
  ];
  const read = sources.map(readSource);
  return {
    problems: read.flatMap(({ problems }) => problems),
    claims: [...ownClaims(config), ...read.flatMap(({ claims }) => claims)],
  };
}

/**
 * Reads what a source declares. Traefik drops all of it when it meets a single key that it does not know, a value of another type,
 * or a section that is empty.
 */
function readSource({ source, tree, pathOf, group }: Declared): { problems: Problem[]; claims: Claim[] } {
  const problems: Problem[] = [];
  const claims: Claim[] = [];
  /** Places by their first three keys, such as a router's, in which something was refused. */
  const refused = new Set<string>();
  const placeOf = (...keys: string[]) => keys.join("/").toLowerCase();
  const refuse = (keys: string[], got: string, expected: string) => {
    problems.push({ path: pathOf(...keys), got, expected });
    refused.add(placeOf(...keys.slice(0, 3)));
  };

  const readRouter = (kind: RuleKind, name: string, { rule, tls, ruleSyntax }: Document): void => {
    const place = (key: string) => [kind, "routers", name, key];
    if (typeof rule !== "string") {
      const example = kind === "http" ? "Host(`app.example.org`)" : "HostSNI(`*`)";
      refuse(place("rule"), show(rule), `a rule such as ${example}`);
      return;
    }
    if (ruleSyntax !== undefined && ruleSyntax !== "v3") {
      refuse(place("ruleSyntax"), show(ruleSyntax), "v3 or nothing, and the rule in the syntax of v3");
      return;
    }
    try {
      const { hosts, needsTls } = parseRule(rule, kind);
      claims.push(...hosts.map((host) => ({ host, source, holder: pathOf(...place("rule")) })));
      if (needsTls && tls === undefined) {
        refuse(place("tls"), "nothing", "TLS, with or without passthrough, because nothing else names a host");
      }
    } catch (error) {
      if (!(error instanceof RuleError)) {
        throw error;
      }
      refuse(place("rule"), error.got, error.expected);
    }
  };

  // Nothing at all is the one thing at the top that may be empty.
  const known = Object.keys(tree).length === 0 ? {} : conform(dynamicShape, tree, [], { mapping: group, refuse });
  for (const kind of ["http", "tcp"] as const) {
    const { routers = {} } = (known as Partial<Record<RuleKind, { routers?: Record<string, Document> }>>)[kind] ?? {};
    for (const [name, router] of Object.entries(routers)) {
      // What is missing where something is misspelt needs no words of its own.
      if (!refused.has(placeOf(kind, "routers", name))) {
        readRouter(kind, name, router);
      }
    }
  }
  return { problems, claims };
}

/** The host names that this project adds. */
function ownClaims(config: Routed): Claim[] {
  const { dashboard, consul, demo } = ownHosts(config);
  const claims: Claim[] = [];
  if (config.ingress.enabled) {
    claims.push({ host: dashboard, source: "kubernetes", holder: "Traefik's dashboard" });
  }
  if (config.ingress.enabled && config.consul.enabled) {
    claims.push({ host: consul, source: "kubernetes", holder: "Consul's web interface" });
  }
  if (config.demo) {
    const holder = "the demonstration";
    claims.push(
      { host: demo.kubernetes, source: "kubernetes", holder },
      { host: demo.file, source: "file", holder },
      { host: demo.consul, source: "consul", holder },
    );
  }
  return claims;
}

/** Hosts that a later source claims again: which router gets a request would be left to the lengths of the rules. */
function conflicts(claims: Claim[]): Problem[] {
  const owners = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const { host, source, holder } = claim;
    const owner = owners.get(host) ?? claim;
    owners.set(host, owner);
    return owner.source === source
      ? []
      : [{ path: holder, got: host, expected: `a host that no other source claims, because ${owner.holder} has it` }];
  });
}

/** Entries of the store as Traefik puts them together: a folder's own value does not count, nor does upper or lower case. */
function treeOf(kv: Record<string, string>): Document {
  const tree = emptyTree();
  for (const [key, value] of withLists(kv)) {
    const [first, ...folders] = key.split("/").filter((part) => part !== "");
    const name = folders.pop();
    if (first !== consulRoot || name === undefined) {
      continue;
    }
    let folder = tree;
    for (const part of folders) {
      const known = sameKey(folder, part);
      const inner = folder[known];
      folder = isObject(inner) ? inner : (folder[known] = emptyTree());
    }
    const known = sameKey(folder, name);
    folder[known] = isObject(folder[known]) ? folder[known] : value;
  }
  return tree;
}

/** Numbered entries are one value with commas to Traefik, whatever they stand for: pkg/config/kv/kv_node.go */
function withLists(kv: Record<string, string>): Map<string, string> {
  const single = new Map<string, string>();
  const lists = new Map<string, string>();
  for (const [key, value] of Object.entries(kv).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const list = /^(.+)\/\d+$/.exec(key)?.[1];
    if (list === undefined) {
      single.set(key, value);
    } else {
      lists.set(list, lists.has(list) ? `${String(lists.get(list))},${value}` : value);
    }
  }
  return new Map([...single, ...lists]);
}

/** A tree in which a key such as `__proto__` is one like all others. */
function emptyTree(): Document {
  return Object.create(null) as Document;
}

function sameKey(tree: Document, key: string): string {
  return Object.keys(tree).find((known) => sameName(known, key)) ?? key;
}
