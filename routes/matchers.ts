import { isIP } from "node:net";
import { RE2JS, RE2JSException } from "re2js";
import { dnsNameLength } from "../config/dns-names";

/** Which routers a rule is for. */
export type RuleKind = "http" | "tcp";

/** What has to stand instead of a value; nothing when the value is right. */
export type Check = (value: string) => string | undefined;

/** A function of Traefik's rule language. */
export interface Matcher {
  /** How many arguments it takes. */
  counts: number[];
  /** Judges of the arguments, in their order. */
  checks: Check[];
  /** Its argument is a host that the router claims. */
  claimsHost?: boolean;
}

/** The matchers of Traefik v3, pkg/muxer. */
export const matchers: Record<RuleKind, Record<string, Matcher>> = {
  http: {
    ClientIP: { counts: [1], checks: [address] },
    Header: { counts: [2], checks: [] },
    HeaderRegexp: { counts: [2], checks: [() => undefined, regexp] },
    Host: { counts: [1], checks: [host("HostRegexp")], claimsHost: true },
    HostRegexp: { counts: [1], checks: [hostRegexp("HostRegexp")] },
    Method: { counts: [1], checks: [] },
    Path: { counts: [1], checks: [path("$")] },
    PathPrefix: { counts: [1], checks: [path("")] },
    PathRegexp: { counts: [1], checks: [pathRegexp] },
    Query: { counts: [1, 2], checks: [parameter("Query")] },
    QueryRegexp: { counts: [1, 2], checks: [parameter("QueryRegexp"), regexp] },
  },
  tcp: {
    ALPN: { counts: [1], checks: [protocol] },
    ClientIP: { counts: [1], checks: [address] },
    HostSNI: { counts: [1], checks: [serverName], claimsHost: true },
    HostSNIRegexp: { counts: [1], checks: [hostRegexp("HostSNIRegexp")] },
  },
};

/** What matchers of Traefik v2, and of the other kind of router, are called here. */
export const renamed: Record<RuleKind, Record<string, string>> = {
  http: {
    headers: "Header",
    headersregexp: "HeaderRegexp",
    hostheader: "Host",
    hostsni: "Host",
    hostsniregexp: "HostRegexp",
  },
  tcp: { host: "HostSNI", hostregexp: "HostSNIRegexp" },
};

/** Traefik compares hosts without regard to case, and serves names with underscores, which many inner networks have. */
const hostForm = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*$/i;

/** A variable of Traefik v2, `{name}` or `{name:expression}`, that is neither escaped nor the name of a Unicode class. */
const variable = /(?<!\\[pPx]?)\{[A-Za-z_]\w*(?::((?:[^{}]|\{[^{}]*\})*))?\}/;

function host(alternative: string): Check {
  return (value) => {
    const name = value.replace(/\.$/, "");
    if (name.length <= dnsNameLength && hostForm.test(name)) {
      return undefined;
    }
    if (variable.test(value)) {
      return `a regular expression: ${alternative}(\`${anchored(value, "[^.]+", "$")}\`)`;
    }
    if (/^\*\.[^*]+$/.test(value)) {
      return `a DNS name; for all names below one, ${alternative}(\`^[^.]+${escape(value.slice(1))}$\`)`;
    }
    if (/^[a-z]+:\/\/|[/:]/i.test(value)) {
      return "a DNS name, without scheme, port and path";
    }
    return "a DNS name such as app.example.org";
  };
}

function serverName(value: string): string | undefined {
  if (value === "*") {
    return undefined;
  }
  // Traefik compares it as it is written with a name that it has put in lower case.
  return host("HostSNIRegexp")(value) ?? (value === value.toLowerCase() ? undefined : value.toLowerCase());
}

function hostRegexp(matcher: string): Check {
  return (value) => {
    if (variable.test(value)) {
      return `a regular expression of Traefik v3: ${matcher}(\`${anchored(value, "[^.]+", "$")}\`)`;
    }
    // eslint-disable-next-line no-control-regex -- ASCII has control characters
    return /^[\x00-\x7f]*$/.test(value) ? regexp(value) : "a regular expression in ASCII";
  };
}

function path(end: string): Check {
  return (value) => {
    if (variable.test(value)) {
      return `a regular expression: PathRegexp(\`${anchored(value, "[^/]+", end)}\`)`;
    }
    return value.startsWith("/") ? undefined : "a path that begins with /";
  };
}

function pathRegexp(value: string): string | undefined {
  return variable.test(value)
    ? `a regular expression of Traefik v3: PathRegexp(\`${anchored(value, "[^/]+", "$")}\`)`
    : regexp(value);
}

/** Traefik compiles it with Go's regexp, which has the syntax of RE2: no look-around, no back references. */
export function regexp(value: string): string | undefined {
  try {
    RE2JS.compile(value);
    return undefined;
  } catch (error) {
    if (!(error instanceof RE2JSException)) {
      throw error;
    }
    // Its words are Go's.
    return `a regular expression of Go: ${error.message.replace("error parsing regexp: ", "")}`;
  }
}

function parameter(matcher: string): Check {
  return (value) => {
    const [, name, wanted] = /^([^=]+)=(.*)$/s.exec(value) ?? [];
    return name === undefined || wanted === undefined
      ? undefined
      : `the name of a parameter, and its value apart: ${matcher}(\`${name}\`${wanted && `, \`${wanted}\``})`;
  };
}

export function address(value: string): string | undefined {
  const [, ip = "", prefix] = /^([^/%]*)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(ip)] ?? -1;
  return bits > 0 && Number(prefix ?? 0) <= bits ? undefined : "an address or a network such as 192.0.2.0/24";
}

function protocol(value: string): string | undefined {
  return value === "acme-tls/1" ? "a protocol other than that, which Traefik keeps for itself" : undefined;
}

/** The text of Traefik v2 as a regular expression; what has no variable stays literal. */
function anchored(text: string, byDefault: string, end: string): string {
  const pieces: string[] = [];
  let rest = text;
  for (let match = variable.exec(rest); match; match = variable.exec(rest)) {
    pieces.push(escape(rest.slice(0, match.index)), match[1] ?? byDefault);
    rest = rest.slice(match.index + match[0].length);
  }
  return `^${pieces.join("")}${escape(rest)}${end}`;
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
