import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { stepFile, stepPath } from "../../render/step";
import { FakeMachine } from "../support/steps";

const keys = mkdtempSync(join(tmpdir(), "keys-"));
const key = join(keys, "key");
beforeAll(() => {
  execFileSync("openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key]);
});
afterAll(() => {
  rmSync(keys, { recursive: true });
});

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => {
  machine.remove();
});

interface Request {
  user?: string;
  groups?: string;
  usages?: string;
  subject?: string;
  /** Those of each extension that has any, as OpenSSL's configuration writes them. */
  names?: string[];
}

/** A request as kubectl shows it to the approver: what a kubelet asks for, but for what is given. */
function line({
  user = "system:node:worker-1",
  groups = "system:nodes,system:authenticated,",
  usages = "digital signature,server auth,",
  subject = "/O=system:nodes/CN=system:node:worker-1",
  names = ["DNS:worker-1,IP:10.20.0.31"],
}: Request): string {
  // OpenSSL takes an extension for another one that is called by its number.
  const extensions = names.flatMap((each, index) => [
    "-addext",
    `${index === 0 ? "subjectAltName" : "2.5.29.17"}=${each}`,
  ]);
  const pem = execFileSync("openssl", ["req", "-new", "-key", key, "-subj", subject, ...extensions]);
  return ["csr-1", pem.toString("base64"), usages, groups, user].join("|");
}

/** What the approver answers; undefined when it leaves the request alone. */
async function verdict(request: Request): Promise<{ type: string; message: string } | undefined> {
  const answers = join(machine.folder, "answers");
  const pending = join(machine.folder, "pending");
  writeFileSync(pending, `${line(request)}\n`);
  machine.program(
    "kubectl",
    `case "$*" in
  *"get certificatesigningrequests"*) cat ${pending} ;;
  *'index .data "worker-1"'*) printf 10.20.0.31 ;;
  *"get configmap"*) printf '<no value>' ;;
  *"--patch"*) shift $(($# - 1)); cat >/dev/null; printf '%s' "$1" ;;
  *"replace --raw /apis/certificates.k8s.io/v1/certificatesigningrequests/csr-1/approval"*) cat >${answers} ;;
esac`,
  );
  await machine.receive(["approve-serving-certificates"]);
  // Once around, and its time is over.
  machine.program("timeout", 'shift; "$@"; sleep 1');
  const { status, stderr } = await machine.shell(`exec ${stepPath("approve-serving-certificates")} 1`, "");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  if (!existsSync(answers)) {
    return undefined;
  }
  const { conditions } = (JSON.parse(readFileSync(answers, "utf8")) as { status: { conditions: [Condition] } }).status;
  return { type: conditions[0].type, message: conditions[0].message };
}
interface Condition {
  type: string;
  message: string;
}

/** Names in DER, with what OpenSSL's own syntax cannot say. */
const der = (...names: string[]) => {
  const each = names.map((name) => Buffer.concat([Buffer.from([0x82, name.length]), Buffer.from(name, "latin1")]));
  const all = Buffer.concat(each);
  return `DER:30${all.length.toString(16).padStart(2, "0")}${all.toString("hex")}`;
};

const own = { type: "Approved", message: "name and address are those of worker-1" };
const refused = (message: string) => ({ type: "Denied", message });
const more = refused("it asks for more than the name worker-1 and the address 10.20.0.31");

describe("a kubelet's request for a serving certificate is approved", () => {
  test.each<[string, Request]>([
    ["for its name and its address", {}],
    ["for its name", { names: ["DNS:worker-1"] }],
    ["for its address", { names: ["IP:10.20.0.31"] }],
    ["with a key for key encipherment", { usages: "digital signature,key encipherment,server auth," }],
  ])("%s", async (_, request) => {
    expect(await verdict(request)).toEqual(own);
  });
});

