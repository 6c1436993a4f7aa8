/**
 * Configuration of the HAProxy that answers as the demonstration: says which pod it is (environment: POD, NODE), and what it knows of who asked,
 * in the log as well. A connection for each request, so that a client's next one is not for a pod that has gone.
 * @param port where it listens
 */
export function demoConfig(port: number): string {
  const lines = [
    "Hello from ${POD} on ${NODE}.",
    "You asked for %[var(txn.host)] over %[var(txn.scheme)].",
    "Your address is %[var(txn.client)].",
  ];
  return `global
  log stdout format raw daemon
  maxconn 1000

defaults
  mode http
  log global
  option httpclose
  option dontlognull
  timeout client 10s

frontend page
  bind :${String(port)}
  http-request set-var(txn.host) req.hdr(host)
  http-request set-var(txn.scheme) str(http)
  http-request set-var(txn.scheme) req.hdr(x-forwarded-proto) if { req.hdr(x-forwarded-proto) -m found }
  http-request set-var(txn.client) src
  http-request set-var(txn.client) req.fhdr(x-forwarded-for) if { req.fhdr(x-forwarded-for) -m found }
  log-format "%[var(txn.client)] %[var(txn.host)] %[var(txn.scheme)] %HU"
  http-request return status 200 content-type text/plain lf-string "${lines.map((line) => `${line}\\n`).join("")}"
`;
}
