import { stepPath } from "./step";

export interface KeepalivedSettings {
  /** Address of the machine that the text is for. */
  address: string;
  /** Addresses of the other HAProxy machines; unicast, because many ESXi port groups drop VRRP's multicast. */
  peers: string[];
  virtualAddress: string;
  /** Prefix length of the subnet, in bits. */
  prefix: number;
  virtualRouterId: number;
  /** Higher wins where two hold the address; 1 to 200. */
  priority: number;
  /** Where on the machine HAProxy says that it lives, and whether it reaches a server. */
  health: { alive: string; connected: string };
}

/** Stands in both texts for the machine's network interface, which only the machine knows. */
export const interfacePlaceholder = "@INTERFACE@";

/** Seconds for which keepalived may be silent before it is taken for stuck; its peers take over after less than half of that. */
const patience = 4.5;

/** keepalived.conf of one HAProxy machine: the virtual address follows a healthy HAProxy. */
export function keepalivedConfig(settings: KeepalivedSettings): string {
  const { address, peers, virtualAddress, prefix, virtualRouterId, priority, health } = settings;
  // Without a peer keepalived would use multicast. A machine that is alone tells itself, and still hears one that leaves. It keeps the
  // address whatever becomes of its HAProxy: nobody else could take it.
  const told = peers.length > 0 ? peers : [virtualAddress];
  const asks = (url: string) => `/usr/bin/curl --silent --fail --max-time 1.5 --output /dev/null ${url}`;
  const fault =
    peers.length > 0
      ? `# The only fault: HAProxy is gone, or stuck with its sockets open. It answers by itself, whatever its servers do.
vrrp_script haproxy {
    script "${asks(health.alive)}"
    interval 1
    timeout 2
    fall 1
    rise 2
}

`
      : "";
  return `# Written by esxi-k8s: edits are replaced at the next pulumi up.
global_defs {
    enable_script_security
    script_user root
    # Knows fractions of a second.
    vrrp_version 3
    # Who gives way to another holder says so, and that one tells the network once more where the address is.
    vrrp_higher_prio_send_advert true
}

${fault}# No fault: decides between two holders alone, when a machine returns whose network was cut.
vrrp_script connected {
    script "${asks(health.connected)}"
    interval 2
    timeout 2
    fall 1
    rise 3
    weight 50
}

# Tells systemd that keepalived lives, which ends one that is stuck and would keep the address.
vrrp_script watchdog {
    script "/usr/bin/env NOTIFY_SOCKET=/run/systemd/notify /usr/bin/systemd-notify WATCHDOG=1"
    interval 1
    timeout 2
    weight 1
}

vrrp_instance frontend {
    # Equal starting states and no preemption: a machine that returns does not move the address again.
    state BACKUP
    nopreempt
    interface ${interfacePlaceholder}
    virtual_router_id ${String(virtualRouterId)}
    priority ${String(priority)}
    # The others wait for three of them, and a moment.
    advert_int 0.5
    # Some switch or router may have missed the first ones.
    garp_master_refresh 10
    unicast_src_ip ${address}
    unicast_peer {
${told.map((peer) => `        ${peer}\n`).join("")}    }
    virtual_ipaddress {
        ${virtualAddress}/${String(prefix)}
    }
    track_script {
${peers.length > 0 ? "        haproxy\n" : ""}        connected
        watchdog
    }
}
`;
}

/**
 * What systemd has to know of keepalived beyond its package's unit: when it may start, that it is watched and comes back, and that the
 * address goes with it however it ends.
 */
export function keepalivedUnit({ peers, virtualAddress, prefix }: KeepalivedSettings): string {
  const awaiting = [
    stepPath("await-virtual-address"),
    `VIRTUAL_ADDRESS=${virtualAddress}`,
    `INTERFACE=${interfacePlaceholder}`,
    `"PEERS=${peers.join(" ")}"`,
  ];
  return `# Written by esxi-k8s: edits are replaced at the next pulumi up.
[Unit]
StartLimitIntervalSec=0

[Service]
ExecStartPre=${awaiting.join(" ")}
TimeoutStartSec=infinity
NotifyAccess=all
WatchdogSec=${String(patience)}
WatchdogSignal=SIGKILL
TimeoutStopSec=5
Restart=always
RestartSec=1
Nice=-20
ExecStopPost=-ip address delete ${virtualAddress}/${String(prefix)} dev ${interfacePlaceholder}
`;
}
