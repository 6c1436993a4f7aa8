import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { issueByProgram, type Issued } from "./certificates";
import { FakeMachine, type Outcome, type StepInputs } from "./steps";

interface Policy {
  ID: string;
  Name: string;
  Rules: string;
}
interface Token {
  AccessorID: string;
  SecretID: string;
  Description: string;
  Policies: { Name: string }[];
}
type Body = Partial<Policy & Token>;

/** Status and body of an answer; 200 unless told. */
class Answer {
  constructor(
    readonly body: unknown,
    readonly status = 200,
  ) {}
}

export const bootstrapToken = "b0075742-0000-4000-8000-000000000000";

/**
 * As much of Consul's API as the scripts use, with its refusals: agent/kvs_endpoint.go, txn_endpoint.go and acl_endpoint.go.
 * The scripts reach it with curl and TLS as on a master; only the address behind the name is a socket here.
 */
export class FakeConsul {
  readonly entries = new Map<string, string>();
  readonly policies = new Map<string, Policy>();
  readonly tokens = new Map<string, Token>();
  /** What was asked for, as `METHOD path`. */
  readonly requests: string[] = [];
  /** Says of which requests an answer is a failure. */
  fails: (request: string) => boolean = () => false;
  /** Says of which requests an answer is that nobody leads. */
  elects: (request: string) => boolean = () => false;

  private readonly machine = new FakeMachine();
  private readonly folder = this.machine.folder;
  private readonly socket = join(this.folder, "socket");
  private readonly server: Server;

  constructor(private readonly trusted: Issued = issueByProgram({ commonName: "authority", days: 1 })) {
    const { certificate, key } = issueByProgram({
      commonName: "server.dc1.consul",
      dnsNames: ["consul-ui.consul.svc"],
      days: 1,
      issuer: trusted,
    });
    this.server = createServer({ cert: certificate, key }, (request, response) => void this.respond(request, response));
    this.machine.program(
      "kubectl",
      `case "$*" in
        *"service consul-ui"*clusterIP*) printf 10.96.7.7 ;;
        *"secret consul-bootstrap-token"*) printf %s ${Buffer.from(bootstrapToken).toString("base64")} ;;
        *"get pods"*) cat '${this.folder}/servers' ;;
        *"get secret"*) echo 2026-11-27T11:00:00Z; echo 2026-03-14T09:26:53Z ;;
        *annotate*) cp '${this.folder}/secret' '${this.folder}/mounted' ;;
        *sha256sum*) sha256sum <'${this.folder}/mounted' ;;
        *"consul reload"*) echo "$(sha256sum <'${this.folder}/mounted') $(cat)" >>'${this.folder}/reloads' ;;
        *) exit 1 ;;
      esac`,
    );
    this.machine.program(
      "curl",
      `printf '%s\\n' "$*" >>'${this.folder}/commands'
      PATH=\${PATH#*:} exec curl --unix-socket '${this.socket}' "$@"`,
    );
    writeFileSync(join(this.folder, "commands"), "");
  }

  async start(): Promise<this> {
    await once(this.server.listen(this.socket), "listening");
    return this;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
    this.machine.remove();
  }

  /** Back to an empty store. */
  reset(): void {
    for (const part of [this.entries, this.policies, this.tokens]) {
      part.clear();
    }
    this.requests.length = 0;
    this.fails = this.elects = () => false;
    writeFileSync(join(this.folder, "commands"), "");
  }

  /**
   * Has pods of servers, with a file of a Secret that their kubelet has not looked at since it changed, at 2026-11-27T11:00:00Z.
   * @param started when each pod was started, by its name
   * @returns what they know of it when they are told to look, one after the other: `SHA-256  - token`
   */
  servers(started: Record<string, string>, secret: string): () => string[] {
    const file = (name: string) => join(this.folder, name);
    writeFileSync(
      file("servers"),
      Object.entries(started)
        .map(([name, when]) => `${name} ${when}\n`)
        .join(""),
    );
    writeFileSync(file("mounted"), "what it was");
    writeFileSync(file("secret"), secret);
    writeFileSync(file("reloads"), "");
    return () => readFileSync(file("reloads"), "utf8").split("\n").slice(0, -1);
  }

  /** Command lines of curl, which everyone on the machine could read. */
  commandLines(): string {
    return readFileSync(join(this.folder, "commands"), "utf8");
  }

