// The part of GitHub's REST API that the workflows use.
import { env } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

const attempts = 5;
/** Seconds that a limit may last: a job that waits longer costs more than another run. */
const longestWait = 120;

/**
 * A client for one repository, by default with what a workflow has in its environment.
 * @param {{api?: string, repository?: string, token?: string, wait?: (seconds: number) => Promise<void>}} [options]
 */
export function github({
  api = env.GITHUB_API_URL ?? "https://api.github.com",
  repository = env.GITHUB_REPOSITORY,
  token = env.GITHUB_TOKEN,
  wait = (seconds) => sleep(seconds * 1000),
} = {}) {
  if (!repository || !token) {
    throw new Error("GITHUB_REPOSITORY and GITHUB_TOKEN are not set: a workflow sets them, on a desk you do");
  }

  /** @returns {Promise<Response>} an answer that is a success */
  async function request(method, path, body) {
    const url = path.startsWith("https:") || path.startsWith("http:") ? path : `${api}/repos/${repository}/${path}`;
    const headers = {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "user-agent": "esxi-k8s",
      "x-github-api-version": "2022-11-28",
    };
    for (let attempt = 1; ; attempt++) {
      let response, problem;
      try {
        response = await fetch(url, {
          method,
          headers,
          body: body && JSON.stringify(body),
          signal: AbortSignal.timeout(30_000),
        });
        if (response.ok) return response;
        problem = await describe(response);
      } catch (error) {
        problem = String(error.cause?.message ?? error.message);
      }
      const seconds = pause(method, response, attempt);
      if (seconds === undefined || attempt === attempts) {
        throw Object.assign(new Error(`${method} ${url}: ${problem}`), { status: response?.status });
      }
      await wait(seconds);
    }
  }

  const json = async (method, path, body) => (await request(method, path, body)).json();

  return {
    repository,
    post: (path, body) => json("POST", path, body),
    patch: (path, body) => json("PATCH", path, body),
    delete: async (path) => void (await request("DELETE", path)),
    download: async (path) => new Uint8Array(await (await request("GET", path)).arrayBuffer()),

    /** All entries of a list, page by page, as far as they are asked for; `key` names the list in an answer that is none itself. */
    async *list(path, key) {
      for (let url = `${path}${path.includes("?") ? "&" : "?"}per_page=100`; url;) {
        const response = await request("GET", url);
        const page = await response.json();
        yield* key ? page[key] : page;
        url = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
      }
    },

    /** Who writes with this token. One of a workflow may not ask. */
    login: async () =>
      env.GITHUB_ACTIONS === "true" ? "github-actions[bot]" : (await json("GET", `${api}/user`)).login,
  };
}

/** Seconds after which a request is worth another attempt; nothing when it never is. */
function pause(method, response, attempt) {
  const limited = response && [403, 429].includes(response.status);
  if (limited) {
    const header = (name) => Number(response.headers.get(name) ?? NaN);
    const seconds =
      header("retry-after") ||
      (response.headers.get("x-ratelimit-remaining") === "0" && header("x-ratelimit-reset") - Date.now() / 1000 + 1) ||
      (response.status === 429 && 60);
    // A refusal for want of a permission has none of these.
    return seconds && seconds <= longestWait ? Math.max(seconds, 1) : undefined;
  }
  // What was not answered may have been done, and done twice it would be two comments.
  return method !== "POST" && (!response || response.status >= 500) ? 2 ** (attempt - 1) : undefined;
}

async function describe(response) {
  const text = await response.text();
  let message = text.slice(0, 200);
  try {
    message = JSON.parse(text).message;
  } catch {
    // Something between here and GitHub answered.
  }
  const hint =
    response.headers.get("x-ratelimit-remaining") === "0"
      ? `; the rate limit is used up until ${new Date(Number(response.headers.get("x-ratelimit-reset")) * 1000).toISOString()}`
      : response.status === 403
        ? "; the workflow's job needs another permission, or the token another scope"
        : "";
  return `${response.status} ${message}${hint}`;
}
