import { describe, expect, it } from "vitest";
import {
  allServersVote,
  consul,
  domain,
  editor,
  hosts,
  put,
  remove,
  route,
  status,
  store,
  unroute,
} from "./support/client";
import { eventually, frontend, inLab, kubectl, onMachine, output, room, temporaryFile, workers } from "./support/lab";

const traefikLog = (...options: string[]) =>
  kubectl("-n", "traefik", "logs", "-l", "app.kubernetes.io/name=traefik", "--tail=-1", ...options);

/** The store of routes: what people do in it, and what happens when its servers stop. */
export function describeConsul(): void {
  describe("a person in Consul's web interface", () => {
    const host = `by-a-person.${domain}`;

    /**
     * Lets the person do something, and asks for the page all the while: closing a browser takes longer than Traefik.
     * @returns seconds from the change of the key that matters to the first answer that is the expected one
     */
    const secondsTo = async (expected: string, ...args: string[]) => {
      const command = [
        "bash",
        "-c",
        'node tests/e2e/support/consul-ui.mjs "$@" <"$0"',
        await temporaryFile(await editor()),
      ];
      let until = Infinity;
      const changed = inLab(...command, ...args)
        .then(Number)
        .finally(() => (until = Date.now() + 10_000));
      const seen = (async () => {
        while (Date.now() < until) {
          // No answer is not the expected one.
          if ((await status(`https://${host}/`).catch(() => "none")) === expected) {
            return Date.now();
          }
        }
        throw new Error(`${host} was not answered with ${expected} within 10 s`);
      })();
      const [since, answered] = await Promise.all([changed, seen]);
      expect(await status(`https://${host}/`)).toBe(expected);
      const seconds = (answered - since) / 1000;
      console.log(`${expected} ${seconds.toFixed(1)} s after the change`);
      return seconds;
    };

    it("adds a route that answers within 5 seconds", async () => {
      expect(await status(`https://${host}/`)).toBe("404");
      expect(await secondsTo("200", "create", frontend, "by-a-person", host)).toBeLessThan(5);
    });

    it("deletes it, and it is gone", async () => {
      expect(await status(`https://${host}/`)).toBe("200");
      expect(await secondsTo("404", "delete", frontend, "by-a-person")).toBeLessThan(5);
    });
  });

  it("leaves the other sources alone while an entry is malformed, and Traefik says so in its log", async () => {
    const since = new Date().toISOString();
    await put("traefik/http/routers/malformed/priority", "not a number");
    try {
      await eventually(30, async () => {
        expect(await traefikLog("--since-time", since)).toMatch(
          /"level":"error".*"providerName":"consul"|"providerName":"consul".*"level":"error"/,
        );
      });
      for (const host of [hosts.kubernetes, hosts.file]) {
        expect(await status(`https://${host}/`)).toBe("200");
      }
    } finally {
      await remove("traefik/http/routers/malformed/");
    }
    await route("after-repair", `after-repair.${domain}`);
    await eventually(60, async () => {
      expect(await status(`https://after-repair.${domain}/`)).toBe("200");
    });
    await unroute("after-repair");
  });

  it("refuses gossip without the key", async () => {
    const image = await kubectl(
      "-n",
      "consul",
      "get",
      "statefulset",
      "consul-server",
      "-o",
      "jsonpath={.spec.template.spec.containers[0].image}",
    );
    const overrides = {
      spec: {
        containers: [
          {
            name: "stranger",
            image,
            imagePullPolicy: "IfNotPresent",
            command: [
              "sh",
              "-c",
              "consul agent -data-dir=/tmp/data -bind=0.0.0.0 -retry-interval=2s -retry-join=consul-server.consul.svc",
            ],
          },
        ],
      },
    };
    await kubectl("run", "stranger", `--image=${image}`, "--restart=Never", `--overrides=${JSON.stringify(overrides)}`);
    await kubectl("wait", "pod", "stranger", "--for=condition=Ready", "--timeout=60s");
    await eventually(30, async () => {
      expect(await kubectl("logs", "stranger")).toMatch(/encryption is not configured/i);
    });
    const members = await kubectl("exec", "stranger", "--", "consul", "members");
    expect(members.split("\n").slice(1)).toHaveLength(1);
    await kubectl("delete", "pod", "stranger", "--grace-period=0", "--force");
  });

  /** Reads and writes; there may be an election, after which every request has to be answered, not one after a while. */
  const readsAndWrites = (what: string) =>
    eventually(60, async () => {
      for (let i = 0; i < 10; i++) {
        const value = `${what} ${String(i)}`;
        const written = await consul(await editor(), "PUT", "kv/traefik/probe", value);
        expect(written).toEqual({ status: "200", body: "true" });
        expect(await consul(await editor(), "GET", "kv/traefik/probe?raw")).toEqual({ status: "200", body: value });
      }
    });

  it.each(["consul-server-0", "consul-server-1", "consul-server-2"])(
    "reads and writes while %s is stopped",
    async (server) => {
      await allServersVote();
      const withoutRoom = async () => {
        // Nowhere to come back to, so that it stays away.
        await kubectl("cordon", ...workers);
        try {
          await kubectl("-n", "consul", "delete", "pod", server);
          await readsAndWrites(`without ${server}`);
          await eventually(30, async () => {
            const pod = ["-n", "consul", "get", "pod", server, "-o", "jsonpath={.status.phase}"];
            expect(await kubectl(...pod)).toBe("Pending");
          });
        } finally {
          await kubectl("uncordon", ...workers);
        }
      };
      await store.disturb(() => room.disturb(withoutRoom));
    },
  );

  it("reads and writes while the leader hangs, of which nobody is told", async () => {
    await allServersVote();
    const token = await output("consulBootstrapToken");
    const leader = await eventually(30, async () => {
      const { body } = await consul(token, "GET", "operator/raft/configuration");
      const { Servers } = JSON.parse(body) as { Servers: { Node: string; Leader: boolean }[] };
      return String(Servers.find(({ Leader }) => Leader)?.Node);
    });
    const node = await kubectl("-n", "consul", "get", "pod", leader, "-o", "jsonpath={.spec.nodeName}");
    // The brackets keep the shell that runs this line from being meant.
    const signal = (name: string) => onMachine(node, `pkill --signal ${name} --full '[c]onsul agent -node=${leader} '`);
    await store.disturb(async () => {
      await signal("STOP");
      try {
        await readsAndWrites(`without an answer of ${leader}`);
      } finally {
        await signal("CONT");
      }
    });
  });
}
