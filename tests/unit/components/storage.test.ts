import { describe, expect, test } from "vitest";
import { validConfig, vary } from "../../support/configs";
import { recordOnce, type Declared } from "../../support/recorder";

const names = (resources: Iterable<Declared>) => [...resources].map(({ name }) => name);

describe("two classes of folders", () => {
  const recorded = recordOnce(
    vary(validConfig(), {
      storage: {
        classes: {
          fast: { type: "local-path", path: "/srv/fast", reclaimPolicy: "Retain" },
          large: { type: "local-path", path: "/srv/large", default: true },
        },
      },
      consul: { storageClass: "fast" },
    }),
  );
  const storageClass = (name: string) => recorded().get("StorageClass", `storage-${name}-class`);

  test("are classes of one provisioner, and one is the default", () => {
    expect(recorded().ofType("StorageClass")).toHaveLength(2);
    expect(storageClass("fast").inputs).toMatchObject({
      metadata: { name: "fast" },
      provisioner: "rancher.io/local-path",
      volumeBindingMode: "WaitForFirstConsumer",
      reclaimPolicy: "Retain",
    });
    expect(storageClass("fast").inputs.metadata).not.toHaveProperty("annotations");
    expect(storageClass("large").inputs).toMatchObject({
      metadata: { name: "large", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      reclaimPolicy: "Delete",
    });
    expect(recorded().ofType("LocalPathStorage")).toHaveLength(1);
  });

  test("have a folder each", () => {
    const { data } = recorded().get("ConfigMap", "storage-local-path-settings").inputs as {
      data: Record<string, string>;
    };
    const folder = (path: string) => ({
      nodePathMap: [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [path] }],
    });
    expect(JSON.parse(String(data["config.json"]))).toEqual({
      storageClassConfigs: { fast: folder("/srv/fast"), large: folder("/srv/large") },
    });
  });

  test("are there when their provisioner is, and before Consul asks for volumes", () => {
    for (const name of ["fast", "large"]) {
      expect(names(recorded().before(storageClass(name)))).toContain("storage-local-path-provisioner");
      expect(recorded().before(recorded().release("consul"))).toContain(storageClass(name));
    }
    expect(recorded().release("consul").inputs.values).toMatchObject({ server: { storageClass: "fast" } });
  });
});