describe("a request is denied", () => {
  test.each<[string, Request]>([
    ["the name of another node", { names: ["DNS:worker-2"] }],
    ["the name of another node besides", { names: ["DNS:worker-1,DNS:worker-2,IP:10.20.0.31"] }],
    ["a name that begins like it", { names: ["DNS:worker-10"] }],
    ["all names", { names: ["DNS:*"] }],
    ["the API server's name", { names: ["DNS:kubernetes.default.svc,IP:10.20.0.31"] }],
    ["the address of another node", { names: ["DNS:worker-1,IP:10.20.0.32"] }],
    ["an address of the other family besides", { names: ["DNS:worker-1,IP:10.20.0.31,IP:fe80::1"] }],
    ["its address as a name", { names: ["DNS:10.20.0.31"] }],
    ["a mail address", { names: ["DNS:worker-1,email:root@example.org"] }],
    ["a URI", { names: ["DNS:worker-1,URI:spiffe://cluster.local/ns/kube-system"] }],
    ["names of two extensions", { names: ["DNS:worker-1", der("worker-2")] }],
    ["a name hidden behind a line break", { names: [der("worker-1\n", "worker-2")] }],
    ["a name that looks like two", { names: [der("worker-1, IP Address:10.20.0.31", "worker-2")] }],
  ])("that asks for %s", async (_, request) => {
    expect(await verdict(request)).toEqual(more);
  });

  test("that asks for no name at all", async () => {
    expect(await verdict({ names: [] })).toEqual(refused("it asks for no name and no address"));
  });

  test.each<[string, Request, string]>([
    [
      "of another node",
      { subject: "/O=system:nodes/CN=system:node:worker-2" },
      "CN=system:node:worker-2,O=system:nodes",
    ],
    [
      "of an administrator",
      { subject: "/O=system:masters/CN=system:node:worker-1" },
      "CN=system:node:worker-1,O=system:masters",
    ],
    [
      "with more in it",
      { subject: "/O=system:nodes/OU=x/CN=system:node:worker-1" },
      "CN=system:node:worker-1,OU=x,O=system:nodes",
    ],
  ])("for the subject %s", async (_, request, subject) => {
    expect(await verdict(request)).toEqual(refused(`its subject=${subject} is not that of worker-1`));
  });

  test.each<[string, Request, string]>([
    ["a person", { user: "kubernetes-admin" }, "kubernetes-admin is no node"],
    [
      "a service account",
      { user: "system:serviceaccount:default:default" },
      "system:serviceaccount:default:default is no node",
    ],
    ["somebody who is called like a node", { groups: "system:authenticated," }, "system:node:worker-1 is no node"],
    [
      "somebody who is called like several fields",
      { user: "x|system:nodes,|system:node:worker-1", groups: "system:authenticated," },
      "x?system:nodes,?system:node:worker-1 is no node",
    ],
    [
      "somebody in a group that is called like several fields",
      { user: "y", groups: "system:nodes,|system:node:worker-1," },
      "system:node:worker-1,?y is no node",
    ],
    ["a joining machine", { user: "system:bootstrap:abcdef" }, "system:bootstrap:abcdef is no node"],
  ])("of %s", async (_, request, message) => {
    expect(await verdict(request)).toEqual(refused(message));
  });

  test("to be a client", async () => {
    const usages = "digital signature,client auth,server auth,";
    expect(await verdict({ usages })).toEqual(
      refused("a serving certificate is not for digital signature,client auth,server auth"),
    );
  });
});

test("a node that the stack does not know yet is judged when it does", async () => {
  const node = {
    user: "system:node:worker-9",
    subject: "/O=system:nodes/CN=system:node:worker-9",
    names: ["DNS:worker-9"],
  };
  expect(await verdict(node)).toBeUndefined();
});

test("who approves is a program of its own, as whoever may do that alone", () => {
  const { text, libraries } = stepFile("approve-serving-certificates");
  expect(libraries).toEqual([]);
  expect(text).not.toContain("admin.conf");
});
