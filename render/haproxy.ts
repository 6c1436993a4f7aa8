/** A server behind HAProxy. */
export interface Backend {
  name: string;
  address: string;
}

export interface HaproxySettings {
  /** Masters: every one is listed from the start, the health check tells which of them serve. */
  masters: Backend[];
  /** Workers, which pass 80 and 443 to the ingress controller's node ports. */
  workers: Backend[];
  ingressNodePorts: { http: number; https: number };
  /** Tell the ingress controller the client's address (PROXY protocol, version 2); it has to expect that. */
  proxyProtocol: boolean;
  /** Login of the statistics page; its password is filled in on the machine. */
  stats: { port: number; user: string };
  /** Paths on the statistics' port, for everybody. */
  health: {
    /** Says that this HAProxy lives, in which stack and with which configuration. */
    alive: string;
    /** Says whether any server can be reached from here. */
    connected: string;
  };
}

/** Port behind which any master that serves answers to SSH. */
export const mastersSshPort = 6022;

/** Where on the machine the password of the statistics page is filled in: the rest is no secret, and a preview may show it. */
const statsPassword = "@STATS_PASSWORD@";

/** Likewise what the machine answers when it is asked whether it lives. */
const healthAnswer = "@HEALTH_ANSWER@";

/** haproxy.cfg of the frontend: layer 4 only, TLS ends at the API servers and at the ingress controller. */
export function haproxyConfig(settings: HaproxySettings): string {
  const { masters, workers, ingressNodePorts, proxyProtocol, stats, health } = settings;
  // Asks whether a server is ready and sends no credential; clients verify the certificate themselves.
  const readyCheck = "check check-ssl verify none";
  // Clients of a master that hangs go to another one; of the only one they had better wait.
  const downApi = masters.length > 1 ? " on-marked-down shutdown-sessions" : "";
  const ingressCheck = proxyProtocol ? "check send-proxy-v2" : "check";
  const servers = (backends: Backend[], port: number, check: string) =>
    backends.map(({ name, address }) => `    server ${name} ${address}:${String(port)} ${check}`).join("\n");

  return `# Written by esxi-k8s: edits are replaced at the next pulumi up.
global
    log /dev/log local0
    user haproxy
    group haproxy
    # Connections outlive a reload (watches of the API, WebSockets), but not for ever.
    hard-stop-after 30m
    # The new process takes the listening sockets over from here, so that a reload refuses nobody.
    stats socket /run/haproxy/admin.sock mode 600 level admin expose-fd listeners

defaults
    mode tcp
    log global
    option tcplog
    option dontlognull
    # A machine without power is silent; each further attempt goes to another server.
    option redispatch 1
    retries 3
    timeout connect 1s
    # Watches are silent for minutes; keep-alive probes find dead peers sooner than a short timeout would.
    timeout client 1h
    timeout server 1h
    option clitcpka
    option srvtcpka
    srvtcpka-idle 10s
    srvtcpka-intvl 5s
    srvtcpka-cnt 3
    # Checks are patient: connections find another server by themselves, and while etcd elects a leader no master is
    # ready for a moment, which must not close every door at once.
    timeout check 3s
    # A machine that acknowledges nothing for ten seconds is dead.
    default-server inter 1s fastinter 1s downinter 1s fall 3 rise 1 tcp-ut 10s

frontend kube-apiserver
    bind :6443
    default_backend kube-apiserver

backend kube-apiserver
    balance leastconn
    option httpchk GET /readyz
    http-check expect status 200
${servers(masters, 6443, `${readyCheck}${downApi}`)}

# SSH to a master that serves, for what needs the cluster and no particular machine.
frontend masters
    bind :${String(mastersSshPort)}
    default_backend masters

backend masters
    balance leastconn
    option httpchk GET /readyz
    http-check expect status 200
${servers(masters, 22, `${readyCheck} port 6443`)}

frontend http
    bind :80
    default_backend http

# An ingress controller that stops takes no new connections, and answers what it has been asked: those are not cut.
backend http
    balance leastconn
${servers(workers, ingressNodePorts.http, ingressCheck)}

frontend https
    bind :443
    default_backend https

backend https
    balance leastconn
${servers(workers, ingressNodePorts.https, ingressCheck)}

frontend stats
    mode http
    option httplog
    bind :${String(stats.port)}
    timeout client 10s
    # Asked every second, which is not worth a line of the log.
    http-request set-log-level silent if { path ${health.alive} ${health.connected} }
    http-request return status 200 content-type text/plain string "${healthAnswer}" if { path ${health.alive} }
    acl reaches-a-server nbsrv(kube-apiserver) gt 0
    acl reaches-a-server nbsrv(http) gt 0
    http-request return status 200 if { path ${health.connected} } reaches-a-server
    http-request return status 503 if { path ${health.connected} }
    stats enable
    stats uri /stats
    stats refresh 10s
    stats auth ${stats.user}:${statsPassword}
`;
}
