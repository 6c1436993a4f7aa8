import { request } from "node:https";
import { text } from "node:stream/consumers";
import { parse } from "yaml";

/** Calls the API server: method, path with query, body to be sent as JSON; answers with what came back as JSON. */
export type ApiClient = (method: "GET" | "PUT", path: string, body?: unknown) => Promise<unknown>;

interface Kubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data": string } }[];
  users: { user: { "client-certificate-data": string; "client-key-data": string } }[];
}

/**
 * A client with the credentials of a kubeconfig as kubeadm writes it: one cluster, one user, certificates embedded.
 * @throws Error with the API server's message when it refuses
 */
export function apiClient(kubeconfig: string): ApiClient {
  const { clusters, users } = parse(kubeconfig) as Kubeconfig;
  const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
  if (!cluster || !user) {
    throw new Error("the kubeconfig names no cluster or no user");
  }
  const decode = (text: string) => Buffer.from(text, "base64");
  const identity = {
    ca: decode(cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
    headers: { accept: "application/json", "content-type": "application/json" },
    timeout: 30_000,
  };
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const call = request(new URL(path, cluster.server), { ...identity, method }, (response) => {
        const { statusCode = 0 } = response;
        // What is thrown here is an answer too: thrown in a listener, it would end the program.
        text(response)
          .then((answer) => {
            if (statusCode >= 300) {
              throw new Error(
                `${method} ${path} at ${cluster.server} was answered with ${String(statusCode)}: ${answer}`,
              );
            }
            return JSON.parse(answer) as unknown;
          })
          .then(resolve, reject);
      });
      call.on("error", reject);
      call.on("timeout", () => call.destroy(new Error(`${cluster.server} did not answer within 30 s`)));
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
}
