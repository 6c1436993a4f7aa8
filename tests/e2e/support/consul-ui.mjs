// A person in Consul's web interface, in headless Chromium. The token comes through standard input.
//   consul-ui.mjs create ADDRESS NAME HOST   logs in and adds a router and its service, key by key
//   consul-ui.mjs delete ADDRESS NAME        logs in and deletes them
// Prints when the route was complete, or no longer, in milliseconds since 1970. Screenshots go to artifacts/.
import { mkdirSync } from "node:fs";
import { argv, stdin } from "node:process";
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";

const [what, address, name, host] = argv.slice(2);
const token = (await text(stdin)).trim();
const url = "https://consul.lab.localhost/ui/";
mkdirSync("artifacts", { recursive: true });

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  // Root has no use for the sandbox; names are the lab's own.
  args: ["--no-sandbox", `--host-resolver-rules=MAP *.lab.localhost ${address}`],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
page.setDefaultTimeout(15_000);
const screenshot = (of) => page.screenshot({ path: `artifacts/consul-${of}.png` });

/**
 * Does something from a page that is loaded anew, and again when it fails, as a person would: the interface sometimes trips over the
 * order in which its parts arrive ("There is no route named dc.peers"), takes no notice of what is entered before it has finished a
 * form ("Please enter your secret", below one that is there), keeps for good what it once was told that a token may do (without
 * "Create"), and Chromium drops what it loads when a machine of the lab, on the same bridge, goes or comes.
 */
async function patiently(path, attempt) {
  for (let left = 3; ; left--) {
    try {
      await page.goto(url + path);
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

try {
  await patiently("", async () => {
    // Where the interface keeps the token of who has logged in; its own words on that last for seconds.
    if ((await page.evaluate('localStorage["consul:token"] ?? ""')).includes("SecretID")) return;
    await page.getByRole("button", { name: "Log in" }).first().click();
    await page.getByPlaceholder("SecretID").fill(token);
    await page.keyboard.press("Enter");
    await page.getByText("You are now logged in").waitFor();
  });
  await screenshot("logged-in");

  const changed = what === "create" ? await create() : await remove();
  await page.waitForLoadState("networkidle");
  await screenshot(`${what}d`);
  console.log(changed);
} catch (error) {
  await screenshot("failed");
  console.error(`${page.url()} showed: ${await page.locator("body").innerText()}`);
  throw error;
} finally {
  await browser.close();
}

/**
 * Does something in the interface that changes the store, and waits until Consul has said that it did.
 * @returns when it has, in milliseconds since 1970
 */
async function change(method, act) {
  const answer = page.waitForResponse((response) => response.request().method() === method);
  const [response] = await Promise.all([answer, act()]);
  if (!response.ok()) throw new Error(`${method} ${response.url()} was answered with ${response.status()}`);
  return Date.now();
}

async function create() {
  const keys = {
    [`traefik/http/routers/${name}/rule`]: `Host(\`${host}\`)`,
    [`traefik/http/routers/${name}/service`]: name,
    [`traefik/http/services/${name}/loadBalancer/servers/0/url`]: "http://demo.demo.svc.cluster.local",
  };
  let changed = 0;
  for (const [key, value] of Object.entries(keys)) {
    await patiently("dc1/services", async () => {
      await page.getByRole("link", { name: "Key/Value" }).click();
      await page.getByRole("link", { name: "Create" }).click();
      await page.getByPlaceholder("Key or folder").fill(key);
      // From the editor of code to a field of text.
      await page.locator(".type-toggle label").click();
      await page.locator("textarea[name=value]").fill(value);
      await screenshot("create-key");
      changed = await change("PUT", () => page.getByRole("button", { name: "Save" }).click());
    });
  }
  await patiently(`dc1/kv/traefik/http/routers/${name}/`, () => page.getByRole("link", { name: "rule" }).waitFor());
  return changed;
}

async function remove() {
  const changed = [];
  for (const section of ["routers", "services"]) {
    const row = page.locator("tr", { hasText: name });
    await patiently(`dc1/kv/traefik/http/${section}/`, async () => {
      await page.locator("tbody tr").first().waitFor();
      // Done by an attempt that did not see it.
      if ((await row.count()) === 0) return;
      await row.getByRole("button", { name: "More" }).click();
      await row.getByText("Delete", { exact: true }).first().click();
      changed.push(await change("DELETE", () => row.getByRole("button", { name: "Delete" }).click()));
    });
  }
  if (changed.length === 0) throw new Error(`there was nothing called ${name} to delete`);
  // Without its router, a route is gone.
  return changed[0];
}
