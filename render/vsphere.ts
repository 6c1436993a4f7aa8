import { toYaml } from "./yaml";

/** What the drivers log in to. */
export interface VsphereAccount {
  /** Host name or address, with a port behind a colon if need be. */
  server: string;
  datacenter: string;
  allowUnverifiedSsl: boolean;
  user: string;
  password: string;
}

/** Key of the Secret, and name of the file, that hold the CSI driver's configuration. */
export const csiFile = "csi-vsphere.conf";

const hostAndPort = (server: string) => {
  const [, host = server, port = "443"] = /^(.*?)(?::(\d+))?$/.exec(server) ?? [];
  return { host, port };
};
const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;

/**
 * The CSI driver's configuration, with the password of its account.
 * @param cluster tells volumes of clusters below one vCenter apart, for as long as the cluster lives
 * @param topologyCategory category of the tags by which hosts are told apart
 */
export function csiConfig(account: VsphereAccount, cluster: string, topologyCategory?: string): string {
  const { host, port } = hostAndPort(account.server);
  return [
    "[Global]",
    `cluster-id = ${quoted(cluster)}`,
    "",
    `[VirtualCenter ${quoted(host)}]`,
    `insecure-flag = ${quoted(String(account.allowUnverifiedSsl))}`,
    `user = ${quoted(account.user)}`,
    `password = ${quoted(account.password)}`,
    `port = ${quoted(port)}`,
    `datacenters = ${quoted(account.datacenter)}`,
    ...(topologyCategory === undefined ? [] : ["", "[Labels]", `topology-categories = ${quoted(topologyCategory)}`]),
    "",
  ].join("\n");
}

/** The cloud provider's configuration. Its account is in a Secret beside it. */
export function cpiConfig(
  { server, datacenter, allowUnverifiedSsl }: Omit<VsphereAccount, "user" | "password">,
  secret: { name: string; namespace: string },
): string {
  const { host, port } = hostAndPort(server);
  return toYaml({
    global: {
      port: Number(port),
      insecureFlag: allowUnverifiedSsl,
      secretName: secret.name,
      secretNamespace: secret.namespace,
    },
    vcenter: { [host]: { server: host, datacenters: [datacenter] } },
  });
}

/** Data of that Secret. */
export function cpiLogin({ server, user, password }: Pick<VsphereAccount, "server" | "user" | "password">) {
  const { host } = hostAndPort(server);
  return { [`${host}.username`]: user, [`${host}.password`]: password };
}
