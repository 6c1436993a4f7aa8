import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { zipSync, strToU8 } from "fflate";

export interface Comment {
  id: number;
  user: { login: string };
  body: string;
}
interface Issue extends Comment {
  number: number;
  title: string;
  state: string;
  pull_request?: object;
}

/** Who the workflow's token belongs to. */
export const bot = "github-actions[bot]";
const repository = "owner/repository";

/** The part of GitHub's API that the workflows use, on loopback, with what a test says that there is. */
export class GitHubStub {
  /** Comments by the number of their issue or pull request. */
  readonly comments: Record<number, Comment[]> = {};
  readonly issues: Issue[] = [];
  /** Deployments by environment, newest first. */
  readonly deployments: Record<string, { sha: string; states: string[] }[]> = {};
  /** Pull requests by a commit that is in them. */
  readonly pulls: Record<string, { merged_at: string | null; merge_commit_sha: string; head: { sha: string } }[]> = {};
  /** Runs of the workflow preview by the commit that they are for, newest first, with their artifacts as files by name. */
  readonly runs: Record<string, { repository: string; artifacts: Record<string, Record<string, string>> }[]> = {};
  /** Every request as `METHOD path`. */
  readonly requests: string[] = [];
  /** Answers in the place of the next ones to requests that fit; used up from the front. */
  readonly mishaps: { on: RegExp; status: number; headers?: Record<string, string>; body?: string }[] = [];
  private readonly server = createServer((request, response) => void this.answer(request, response));
  private lastId = 100;

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** What a workflow has in its environment. */
  get environment(): Record<string, string> {
    return {
      GITHUB_ACTIONS: "true",
      GITHUB_API_URL: this.url,
      GITHUB_REPOSITORY: repository,
      GITHUB_SERVER_URL: "https://github.example",
      GITHUB_RUN_ID: "42",
      GITHUB_TOKEN: "token-of-the-job",
    };
  }

  comment(number: number, body: string, login = bot): Comment {
    const comment = { id: ++this.lastId, user: { login }, body };
    (this.comments[number] ??= []).push(comment);
    return comment;
  }

  private get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", this.url);
    const method = request.method ?? "";
    this.requests.push(`${method} ${pathname}${searchParams.size > 0 ? `?${searchParams.toString()}` : ""}`);
    const mishap = this.mishaps.find(({ on }) => on.test(this.requests.at(-1) ?? ""));
    if (mishap) {
      this.mishaps.splice(this.mishaps.indexOf(mishap), 1);
      const { status, headers = {}, body = '{"message":"as the test wants it"}' } = mishap;
      response.writeHead(status, headers).end(body);
      return;
    }
    if (request.headers.authorization !== `Bearer ${String(this.environment.GITHUB_TOKEN)}`) {
      response.writeHead(401).end('{"message":"Bad credentials"}');
      return;
    }
    const body = ["POST", "PATCH"].includes(method) ? ((await json(request)) as Partial<Issue>) : {};
    const path = pathname.replace(`/repos/${repository}/`, "");
    const found = this.route(`${method} ${path}`, searchParams, body);
    if (found instanceof Uint8Array) {
      response.writeHead(200).end(found);
    } else if (found === undefined) {
      response.writeHead(404).end('{"message":"Not Found"}');
    } else {
      this.page(found, searchParams, pathname, response);
    }
  }

  /** Lists come in pages of three, whatever was asked for, so that few entries are many pages. */
  private page(found: object, query: URLSearchParams, path: string, response: ServerResponse): void {
    const entries = Object.entries(found) as [string, unknown][];
    const [key, list]: [string, unknown] = Array.isArray(found)
      ? ["", found]
      : (entries.find(([, value]) => Array.isArray(value) && "total_count" in found) ?? ["", undefined]);
    if (!Array.isArray(list)) {
      response.writeHead(200).end(JSON.stringify(found));
      return;
    }
    const page = Number(query.get("page") ?? 1);
    const some = list.slice(3 * page - 3, 3 * page);
    query.set("page", String(page + 1));
    const next = `<${this.url}${path}?${query.toString()}>; rel="next", <${this.url}${path}?page=9>; rel="last"`;
    response.writeHead(200, list.length > 3 * page ? { link: next } : {});
    response.end(JSON.stringify(key === "" ? some : { ...found, [key]: some }));
  }

  private route(request: string, query: URLSearchParams, body: Partial<Issue>): object | undefined {
    const on = (pattern: RegExp) => pattern.exec(request)?.slice(1);
    let is: string[] | undefined;
    if ((is = on(/^GET issues\/(\d+)\/comments$/))) {
      return this.comments[Number(is[0])] ?? [];
    }
    if ((is = on(/^POST issues\/(\d+)\/comments$/))) {
      return this.comment(Number(is[0]), body.body ?? "");
    }
    if ((is = on(/^(PATCH|DELETE) issues\/comments\/(\d+)$/))) {
      const [method, id] = [is[0], Number(is[1])];
      const of = Object.values(this.comments).find((list) => list.some((comment) => comment.id === id));
      const comment = of?.find((one) => one.id === id);
      if (method === "DELETE" && of && comment) {
        of.splice(of.indexOf(comment), 1);
      }
      return comment && Object.assign(comment, body);
    }
    if (on(/^(GET) issues$/)) {
      return this.issues.filter(({ state }) => state === query.get("state"));
    }
    if (on(/^(POST) issues$/)) {
      const number = ++this.lastId;
      const issue = { id: number, number, user: { login: bot }, state: "open", title: "", body: "", ...body };
      this.issues.push(issue);
      return issue;
    }
    if ((is = on(/^PATCH issues\/(\d+)$/))) {
      const [wanted] = is;
      const issue = this.issues.find(({ number }) => number === Number(wanted));
      return issue && Object.assign(issue, body);
    }
    if (on(/^(GET) deployments$/)) {
      const environment = query.get("environment") ?? "";
      return (this.deployments[environment] ?? []).map(({ sha }, index) => ({ id: `${environment}~${index}`, sha }));
    }
    if ((is = on(/^GET deployments\/(.+)~(\d+)\/statuses$/))) {
      return this.deployments[is[0] ?? ""]?.[Number(is[1])]?.states.map((state) => ({ state }));
    }
    if ((is = on(/^GET commits\/(\w+)\/pulls$/))) {
      return this.pulls[is[0] ?? ""] ?? [];
    }
    if (on(/^(GET) actions\/workflows\/preview\.yml\/runs$/)) {
      const head = query.get("head_sha") ?? "";
      const runs = query.get("event") === "pull_request" ? (this.runs[head] ?? []) : [];
      return {
        total_count: runs.length,
        workflow_runs: runs.map((run, index) => ({
          id: `${head}~${index}`,
          head_repository: { full_name: run.repository },
        })),
      };
    }
    if ((is = on(/^GET actions\/runs\/(\w+)~(\d+)\/artifacts$/))) {
      const [head = "", index] = is;
      const names = Object.keys(this.runs[head]?.[Number(index)]?.artifacts ?? {});
      const artifacts = names.map((name) => ({ id: `${head}~${String(index)}~${name}`, name, expired: false }));
      return { total_count: artifacts.length, artifacts };
    }
    if ((is = on(/^GET actions\/artifacts\/(\w+)~(\d+)~(.+)\/zip$/))) {
      const [head = "", index, name = ""] = is;
      const files = this.runs[head]?.[Number(index)]?.artifacts[name];
      return files && zipSync(Object.fromEntries(Object.entries(files).map(([file, text]) => [file, strToU8(text)])));
    }
    return undefined;
  }
}
