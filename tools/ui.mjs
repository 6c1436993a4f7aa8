// Publishes the lab's web pages on loopback of this machine until it is interrupted: ui.mjs STACK
// The lab's network has no way out; Unix sockets, which belong to the file system, are the door.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, env, exit } from "node:process";
import { URL } from "node:url";
import { pages } from "./addresses.mjs";
import { outputs } from "./outputs.mjs";
import { splice } from "./relay.mjs";

const [httpPort, httpsPort, statsPort] = (env.PORTS ?? "8080,8443,8404").split(",").map(Number);
const stack = argv[2];
const values = outputs(stack, { secrets: true, through: ["sim/enter"] });
const { frontendAddress, consulToken, dashboardUser, dashboardPassword, statsUser, statsPassword } = values;
if (!frontendAddress) {
  console.error("error: nothing is up yet; run make up");
  exit(1);
}

const published = [
  [httpPort, `${frontendAddress}:80`],
  [httpsPort, `${frontendAddress}:443`],
  [statsPort, `${frontendAddress}:8404`],
];
const folder = mkdtempSync(join(tmpdir(), "esxi-k8s-ui-"));
const relay = spawn("sim/enter", ["node", "tools/relay.mjs", folder, ...published.map(([, target]) => target)], {
  stdio: ["ignore", "pipe", "inherit"],
});
const end = (code) => {
  relay.kill();
  rmSync(folder, { recursive: true, force: true });
  exit(code);
};
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => end(0));
relay.on("exit", () => end(1));
await once(relay.stdout, "data");

for (const [port, target] of published) {
  const server = net.createServer((socket) => splice(socket, net.connect(join(folder, target))));
  server.on("error", ({ message }) => {
    console.error(`error: ${message}; stop what listens there, or choose other ports: make ui PORTS=18080,18443,18404`);
    end(1);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

const here = (url) => {
  const { hostname, pathname, protocol } = new URL(url);
  return hostname === frontendAddress
    ? `http://127.0.0.1:${statsPort}${pathname}`
    : `${protocol}//${hostname}:${protocol === "https:" ? httpsPort : httpPort}${pathname}`;
};
const logins = {
  Consul: `token ${consulToken}`,
  "Traefik dashboard": `${dashboardUser} ${dashboardPassword}`,
  "HAProxy statistics": `${statsUser} ${statsPassword}`,
};
for (const [name, url] of pages(values)) {
  console.log(`${name.padEnd(20)} ${here(url)}${logins[name] ? `  (${logins[name]})` : ""}`);
}
console.log(
  "\nBrowsers send names below .localhost to this machine. They will warn of the lab's own certificate authority.",
);
console.log("Interrupt to stop.");
