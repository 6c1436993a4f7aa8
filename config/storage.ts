import { z } from "zod";

/** What a class of every type may say. */
const common = {
  /** The class of volumes that name none. At most one class is the default. Default false. */
  default: z.boolean().default(false),
  /** What becomes of a volume's data when its claim is deleted: `Delete` or `Retain`. Default `Delete`. */
  reclaimPolicy: z.enum(["Delete", "Retain"]).default("Delete"),
};

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

/** A StorageClass. */
export const storageClass = z.discriminatedUnion("type", [localPath], { error: "a type of storage: local-path" });

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
    Object.entries(classes).filter((entry): entry is [string, ClassOf<Type>] => entry[1].type === (type as string)),
  );
}
