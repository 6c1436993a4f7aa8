// Asks the demonstration by each of its host names, over HTTP and HTTPS, through the frontend: demo-check.mjs STACK
// Ends with `n/3 sources answer`.
import http from "node:http";
import https from "node:https";
import { argv } from "node:process";
import { text } from "node:stream/consumers";
import tls from "node:tls";
import { outputs } from "./outputs.mjs";

const { frontendAddress, certificateAuthority, demoHosts } = outputs(argv[2]);
if (!Object.keys(demoHosts ?? {}).length) {
  console.error(`error: stack ${argv[2]} has no demonstration; set esxi-k8s:demo to true and run pulumi up`);
  process.exit(1);
}

/** Resolves to what is wrong with the answer, or to nothing. */
function problem(scheme, host) {
  return new Promise((resolve) => {
    const module = scheme === "https" ? https : http;
    const options = {
      host: frontendAddress,
      headers: { host },
      servername: host,
      // A certificate of your own is verified by the authorities that everyone trusts.
      ca: [certificateAuthority, ...tls.rootCertificates],
      timeout: 5000,
    };
    const request = module.get(options, (response) => {
      const { statusCode, headers } = response;
      const judge = (page) => {
        const redirected = scheme === "http" && headers.location?.startsWith(`https://${host}`);
        const answered = statusCode === 200 && page.includes(`You asked for ${host}`);
        return redirected || answered ? undefined : `status ${statusCode}, not the demonstration's page`;
      };
      text(response)
        .then(judge, ({ message }) => message)
        .then(resolve);
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 5 s")));
    request.on("error", ({ message }) => resolve(message));
  });
}

let answering = 0;
for (const [source, host] of Object.entries(demoHosts)) {
  const [plain, encrypted] = await Promise.all([problem("http", host), problem("https", host)]);
  console.log(`${source.padEnd(12)} http://${host}  ${plain ?? "ok"}`);
  console.log(`${"".padEnd(12)} https://${host} ${encrypted ?? "ok"}`);
  if (!plain && !encrypted) answering++;
}
console.log(`${answering}/${Object.keys(demoHosts).length} sources answer`);
process.exitCode = answering === Object.keys(demoHosts).length ? 0 : 1;
