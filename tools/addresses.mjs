// Prints where a stack's pages are, and how to get there: addresses.mjs STACK
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { outputs } from "./outputs.mjs";

/** @returns {[string, string][]} what a person opens, and where it is */
export function pages({ consulUrl, dashboardUrl, statsUrl, demoHosts = {} }) {
  return [
    ["Consul", consulUrl],
    ["Traefik dashboard", dashboardUrl],
    ["HAProxy statistics", statsUrl],
    ...Object.entries(demoHosts).map(([source, host]) => [`demo by ${source}`, `https://${host}/`]),
  ].filter(([, url]) => url);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const stack = argv[2];
  const values = outputs(stack);
  const rows = [["Kubernetes API", values.apiUrl], ...pages(values)];
  console.log(`\n${rows.map(([name, url]) => `${name.padEnd(20)} ${url}`).join("\n")}`);
  const names = Object.values(values.ingressHosts ?? {}).flat();
  if (stack === "sim") {
    console.log("\nTo open them in a browser of this machine: make ui");
  } else if (names.length > 0) {
    console.log(`\nLet your name server, or /etc/hosts, answer with ${values.frontendAddress} for: ${names.join(" ")}`);
  }
}
