import { isObject, type Document } from "../render/merge";
import { listProblems, treeOf } from "./kv";
import { conform, dynamicShape, show, type Shape } from "./shapes";
import { checksOf, defaultEntryPoints } from "./surroundings";
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
  /** Where it is claimed: entry points, with and without TLS. */
  places: string[];
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
  // Which Traefik reads the store of a stack that has none, nobody here knows.
  const shape = dynamicShape(config.ingress.enabled ? checksOf(config) : {});
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
  const read = sources.map((source) => readSource(source, shape));
  const lists = config.consul.enabled ? listProblems(kv) : [];
  return {
    problems: [...read.flatMap(({ problems }) => problems), ...defaultOptionsProblems(sources), ...lists],
    claims: [...ownClaims(config), ...read.flatMap(({ claims }) => claims)],
  };
}

/** Options of the name `default` are those of every route; Traefik drops them, and routes with TLS, where two sources have some. */
function defaultOptionsProblems(sources: Declared[]): Problem[] {
  const [first, second] = sources.filter(({ tree }) => isSet(tree, "tls", "options", "default"));
  return first === undefined || second === undefined
    ? []
    : [
        {
          path: second.pathOf("tls", "options", "default"),
          got: "a second default",
          expected: `options under another name, because ${first.pathOf("tls", "options", "default")} is the default`,
        },
      ];
}

function isSet(tree: unknown, ...keys: string[]): boolean {
  return keys.reduce<unknown>((inner, key) => (isObject(inner) ? inner[key] : undefined), tree) !== undefined;
}

/**
 * Reads what a source declares. Traefik drops all of it when it meets a single key that it does not know, a value of another type,
 * or a section that is empty.
 */
function readSource({ source, tree, pathOf, group }: Declared, shape: Shape): { problems: Problem[]; claims: Claim[] } {
  const problems: Problem[] = [];
  const claims: Claim[] = [];
  /** Places by their first three keys, such as a router's, in which something was refused. */
  const refused = new Set<string>();
  const placeOf = (...keys: string[]) => keys.join("/").toLowerCase();
  const refuse = (keys: string[], got: string, expected: string) => {
    problems.push({ path: pathOf(...keys), got, expected });
    refused.add(placeOf(...keys.slice(0, 3)));
  };

  const readRouter = (kind: RuleKind, name: string, router: Document): void => {
    const { rule, tls, ruleSyntax, entryPoints } = router;
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
      const places = placesOf(kind, router);
      claims.push(...hosts.map((host) => ({ host, source, places, holder: pathOf(...place("rule")) })));
      if (needsTls && tls === undefined) {
        refuse(place("tls"), "nothing", "TLS, with or without passthrough, because nothing else names a host");
      } else if (kind === "tcp" && tls === undefined && entryPoints === undefined) {
        refuse(
          place("entryPoints"),
          "nothing",
          "entry points by name, because this router takes whatever arrives there without TLS, all of HTTP on port 80 too",
        );
      }
    } catch (error) {
      if (!(error instanceof RuleError)) {
        throw error;
      }
      refuse(place("rule"), error.got, error.expected);
    }
  };

  // Nothing at all is the one thing at the top that may be empty.
  const known = Object.keys(tree).length === 0 ? {} : conform(shape, tree, [], { mapping: group, refuse });
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

/** Entry points of a router, each with what it takes there. HTTP beside TLS for the same host is none of a TCP router's business. */
function placesOf(kind: RuleKind, { tls, entryPoints = defaultEntryPoints }: Document): string[] {
  return (entryPoints as string[]).map((name) => {
    const withTls = tls !== undefined || (kind === "http" && name === "websecure");
    return withTls ? `${name} with TLS` : name;
  });
}

/** The host names that this project adds. */
function ownClaims(config: Routed): Claim[] {
  const { dashboard, consul, demo } = ownHosts(config);
  const claims: Claim[] = [];
  const secure = placesOf("http", { entryPoints: ["websecure"] });
  if (config.ingress.enabled) {
    claims.push({ host: dashboard, source: "kubernetes", places: secure, holder: "Traefik's dashboard" });
  }
  if (config.ingress.enabled && config.consul.enabled) {
    claims.push({ host: consul, source: "kubernetes", places: secure, holder: "Consul's web interface" });
  }
  if (config.demo) {
    const holder = "the demonstration";
    const places = placesOf("http", {});
    claims.push(
      { host: demo.kubernetes, source: "kubernetes", places, holder },
      { host: demo.file, source: "file", places, holder },
      { host: demo.consul, source: "consul", places, holder },
    );
  }
  return claims;
}

/** Hosts that a later source claims again: which router gets a request would be left to the lengths of the rules. */
function conflicts(claims: Claim[]): Problem[] {
  const owners = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const { host, source, places, holder } = claim;
    const others = places
      .map((place) => {
        const owner = owners.get(`${place} ${host}`) ?? claim;
        owners.set(`${place} ${host}`, owner);
        return owner;
      })
      .filter((owner) => owner.source !== source);
    return [...new Set(others)].map((owner) => ({
      path: holder,
      got: host,
      expected: `a host that no other source claims, because ${owner.holder} has it`,
    }));
  });
}
