import { join } from "node:path";
import { defineConfig } from "vitest/config";

// The generated SDK is not in the repository, so that running the program against mocks needs only what npm installs.
const resolve = { alias: { "@pulumi/vsphere": join(import.meta.dirname, "tests/support/vsphere.ts") } };

// What Pulumi printed is what a failed test is about.
const chaiConfig = { truncateThreshold: 0 };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        test: {
          name: "unit",
          include: ["tests/unit/**/*.test.ts"],
          // Loading Pulumi's SDKs anew for every file would take longer than the tests.
          isolate: false,
          // Some start a shell a hundred times; a slow machine is no failure.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        test: { name: "charts", include: ["tests/charts/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 },
      },
      {
        test: {
          chaiConfig,
          name: "e2e",
          include: ["tests/e2e/**/*.test.ts"],
          // All files share the one lab that is up.
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { concurrent: false },
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          chaiConfig,
          name: "long",
          include: ["tests/long/**/*.test.ts"],
          // A lab of their own, beside the end-to-end tests'.
          env: { ESXI_K8S_LAB: "long" },
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 1_800_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
