import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { ask, consul, domain, editor, route, status, store, traefikPods, unroute } from "./support/client";
import { eventually, make, pulumi, temporaryFile } from "./support/lab";

interface Resource {
  urn: string;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[]>;
}

interface Exported {
  deployment: { resources: Resource[] };
}

const exported = async () => JSON.parse(await pulumi("stack", "export")) as Exported;
const isNamed = (urn: string, ...names: string[]) => names.some((name) => urn.endsWith(`::${name}`));

/** Takes resources out of the state, as if they had never been recorded. */
async function forget(...names: string[]): Promise<void> {
  const state = await exported();
  const others = (urns: string[] = []) => urns.filter((urn) => !isNamed(urn, ...names));
  const resources = state.deployment.resources
    .filter(({ urn }) => !isNamed(urn, ...names))
    .map((resource) => ({
      ...resource,
      dependencies: others(resource.dependencies),
      propertyDependencies: Object.fromEntries(
        Object.entries(resource.propertyDependencies ?? {}).map(([property, urns]) => [property, others(urns)]),
      ),
    }));
  expect(resources).toHaveLength(state.deployment.resources.length - names.length);
  const file = await temporaryFile(JSON.stringify({ ...state, deployment: { ...state.deployment, resources } }));
  await pulumi("stack", "import", "--file", file);
}

/** The configuration with one place of it changed. */
async function changedConfiguration(place: string, change: string): Promise<string[]> {
  const good = await readFile("Pulumi.sim.yaml", "utf8");
  expect(good).toContain(place);
  return ["--config-file", await temporaryFile(good.replace(place, change))];
}

/** What later runs of Pulumi do with a cluster that is up. */
export function describeRuns(): void {
  it("changes nothing the second time", async () => {
    await make("up");
    await pulumi("preview", "--expect-no-changes");
  });

  let podsBefore: string[];

  it("takes a changed configuration", async () => {
    podsBefore = await traefikPods();
    await route("by-hand", `by-hand.${domain}`);
    const changed = await changedConfiguration(
      `    domain: ${domain}\n`,
      `    domain: ${domain}
    dynamic:
      http:
        routers:
          added: { rule: "Host(\`added.${domain}\`)", service: demo-file, middlewares: [mark@consul] }
          # Does not go with the middleware.
          plain: { rule: "Host(\`plain.${domain}\`)", service: demo-file }
  esxi-k8s:consul:
    kv:
      traefik/http/middlewares/mark/headers/customResponseHeaders/X-Mark: from Consul
`,
    );
    await pulumi("up", "--yes", "--skip-preview", ...changed);
  });

  it("has brought it to Traefik soon, with middlewares across sources", async () => {
    // The kubelet brings a changed ConfigMap to its pods within about a minute.
    await eventually(150, async () => {
      expect(await ask(`https://added.${domain}/`)).toMatch(/x-mark: from consul/i);
      expect(await status(`https://plain.${domain}/`)).toBe("200");
    });
  });

  it("takes over objects that an interrupted run made and could not record", async () => {
    await forget("control-plane-flannel-daemon", "demo-application", "demo-ingress");
    // The configuration goes back in the same run.
    expect(await make("up")).toContain("+ 3 created");
  });

  it("takes a changed configuration back without a restart, and leaves alone what people added", async () => {
    await eventually(150, async () => {
      expect(await status(`https://plain.${domain}/`)).toBe("404");
    });
    await store.calmly(async () => {
      expect((await consul(await editor(), "GET", "kv/traefik/http/middlewares/?keys")).status).toBe("404");
    });
    expect(await status(`https://by-hand.${domain}/`)).toBe("200");
    expect(await traefikPods()).toEqual(podsBefore);
    await unroute("by-hand");
  });
}
