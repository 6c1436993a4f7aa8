import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { release } from "../in-cluster/release";
import { privilegedNamespace } from "../in-cluster/restricted";
import { tryShare } from "./shares";
import { StorageType, type Provisioner, type StorageTypeArgs } from "./storage-type";

/** Of every mount: SMB has no owners that pods would know, and numbers of files that servers give are not unique. */
const always = ["dir_mode=0777", "file_mode=0777", "noperm", "noserverino"];

/** Volumes that are folders of an SMB share, which many pods on many nodes may use at once. */
export class SmbStorage extends StorageType<"smb"> {
  constructor(
    name: string,
    args: StorageTypeArgs<"smb">,
    opts: pulumi.ComponentResourceOptions & { parent: pulumi.Resource },
  ) {
    super("SmbStorage", name, args, opts);
  }

  protected override provisioner(
    name: string,
    args: StorageTypeArgs<"smb">,
    inCluster: pulumi.CustomResourceOptions,
  ): Provisioner<"smb"> {
    const { api, config, dependsOn } = args;
    const chart = "csi-driver-smb";
    const namespace = privilegedNamespace(`${name}-namespace`, chart, inCluster);
    const driver = release(
      `${name}-driver`,
      { chart, namespace, api, config: config.storage.drivers.smb, values: { windows: { enabled: false } } },
      { parent: this, dependsOn },
    );
    return {
      ready: [driver],
      describe: (className, each) => {
        const password = config.smbPasswords[className];
        const [domain, user = domain] = each.user.split("/");
        const login = new k8s.core.v1.Secret(
          `storage-${className}-login`,
          {
            metadata: { name: `login-${className}`, namespace: namespace.metadata.name },
            stringData: {
              username: String(user),
              password: password ?? "",
              ...(each.user.includes("/") && { domain: String(domain) }),
            },
          },
          inCluster,
        );
        const secret = (use: string) => ({
          [`csi.storage.k8s.io/${use}-secret-name`]: login.metadata.name,
          [`csi.storage.k8s.io/${use}-secret-namespace`]: chart,
        });
        return {
          spec: {
            provisioner: "smb.csi.k8s.io",
            parameters: {
              source: `//${each.server}/${each.share}`,
              // With the first one each volume has a folder of its own.
              ...secret("provisioner"),
              ...secret("node-stage"),
            },
            mountOptions: [...always, ...each.mountOptions],
          },
          dependsOn: [login, ...tryShare(this, className, each, args, { user: each.user, password })],
        };
      },
    };
  }
}
