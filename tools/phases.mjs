// Where the time of a `pulumi up` went, from the engine's event log (seconds): phases.mjs EVENT-LOG
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { readEvents } from "./events.mjs";

/** Phases in the order of the work. The end of a resource's URN decides, the first match wins. */
const phases = [
  ["machines cloned", /VirtualMachine::/],
  ["machines booted", /-(reached|booted)$/],
  ["HAProxy configured", /-(haproxy|keepalived)$/],
  ["nodes prepared", /-(prepare|allow-joins)$/],
  ["cluster founded", /-founded$/],
  ["pod network declared", /Flannel\$/],
  ["cluster DNS declared", /ClusterDns\$/],
  ["masters joined", /K8sControlPlane.*-join$/],
  ["workers joined", /-(join|labels)$/],
  ["masters Ready", /-ready$/],
  ["storage declared", /Storage\$/],
  ["Consul serving", /Release::consul$|-(acl|entries)$/],
  ["Traefik serving", /Release::ingress$/],
  ["demonstration", /Demo\$/],
];

/**
 * @param {string} file an event log that `pulumi up --event-log` wrote
 * @returns {{total: number, spans: {phase: string, from: number, to: number, resources: number}[]}} in seconds since the start
 */
export function readPhases(file) {
  const events = readEvents(file);
  const times = events.map(({ timestamp }) => timestamp);
  const started = Math.min(...times);

  const spans = new Map();
  for (const { timestamp, resourcePreEvent, resOutputsEvent } of events) {
    const metadata = (resourcePreEvent ?? resOutputsEvent)?.metadata;
    if (!metadata || ["same", "read"].includes(metadata.op)) continue;
    const phase = phases.find(([, pattern]) => pattern.test(metadata.urn))?.[0];
    if (!phase) continue;
    const at = timestamp - started;
    const span = spans.get(phase) ?? { phase, from: at, to: at, urns: new Set() };
    span.to = at;
    span.urns.add(metadata.urn);
    spans.set(phase, span);
  }
  return {
    total: Math.max(...times) - started,
    spans: phases
      .filter(([phase]) => spans.has(phase))
      .map(([phase]) => ({ ...spans.get(phase), resources: spans.get(phase).urns.size })),
  };
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const { total, spans } = readPhases(argv[2]);
  const row = (name, from, to, took, count) =>
    [name.padEnd(26), ...[from, to, took].map((n) => String(n).padStart(6)), String(count).padStart(10)].join(" ");
  console.log(`\n${row("phase (seconds)", "from", "to", "took", "resources")}`);
  for (const { phase, from, to, resources } of spans) console.log(row(phase, from, to, to - from, resources));
  console.log(row("pulumi up", 0, total, total, ""));
}
