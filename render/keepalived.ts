export interface KeepalivedSettings {
  /** Address of the machine that the text is for. */
  address: string;
  /** Addresses of the other HAProxy machines; unicast, because many ESXi port groups drop VRRP's multicast. */
  peers: string[];
  virtualAddress: string;
  /** Prefix length of the subnet, in bits. */
  prefix: number;
  virtualRouterId: number;
  /** Higher wins; 1 to 254. */
  priority: number;
}

/** keepalived.conf of one HAProxy machine: the virtual address follows a healthy HAProxy. */
export function keepalivedConfig(settings: KeepalivedSettings): string {
  const { address, peers, virtualAddress, prefix, virtualRouterId, priority } = settings;
  return `# Written by esxi-k8s: edits are replaced at the next pulumi up.
global_defs {
    enable_script_security
    script_user root
}

vrrp_script haproxy {
    # Fails while the master process is gone, whatever systemd believes.
    script "/usr/bin/pgrep -o haproxy"
    interval 2
    fall 2
    rise 2
}

vrrp_instance frontend {
    # Equal starting states and no preemption: a machine that returns does not move the address again.
    state BACKUP
    nopreempt
    interface @INTERFACE@
    virtual_router_id ${String(virtualRouterId)}
    priority ${String(priority)}
    advert_int 1
    unicast_src_ip ${address}
${peers.length > 0 ? `    unicast_peer {\n${peers.map((peer) => `        ${peer}\n`).join("")}    }\n` : ""}    virtual_ipaddress {
        ${virtualAddress}/${String(prefix)}
    }
    track_script {
        haproxy
    }
}
`;
}