  /**
   * Runs a step of a master that calls Consul's API.
   * @param patience seconds that it waits for a leader and for servers, instead of its own
   */
  run(
    script: string,
    { texts = {}, ...inputs }: Partial<StepInputs>,
    { ca = this.trusted.certificate, patience = 120 } = {},
  ): Promise<Outcome> {
    return this.machine.run(script, { ...inputs, texts: { CA: ca, ...texts } }, (scripts) =>
      scripts.replaceAll("retry_for 120", `retry_for ${patience}`),
    );
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const url = new URL(request.url ?? "", "https://consul");
    const asked = `${request.method ?? ""} ${url.pathname}`;
    this.requests.push(asked);
    const answer = this.answer(request, asked, url, body);
    const sent = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
    response.writeHead(answer.status).end(sent);
  }

  private answer({ headers }: IncomingMessage, asked: string, url: URL, body: string): Answer {
    if (headers["x-consul-token"] !== bootstrapToken) {
      return new Answer("Permission denied", 403);
    }
    if (this.fails(asked)) {
      return new Answer("internal error", 500);
    }
    if (this.elects(asked)) {
      return new Answer("No cluster leader", 500);
    }
    const [method = "", , , kind = "", ...rest] = asked.split(/[ /]/);
    switch (kind) {
      case "kv":
        return this.kv(method, decodeURIComponent(rest.join("/")), url.searchParams, body);
      case "txn":
        return this.transaction(JSON.parse(body) as { KV: { Verb: string; Key: string; Value: string } }[]);
      case "acl": {
        const content = (body === "" ? {} : JSON.parse(body)) as Body;
        return rest[0] === "policy"
          ? this.policy(method, rest.slice(1), content)
          : this.token(method, rest[1] ?? "", content);
      }
    }
    return new Answer("", 404);
  }

  private kv(method: string, key: string, query: URLSearchParams, body: string): Answer {
    if (!/^[A-Za-z0-9,\-_./]+$/.test(key)) {
      return new Answer("key contains invalid character", 400);
    }
    switch (method) {
      case "GET": {
        const value = this.entries.get(key);
        return value === undefined ? new Answer("", 404) : new Answer(value);
      }
      case "PUT":
        this.entries.set(key, body);
        break;
      case "DELETE":
        for (const known of this.entries.keys()) {
          if (known === key || (query.has("recurse") && known.startsWith(key))) {
            this.entries.delete(known);
          }
        }
    }
    return new Answer(true);
  }

  private transaction(operations: { KV: { Verb: string; Key: string; Value: string } }[]): Answer {
    if (operations.length > 128) {
      return new Answer("Transaction contains too many operations", 413);
    }
    for (const { KV } of operations) {
      if (KV.Verb === "set") {
        this.entries.set(KV.Key, Buffer.from(KV.Value, "base64").toString());
      } else {
        this.entries.delete(KV.Key);
      }
    }
    return new Answer({ Results: [], Errors: null });
  }

  private policy(method: string, [first = "", name = ""]: string[], body: Body): Answer {
    if (method === "GET") {
      const found = [...this.policies.values()].find(({ Name }) => first === "name" && Name === name);
      return found ? new Answer({ ...found, Hash: "aGFzaA==" }) : new Answer("ACL not found", 404);
    }
    const { Name = "", Rules = "" } = body;
    if (first === "" && [...this.policies.values()].some((other) => other.Name === Name)) {
      return new Answer(`Invalid Policy: A Policy with Name "${Name}" already exists`, 500);
    }
    const ID = first === "" ? `id-of-${Name}` : first;
    const written = { ID, Name, Rules };
    this.policies.set(ID, written);
    return new Answer(written);
  }

  private token(method: string, accessor: string, body: Body): Answer {
    const present = this.tokens.get(accessor);
    if (method === "GET") {
      const own = { AccessorID: "bootstrap", SecretID: bootstrapToken };
      const found = accessor === "self" ? own : present;
      return found ? new Answer(found) : new Answer("ACL not found", 404);
    }
    if (method === "DELETE") {
      this.tokens.delete(accessor);
      return new Answer(true);
    }
    const { AccessorID = "", SecretID = "", Description = "", Policies = [] } = body;
    const unknown = Policies.find(({ Name }) => ![...this.policies.values()].some((policy) => policy.Name === Name));
    if (unknown) {
      return new Answer(`No such ACL policy with name ${unknown.Name}`, 500);
    }
    if (accessor === "" && this.tokens.has(AccessorID)) {
      return new Answer("Invalid Token: AccessorID is already in use", 500);
    }
    if (accessor !== "" && present?.SecretID !== SecretID) {
      return new Answer("Changing a token's SecretID is not permitted", 500);
    }
    const written = { AccessorID, SecretID, Description, Policies };
    this.tokens.set(AccessorID, written);
    return new Answer(written);
  }
}
