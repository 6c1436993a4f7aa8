import { X509Certificate } from "node:crypto";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { consul, editor, put, remove } from "./support/client";
import { expectPlane } from "./support/etcd";
import { onConsole } from "./support/frontend";
import {
  attempt,
  eventually,
  forgetAnswers,
  forMake,
  inLab,
  kubectl,
  make,
  masters,
  output,
  pulumi,
} from "./support/lab";
import { changed } from "./support/stack";

const kubernetes = "/etc/kubernetes";
/** The serial number of the certificate that a master's API server has in its file. */
const serial = (master: string) => onConsole(master, `openssl x509 -noout -serial -in ${kubernetes}/pki/apiserver.crt`);
/** That of the administrator in the stack's kubeconfig. */
async function administrator(): Promise<X509Certificate> {
  const text = await inLab("pulumi", "stack", "output", "kubeconfig", "--show-secrets", "--stack", "sim");
  const [{ user }] = (parse(text) as { users: [{ user: { "client-certificate-data": string } }] }).users;
  return new X509Certificate(Buffer.from(user["client-certificate-data"], "base64"));
}
const serves = (master: string) =>
  onConsole(
    master,
    `kubectl --kubeconfig ${kubernetes}/admin.conf --server https://localhost:6443 --tls-server-name kubernetes --request-timeout 5s get --raw /readyz`,
  );

/** Certificates end, and nobody has to think of it. */
export function describeCertificates(): void {
  it("renews those of kubeadm when they are due, one master after the other, and once", async () => {
    const before = await Promise.all(masters.map(serial));
    const pods = () =>
      kubectl(
        "get",
        "pods",
        "--all-namespaces",
        "-l",
        "tier!=control-plane",
        "-o",
        "jsonpath={.items[*].metadata.uid}",
      );
    const [old, running] = [await administrator(), await pods()];
    const due = await changed({ certificates: () => ({ renewBeforeDays: 365 }) });
    const { stdout: review } = await attempt("make", ["--no-print-directory", "review", forMake(due)]);
    for (const master of masters) {
      expect(review).toMatch(new RegExp(`\\*\\*${master}\\*\\*.*renew-certificates: \`DUE\``));
    }
    const said = await make("up", forMake(due));
    const order = [...said.matchAll(/remote:Command (master-\d)-certificates updated \(/g)].map(([, name]) => name);
    expect(order).toEqual(masters);
    for (const [index, now] of (await Promise.all(masters.map(serial))).entries()) {
      expect(now).not.toBe(before[index]);
    }
    // Nothing on the provider is made anew.
    expect((await administrator()).serialNumber).not.toBe(old.serialNumber);
    expect(await pods()).toBe(running);
    await expectPlane("master-1");
    await make("up");
    await pulumi("preview", "--expect-no-changes");
  });

  it("says when they end", async () => {
    const ends = JSON.parse(
      await inLab("pulumi", "stack", "output", "certificatesEnd", "--json", "--stack", "sim"),
    ) as Record<string, string>;
    expect(Object.keys(ends).sort()).toEqual(
      [...masters, "authority-certificate", "consul-certificate", "ingress-certificate", "metrics-certificate"].sort(),
    );
    for (const end of Object.values(ends)) {
      expect(Date.parse(end)).toBeGreaterThan(Date.now() + 360 * 24 * 60 * 60 * 1000);
    }
  });

  it("has another authority of the stack, and Consul's servers change over while they run", async () => {
    const servers = () =>
      kubectl(
        ...["-n", "consul", "get", "pods", "--selector", "component=server", "-o"],
        "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {end}",
      );
    const trusted = async () =>
      Buffer.from(
        await kubectl("-n", "consul", "get", "secret", "consul-ca-cert", "-o", "jsonpath={.data.ca\\.crt}"),
        "base64",
      )
        .toString()
        .trim();
    const [old, running] = [(await output("certificateAuthority")).trim(), await servers()];
    expect(await trusted()).toBe(old);
    await make("up", "ARGS=--replace **::authority-certificate");
    forgetAnswers();
    const own = (await output("certificateAuthority")).trim();
    expect(own).not.toBe(old);
    expect(await trusted()).toBe(`${own}\n${old}`);
    expect(await servers()).toBe(running);
    const mark = "traefik/http/middlewares/authority/headers/customResponseHeaders/X-Authority";
    await put(mark, "another");
    await eventually(60, async () => {
      expect((await make("demo-check")).split("\n").at(-1)).toBe("3/3 sources answer");
    });
    // Nothing presents any more what the old one issued.
    await make("up");
    expect(await trusted()).toBe(own);
    expect(await servers()).toBe(running);
    expect((await consul(await editor(), "GET", `kv/${mark}?raw`)).body).toBe("another");
    await remove(mark);
    await pulumi("preview", "--expect-no-changes");
  });

  it("mends one that has expired on a master", async () => {
    const [master = ""] = masters.slice(-1);
    await onConsole(
      master,
      `cd ${kubernetes}/pki && openssl x509 -in apiserver.crt -x509toreq -copy_extensions copyall -signkey apiserver.key -out /run/request 2>&1 &&
       openssl x509 -req -in /run/request -CA ca.crt -CAkey ca.key -days 0 -copy_extensions copyall -out apiserver.crt 2>&1 &&
       crictl --runtime-endpoint unix:///run/containerd/containerd.sock stop $(crictl --runtime-endpoint unix:///run/containerd/containerd.sock ps -q --name kube-apiserver)`,
    );
    const { stdout } = await attempt("make", ["--no-print-directory", "drift"]);
    expect(stdout).toMatch(
      new RegExp(`\\*\\*${master}\\*\\* \\| \`certificate ${kubernetes}/pki/apiserver.crt\` \\| in force \\| until `),
    );
    expect(await make("repair")).toContain(`${master}: ${kubernetes}/pki/apiserver.crt: mended`);
    await eventually(60, async () => {
      expect(await serves(master)).toBe("ok");
    });
    await expectPlane("master-1");
  });
}
