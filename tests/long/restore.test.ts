import { afterAll, beforeAll, expect, it } from "vitest";
import { consul, editor, put } from "../e2e/support/client";
import { expectPlane } from "../e2e/support/etcd";
import {
  attempt,
  changedConfiguration,
  eventually,
  kubectl,
  machines,
  make,
  masters,
  pulumi,
  rejoined,
  run,
  workers,
} from "../e2e/support/lab";

/** The cluster of the lab, with masters that are protected as by default, is lost again and again, and made anew. */
const protectedMasters = () => changedConfiguration("    protect: false\n", "    protect: true\n");
const worker2 = "        worker-2: { host: esxi-2, address: 10.20.0.32 }\n";
const withWorker3 = () =>
  changedConfiguration("    protect: false\n", "    protect: true\n", (text) =>
    text.replace(worker2, `${worker2}        worker-3: { host: esxi-1, address: 10.20.0.33 }\n`),
  );

const up = (configuration: string[]) =>
  attempt("sim/enter", ["tools/refresh-machines", "sim"]).then(() =>
    attempt("sim/enter", ["tools/pulumi-up", "sim", "--yes", "--skip-preview", ...configuration], 900),
  );

/** Machines are gone for good: up makes them anew, and ends with what is to be done. */
async function loseMachines(names: string[], configuration: string[]): Promise<void> {
  for (const name of names) {
    await run("sim/vcenter", ["delete", name]);
  }
  const { code, stdout } = await up(configuration);
  expect(code).not.toBe(0);
  expect(stdout).toMatch(
    /no master answers at 10\.20\.0\.10:6022, so \S+ cannot join: .* make restore SNAPSHOT=latest/,
  );
}

async function restore(file: string, configuration: string[]): Promise<number> {
  const started = Date.now();
  const program = ["node", "-r", "ts-node/register/transpile-only", "tools/restore.ts", "cluster", "sim", file];
  const { code, stdout, stderr } = await attempt(
    "sim/enter",
    [...program, "--yes", "--skip-preview", ...configuration],
    900,
  );
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  return Math.round((Date.now() - started) / 1000);
}

const snapshot = async (): Promise<string> => String((await make("snapshot")).split("\n").at(-1));

async function expectEverything(nodes: string[], configuration: string[]): Promise<void> {
  await Promise.all(nodes.map(rejoined));
  await expectPlane("master-1");
  await kubectl("-n", "demo", "rollout", "restart", "deployment/demo");
  await kubectl("-n", "demo", "rollout", "status", "deployment/demo", "--timeout=180s");
  await eventually(120, async () => {
    expect(await make("demo-check")).toContain("3/3 sources answer");
  });
  await pulumi("preview", "--diff", "--expect-no-changes", ...configuration);
}

beforeAll(async () => {
  await run("sim/down", []);
  await run("sim/up", []);
  const { code, stdout } = await up(await protectedMasters());
  expect(code, stdout).toBe(0);
});

afterAll(async () => {
  await run("sim/down", []);
});

it("is restored on new machines, with Consul's store, after every one of them was lost", async () => {
  const configuration = await protectedMasters();
  await kubectl("create", "configmap", "written-before");
  await put("traefik/of-a-person", "a route");
  const file = await snapshot();
  await kubectl("create", "configmap", "written-after");
  await loseMachines(Object.keys(machines), configuration);
  console.log(`on new machines: ${String(await restore(file, configuration))} s`);
  await kubectl("get", "configmap", "written-before");
  expect((await attempt("make", ["kubectl", "ARGS=get configmap written-after"])).code).not.toBe(0);
  await expectEverything([...masters, ...workers], configuration);
  expect(await consul(await editor(), "GET", "kv/traefik/of-a-person?raw")).toEqual({ status: "200", body: "a route" });
});

it("is restored from a snapshot that does not know one of its workers, after two of three masters were lost", async () => {
  const configuration = await withWorker3();
  const file = await snapshot();
  const { code, stdout } = await up(configuration);
  expect(code, stdout).toBe(0);
  await loseMachines(["master-1", "master-3"], configuration);
  console.log(`without a quorum: ${String(await restore(file, configuration))} s`);
  await expectEverything([...masters, ...workers, "worker-3"], configuration);
  expect(await kubectl("get", "node", "worker-3", "-o", "jsonpath={.metadata.labels.esxi-k8s/pool}")).toBe("general");
});

it("gets an earlier store of Consul while it lives", async () => {
  const file = await snapshot();
  await put("traefik/of-a-person", "another route");
  await make("restore-consul", `SNAPSHOT=${file}`);
  await eventually(60, async () => {
    expect((await consul(await editor(), "GET", "kv/traefik/of-a-person?raw")).body).toBe("a route");
  });
});
