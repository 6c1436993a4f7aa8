import { toYaml } from "./yaml";
import { parseNetwork } from "../config/addresses";

/** What a machine has to know to come up on the network. */
export interface NetworkSettings {
  /** Subnet in CIDR notation; its prefix becomes the address's. */
  subnet: string;
  gateway: string;
  /** Resolvers, most preferred first. */
  dns: string[];
}

/**
 * Metadata of cloud-init's VMware data source, with a static network configuration (netplan version 2).
 * @param name instance id and host name
 * @param address static IPv4 address
 */
export function metadata(name: string, address: string, network: NetworkSettings): string {
  return toYaml({
    "instance-id": name,
    "local-hostname": name,
    // Any process of a guest may read its guestinfo, and the user data hold the private host key.
    "cleanup-guestinfo": ["userdata"],
    network: {
      version: 2,
      ethernets: {
        lan: {
          // ens192 on ESXi, eth0 on the simulated lab: a template has one adapter.
          match: { name: "e*" },
          dhcp4: false,
          dhcp6: false,
          addresses: [`${address}/${String(parseNetwork(network.subnet).prefix)}`],
          routes: [{ to: "default", via: network.gateway }],
          ...(network.dns.length > 0 && { nameservers: { addresses: network.dns } }),
        },
      },
    },
  });
}

/** Who may log in to a machine and how the machine proves who it is. */
export interface Access {
  /** Administrator that is created, with sudo and without a password. */
  user: string;
  /** The administrator's public key. */
  authorizedKey: string;
  /** The machine's own host key. */
  hostKey: { privateKey: string; publicKey: string };
}

/** User data of cloud-init. Holds the private host key: treat the result as a secret. */
export function userdata({ user, authorizedKey, hostKey }: Access): string {
  const config = {
    users: [
      {
        name: user,
        shell: "/bin/bash",
        lock_passwd: true,
        sudo: "ALL=(ALL) NOPASSWD:ALL",
        ssh_authorized_keys: [authorizedKey],
      },
    ],
    disable_root: true,
    ssh_pwauth: false,
    // The one host key is the one that the graph made, so that every connection can verify it.
    ssh_deletekeys: true,
    ssh_genkeytypes: [],
    ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: hostKey.publicKey },
    manage_etc_hosts: true,
  };
  return `#cloud-config\n${toYaml(config)}`;
}
