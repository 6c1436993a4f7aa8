import { expect } from "vitest";
import { Calm } from "./calm";
import { eventually, frontend, inLab, kubectl, output, temporaryFile } from "./lab";

/** Whoever uses what the stack serves, from the lab's network: pages through the frontend, and the store behind them. */
export const domain = "lab.localhost";
export const hosts = {
  kubernetes: `demo-kubernetes.${domain}`,
  file: `demo-file.${domain}`,
  consul: `demo-consul.${domain}`,
};
export const sources = Object.entries(hosts);

/** Answers with status, headers and body. */
export async function ask(url: string, ...options: string[]): Promise<string> {
  const { hostname, protocol } = new URL(url);
  const port = protocol === "https:" ? "443" : "80";
  const resolve = ["--resolve", `${hostname}:${port}:${frontend}`];
  const authority = await temporaryFile(await output("certificateAuthority"));
  return inLab("curl", "-sS", "-i", "--max-time", "10", "--cacert", authority, ...resolve, ...options, url);
}

export const status = async (url: string, ...options: string[]): Promise<string | undefined> =>
  /^HTTP\/\S+ (\d+)/.exec(await ask(url, ...options))?.[1];

/** Consul's servers, of which `put`, `remove` and what uses them want one to lead. */
export const store = new Calm();

export const editor = (): Promise<string> => output("consulToken");

/** Consul's API through Traefik, as the web interface uses it. */
export async function consul(
  token: string | undefined,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: string | undefined; body: string }> {
  const headers = await temporaryFile(token === undefined ? "" : `X-Consul-Token: ${token}\n`);
  const data = body === undefined ? [] : ["--data-binary", body];
  const url = `https://consul.${domain}/v1/${path}`;
  const answer = await ask(url, "-X", method, "-H", `@${headers}`, ...data);
  const [head = "", ...rest] = answer.split(/\r?\n\r?\n/);
  return { status: /^HTTP\/\S+ (\d+)/.exec(head)?.[1], body: rest.join("\n\n").trim() };
}

export const put = (key: string, value: string): Promise<void> =>
  store.calmly(async () => {
    expect(await consul(await editor(), "PUT", `kv/${key}`, value)).toEqual({ status: "200", body: "true" });
  });

export const remove = (prefix: string): Promise<void> =>
  store.calmly(async () => {
    expect((await consul(await editor(), "DELETE", `kv/${prefix}?recurse`)).status).toBe("200");
  });

/** Enters a route to the demonstration as a person would. */
export async function route(name: string, host: string): Promise<void> {
  await put(`traefik/http/routers/${name}/rule`, `Host(\`${host}\`)`);
  await put(`traefik/http/routers/${name}/service`, name);
  await put(`traefik/http/services/${name}/loadBalancer/servers/0/url`, "http://demo.demo.svc.cluster.local");
}

export async function unroute(name: string): Promise<void> {
  await remove(`traefik/http/routers/${name}/`);
  await remove(`traefik/http/services/${name}/`);
}

export const traefikPods = async (): Promise<string[]> =>
  (await kubectl("-n", "traefik", "get", "pods", "-o", "jsonpath={.items[*].metadata.name}")).split(" ").sort();

/** All three servers of Consul are there and vote, so that one of them may go. */
export const allServersVote = (): Promise<void> =>
  eventually(120, async () => {
    const health = await consul(await output("consulBootstrapToken"), "GET", "operator/autopilot/health");
    const { Healthy, Servers } = JSON.parse(health.body) as { Healthy: boolean; Servers: { Voter: boolean }[] };
    expect(Healthy && Servers.filter(({ Voter }) => Voter).length).toBe(3);
  });
