import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { apiClient } from "../../components/in-cluster/api-client";
import { issueByProgram, type Issued } from "../support/certificates";

/** A request as the server got it. */
interface Received {
  method: string;
  path: string;
  client: string;
  type: string;
  body: string;
}

/** What a server with TLS gets. */
type TlsRequest = IncomingMessage & { socket: TLSSocket };

let authority: Issued;
let stranger: Issued;
let client: Issued;
let server: Server;
let url: string;
let received: Received[];
let answer: (response: ServerResponse) => void;

beforeAll(async () => {
  authority = issueByProgram({ commonName: "kubernetes", days: 1 });
  stranger = issueByProgram({ commonName: "kubernetes", days: 1 });
  client = issueByProgram({ commonName: "admin", days: 1, issuer: authority });
  const own = issueByProgram({ commonName: "apiserver", days: 1, ipAddresses: ["127.0.0.1"], issuer: authority });
  const options = {
    cert: own.certificate,
    key: own.key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  };
  server = createServer(options, (request, response) => void respond(request, response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  received = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  for await (const chunk of request) {
    body += String(chunk);
  }
  received.push({
    method: request.method ?? "",
    path: request.url ?? "",
    client: (request as TlsRequest).socket.getPeerCertificate().subject.CN,
    type: request.headers["content-type"] ?? "",
    body,
  });
  answer(response);
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A kubeconfig as kubeadm writes it. */
function kubeconfig({ ca = authority, user = client, to = url } = {}): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "sim", cluster: { server: to, "certificate-authority-data": base64(ca.certificate) } }],
    users: [
      {
        name: "admin",
        user: { "client-certificate-data": base64(user.certificate), "client-key-data": base64(user.key) },
      },
    ],
  });
}

test("a question is asked with the certificate of the kubeconfig", async () => {
  answer = (response) => response.end('{"items":[{"name":"é"}]}');
  await expect(apiClient(kubeconfig())("GET", "/api/v1/secrets?limit=1")).resolves.toEqual({ items: [{ name: "é" }] });
  expect(received).toMatchObject([{ method: "GET", path: "/api/v1/secrets?limit=1", client: "admin", body: "" }]);
});

test("an object is sent as JSON", async () => {
  answer = (response) => response.end("{}");
  await apiClient(kubeconfig())("PUT", "/api/v1/secrets/a", { kind: "Secret", note: "日本" });
  const [{ method, type, body } = { method: "", type: "", body: "" }] = received;
  expect([method, type, JSON.parse(body)]).toEqual(["PUT", "application/json", { kind: "Secret", note: "日本" }]);
});

describe("an error", () => {
  test("has the API server's message, with what was asked", async () => {
    answer = (response) => response.writeHead(403).end('{"kind":"Status","message":"secrets is forbidden"}');
    await expect(apiClient(kubeconfig())("GET", "/api/v1/secrets")).rejects.toThrow(
      `GET /api/v1/secrets at ${url} was answered with 403: {"kind":"Status","message":"secrets is forbidden"}`,
    );
  });

  test("comes of an answer that breaks off", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-length": 100 }).write("{", () => response.socket?.destroy());
    };
    await expect(apiClient(kubeconfig())("GET", "/")).rejects.toThrow("aborted");
  });

  test("comes of an answer that is no JSON", async () => {
    answer = (response) => response.end("<html>");
    await expect(apiClient(kubeconfig())("GET", "/")).rejects.toThrow("JSON");
  });

  test("comes of an address where nobody listens", async () => {
    const unused = createServer();
    await once(unused.listen(0, "127.0.0.1"), "listening");
    const { port } = unused.address() as AddressInfo;
    unused.close();
    await once(unused, "close");
    const to = `https://127.0.0.1:${port}`;
    await expect(apiClient(kubeconfig({ to }))("GET", "/")).rejects.toThrow("ECONNREFUSED");
  });

  test("comes of a kubeconfig that names nobody", () => {
    expect(() => apiClient("{ clusters: [], users: [] }")).toThrow("the kubeconfig names no cluster or no user");
  });
});

test("a server whose authority is another one is told nothing", async () => {
  answer = (response) => response.end("{}");
  await expect(apiClient(kubeconfig({ ca: stranger }))("PUT", "/", { secret: 1 })).rejects.toThrow(
    /certificate|signature/,
  );
  expect(received).toEqual([]);
});
