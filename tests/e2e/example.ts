import { cp } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { ask, domain, status } from "./support/client";
import { api, eventually, inLab, kubectl, room, run, temporaryFolder } from "./support/lab";

/** An application that another stack deploys: a copy of examples/hello, used as docs/kubeconfig.md says. */
export function describeExample(): void {
  const url = `https://hello.${domain}/`;
  let folder: string;
  const hello = (...args: string[]) =>
    room.calmly(() => api.calmly(() => inLab("pulumi", "-C", folder, ...args, "--stack", "sim")));

  it("is deployed with the kubeconfig of the cluster's stack and answers by its own host name", async () => {
    folder = join(await temporaryFolder(), "hello");
    const ofUsers = (path: string) => !/^node_modules$|^Pulumi\..+\.yaml$/.test(basename(path));
    await cp("examples/hello", folder, { recursive: true, filter: ofUsers });
    // From the cache, where the project's own packages have come by.
    await run("npm", ["ci", "--prefix", folder, "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]);
    await hello("stack", "init");
    await hello("config", "set", "host", `hello.${domain}`);
    expect(await hello("up", "--yes", "--skip-preview")).toContain("+ 7 created");
    expect(await hello("stack", "output", "url")).toBe(url);
    await eventually(10, async () => {
      expect(await ask(url)).toContain(`Hello from organization/esxi-k8s/sim, at hello.${domain}.`);
      expect(await status(url.replace("https:", "http:"))).toBe("200");
    });
  });

  it("keeps the kubeconfig a secret", async () => {
    const state = await hello("stack", "export");
    expect(state).toContain('"kubeconfig"');
    expect(state).not.toContain("client-key-data");
    expect(state).not.toContain("LS0tLS1");
  });

  it("asks nobody for a second up", async () => {
    await hello("preview", "--expect-no-changes");
  });

  it("is destroyed and leaves nothing behind", async () => {
    await hello("destroy", "--yes", "--skip-preview");
    await hello("stack", "rm", "--yes");
    expect(await kubectl("get", "namespaces", "-o", "name")).not.toContain("hello");
    await eventually(10, async () => {
      expect(await status(url)).toBe("404");
    });
  });
}
