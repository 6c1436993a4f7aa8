import { isIPv4 } from "node:net";
import { z } from "zod";
import { dnsNameForm, dnsNameLength } from "./dns-names";

/** What a class of every type may say. */
const common = {
  /** The class of volumes that name none. At most one class is the default. Default false. */
  default: z.boolean().default(false),
  /** What becomes of a volume's data when its claim is deleted: `Delete` or `Retain`. Default `Delete`. */
  reclaimPolicy: z.enum(["Delete", "Retain"]).default("Delete"),
};

const text = z.string({ error: "a text" }).min(1, { error: "a text that is not empty" });
const serverHint = { error: "a host name or an IPv4 address such as nas.example.org" };
const server = z
  .string(serverHint)
  .refine((name) => isIPv4(name) || (name.length <= dnsNameLength && dnsNameForm.test(name)), serverHint);
/** Options of mount, for volumes of the class and for the check of its share. */
const mountOptions = z
  .array(z.string().regex(/^[\w.]+(=[^\s,]+)?$/, { error: "an option of mount such as nfsvers=4.1" }))
  .default([]);

/** Folders on the nodes' own disks, by Rancher's provisioner; a volume stays on its node. */
const localPath = z.strictObject({
  type: z.literal("local-path"),
  ...common,
  /** Folder on every node that receives the volumes. */
  path: z
    .string()
    .regex(/^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)+\/?$/, { error: "an absolute path other than /" })
    .default("/var/lib/local-path-provisioner"),
});

/** A folder below an NFS share for each volume, which many pods on many nodes may share. */
const nfs = z.strictObject({
  type: z.literal("nfs"),
  ...common,
  server,
  /** Path that the server exports. */
  share: z.string().regex(/^\/[^\s,:]*$/, { error: "the path of an export such as /volume1/kubernetes" }),
  mountOptions,
});

/** A folder below an SMB share for each volume, likewise. */
const smb = z.strictObject({
  type: z.literal("smb"),
  ...common,
  server,
  /** Name of the share, and of a folder in it if need be, without slashes around it. */
  share: z.string().regex(/^[^\s\\/,][^\s\\,]*(?<!\/)$/, { error: "the name of a share such as kubernetes" }),
  /** Who logs in, as `NAME` or `DOMAIN/NAME`; the password is `smbPasswords.<class>`. */
  user: z.string().regex(/^([^\s\\/]+\/)?[^\s\\/]+$/, { error: "a user such as k8s or EXAMPLE/k8s" }),
  mountOptions,
});

/** Disks in datastores, which follow their pod to another node. Exactly one of `datastore` and `storagePolicy`. */
const vsphere = z.strictObject({
  type: z.literal("vsphere"),
  ...common,
  /** Name of the datastore that takes the disks. One that `hosts` gives to some hosts alone takes volumes of nodes there alone. */
  datastore: text.optional(),
  /** Name of the storage policy that chooses it. */
  storagePolicy: text.optional(),
  /** File system of the disks. Default `ext4`. */
  fsType: z.enum(["ext4", "xfs"]).default("ext4"),
});

/** A StorageClass. */
export const storageClass = z.discriminatedUnion("type", [localPath, nfs, smb, vsphere], {
  error: "a type of storage: local-path, nfs, smb, vsphere",
});

/** What the drivers of classes of type `vsphere` need to know of vCenter. */
export const storageVcenter = z.strictObject({
  /** The drivers' own account; its password is `storageVcenterPassword`. docs/storage.md lists the privileges that it needs. */
  user: text,
  /**
   * Category of vCenter tags that tell hosts apart, each tagged with its key in `hosts`. Needed where a class is of a datastore that not all
   * hosts have. Default: none.
   */
  topologyCategory: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/i, { error: "the name of a tag category such as k8s-host" })
    .optional(),
});

export type StorageClassConfig = z.infer<typeof storageClass>;
export type StorageTypeName = StorageClassConfig["type"];
/** The classes of one type. */
export type ClassOf<Type extends StorageTypeName> = Extract<StorageClassConfig, { type: Type }>;
export type ClassesOf<Type extends StorageTypeName> = Record<string, ClassOf<Type>>;

/** Those of some classes that are of a type. */
export function classesOf<Type extends StorageTypeName>(
  type: Type,
  classes: Record<string, StorageClassConfig>,
): ClassesOf<Type> {
  return Object.fromEntries(
    Object.entries(classes).filter((entry): entry is [string, ClassOf<Type>] => entry[1].type === type),
  );
}

/** Whether any of some classes is of a type. */
export function hasType(type: StorageTypeName, classes: Record<string, StorageClassConfig>): boolean {
  return Object.values(classes).some((each) => each.type === type);
}

/** Whether the driver of a type takes snapshots of its volumes. */
export function takesSnapshots(type: StorageTypeName): boolean {
  return type === "nfs" || type === "vsphere";
}

/** Keys of the hosts that have the datastore of a class to themselves; undefined where it is nobody's alone, or all have it. */
export function hostsOf(
  { datastore }: ClassOf<"vsphere">,
  hosts: Record<string, { name: string; datastore: string }>,
): string[] | undefined {
  const own = Object.entries(hosts).flatMap(([key, host]) => (host.datastore === datastore ? [key] : []));
  return own.length === 0 || own.length === Object.keys(hosts).length ? undefined : own;
}
