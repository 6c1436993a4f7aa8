// The part of vCenter's API that the vSphere provider does not have: SOAP, because that is what every vCenter speaks; its REST
// interface makes no folders.
import { existsSync, readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { URL } from "node:url";
import { XMLParser } from "fast-xml-parser";

const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: "@", parseTagValue: false });

/** What a vCenter serves: the inventory, and storage policies. */
const inventory = { path: "/sdk", namespace: "urn:vim25", action: '"urn:vim25/6.7"' };
const storagePolicies = { path: "/pbm", namespace: "urn:pbm", action: '"urn:pbm/2.0"' };

/** Something in the inventory: `{ type, id }`, where an id such as `group-v12` lasts as long as what it names. */
export const reference = (type, id) => ({ type, id });
export const same = (a, b) => a?.id === b?.id;

/** What vCenter answers instead of doing as it was told. `kind` is its name in the API, such as `DuplicateName`. */
export class Fault extends Error {
  constructor(kind, message) {
    super(message || kind);
    this.kind = kind;
  }
}

/**
 * Logs in to a vCenter for as long as some work takes.
 * @param login keys of the configuration that say who logs in
 */
export async function withVCenter(
  { server, user, password, allowUnverifiedSsl },
  work,
  login = "vcenter.user or vcenterPassword",
) {
  const vcenter = new VCenter(server, allowUnverifiedSsl);
  await vcenter.open(user, password, login);
  try {
    return await work(vcenter);
  } finally {
    // A session that nobody ends ends by itself, half an hour later.
    await vcenter.call(vcenter.content.sessionManager, "Logout").catch(() => undefined);
    vcenter.agent.destroy();
  }
}

class VCenter {
  cookie = "";

  constructor(server, allowUnverifiedSsl) {
    this.url = new URL(`https://${server}/`);
    this.agent = new Agent({
      keepAlive: true,
      rejectUnauthorized: !allowUnverifiedSsl,
      ca: allowUnverifiedSsl ? undefined : trusted(),
    });
  }

  async open(user, password, login) {
    const found = await this.call(reference("ServiceInstance", "ServiceInstance"), "RetrieveServiceContent");
    this.content = Object.fromEntries(Object.entries(found).map(([key, node]) => [key, decode(node)]));
    try {
      await this.call(this.content.sessionManager, "Login", { userName: user, password });
    } catch (error) {
      if (error.kind === "InvalidLogin") {
        throw new Error(`vCenter at ${this.url.host} refuses ${user}: correct ${login}`, {
          cause: error,
        });
      }
      throw error;
    }
  }

  /** Calls a method of an object. The order of the arguments is the API's. */
  async call(object, method, args = {}, service = inventory) {
    const body = encode(method, { _this: object, ...args }).replace(method, `${method} xmlns="${service.namespace}"`);
    // Storage policies are another program's, which is shown the session by its own header.
    const session = this.cookie.replace(/^[^=]*=/, "").replaceAll('"', "");
    const header =
      service === inventory
        ? ""
        : `<soapenv:Header><vcSessionCookie>${escape(session)}</vcSessionCookie></soapenv:Header>`;
    const answer = await this.post(
      `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
        `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">${header}<soapenv:Body>${body}</soapenv:Body></soapenv:Envelope>`,
      service,
    );
    const content = named(named(parser.parse(answer.text), "Envelope"), "Body");
    const fault = named(content, "Fault");
    if (fault) {
      const [[name, detail] = ["Fault"]] = Object.entries(fault.detail ?? {});
      throw new Fault(kindOf(detail) ?? name.replace(/Fault$/, ""), decode(fault.faultstring));
    }
    if (answer.status !== 200 || content === undefined) {
      throw new Error(`vCenter at ${this.url.host} answers ${method} with status ${answer.status}: is it a vCenter?`);
    }
    return content[`${method}Response`]?.returnval;
  }

  async post(body, { path, action }) {
    try {
      const response = await new Promise((resolve, reject) => {
        const headers = {
          "Content-Type": "text/xml; charset=utf-8",
          SOAPAction: action,
          Cookie: this.cookie,
        };
        request(new URL(path, this.url), { method: "POST", agent: this.agent, headers, timeout: 60_000 }, resolve)
          .on("timeout", function () {
            this.destroy(new Error("no answer within a minute"));
          })
          .on("error", reject)
          .end(body);
      });
      const [cookie] = response.headers["set-cookie"] ?? [];
      this.cookie = cookie?.split(";")[0] ?? this.cookie;
      return { status: response.statusCode, text: await text(response) };
    } catch (error) {
      const advice = /CERT|SIGNATURE|ALTNAME/.test(error.code)
        ? "have this computer trust the authority of its certificate, or set vcenter.allowUnverifiedSsl: true"
        : "make it answer, or correct vcenter.server";
      throw new Error(`cannot talk to vCenter at ${this.url.host}: ${error.message || error.code}; ${advice}`, {
        cause: error,
      });
    }
  }

  /** The time as vCenter has it. */
  async now() {
    return new Date(decode(await this.call(reference("ServiceInstance", "ServiceInstance"), "CurrentTime")));
  }

  /** Properties of one object, by their paths; undefined when there is no such object. */
  async properties(object, ...paths) {
    try {
      const [found] = await this.retrieve({ obj: object }, object.type, paths);
      return found;
    } catch (error) {
      if (error.kind === "ManagedObjectNotFound") {
        return undefined;
      }
      throw error;
    }
  }

  /** Everything of a type below a folder, at any depth, with properties by their paths. */
  async below(folder, type, ...paths) {
    const view = decode(
      await this.call(this.content.viewManager, "CreateContainerView", { container: folder, type, recursive: true }),
    );
    const selectSet = { $type: "TraversalSpec", type: "ContainerView", path: "view", skip: false };
    const found = await this.retrieve({ obj: view, skip: true, selectSet }, type, paths);
    await this.call(view, "DestroyView");
    return found;
  }

  async retrieve(objectSet, type, pathSet) {
    const collector = this.content.propertyCollector;
    const specSet = { propSet: { type, pathSet }, objectSet };
    const found = [];
    let page = await this.call(collector, "RetrievePropertiesEx", { specSet, options: {} });
    while (page) {
      for (const { obj, propSet } of list(page.objects)) {
        const properties = list(propSet).map(({ name, val }) => [decode(name), decode(val)]);
        found.push({ self: decode(obj), ...Object.fromEntries(properties) });
      }
      page = page.token && (await this.call(collector, "ContinueRetrievePropertiesEx", { token: decode(page.token) }));
    }
    return found;
  }

  /** Names of the storage policies that a session may choose from. */
  async policies() {
    const call = (object, method, args) => this.call(object, method, args, storagePolicies);
    const content = await call(reference("PbmServiceInstance", "ServiceInstance"), "PbmRetrieveServiceContent");
    const profiles = decode(content.profileManager);
    const ids = await call(profiles, "PbmQueryProfile", {
      resourceType: { resourceType: "STORAGE" },
      profileCategory: "REQUIREMENT",
    });
    const profileIds = list(ids).map(({ uniqueId }) => ({ uniqueId: decode(uniqueId) }));
    const found = profileIds.length === 0 ? [] : list(await call(profiles, "PbmRetrieveContent", { profileIds }));
    return found.map(({ name }) => decode(name));
  }

  /** What has a name directly in a folder; undefined when nothing has. */
  async child(folder, name) {
    const found = await this.call(this.content.searchIndex, "FindChild", { entity: folder, name });
    return found && decode(found);
  }

  /** Calls a method that takes its time, and waits for its end. */
  async run(object, method, args) {
    const task = decode(await this.call(object, method, args));
    for (;;) {
      const { "info.state": state, "info.error": error } = await this.properties(task, "info.state", "info.error");
      if (state === "success") {
        return;
      }
      if (state === "error") {
        throw new Fault(kindOf(error.fault) ?? "Fault", decode(error.localizedMessage));
      }
      await sleep(250);
    }
  }

  /** Waits for what others do to an object: a clone goes on when the program that asked for it is gone. */
  async settled(object, seconds = 1800) {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const { recentTask = [] } = (await this.properties(object, "recentTask")) ?? {};
      const tasks = await Promise.all(recentTask.map((task) => this.properties(task, "info.state")));
      const active = tasks.some((task) => ["queued", "running"].includes(task?.["info.state"]));
      if (!active) {
        return;
      }
      if (Date.now() > deadline) {
        throw new Error(`vCenter has been at work on ${object.id} for ${seconds} s: look at its recent tasks`);
      }
      await sleep(1000);
    }
  }

  /** The path of something below the datacenter's machines, as people read it. */
  async path(object) {
    const names = [];
    for (let at = object; at;) {
      const { name, parent, parentVApp } = (await this.properties(at, "name", "parent", ...vApp(at))) ?? {};
      const above = parent ?? parentVApp;
      // The folder of all machines is called vm, in the datacenter.
      if (above?.type === "Datacenter" || !above) {
        break;
      }
      names.unshift(name);
      at = above;
    }
    return names.join("/");
  }
}

const vApp = ({ type }) => (type === "VirtualMachine" ? ["parentVApp"] : []);

/** What this computer trusts: Node has a list of its own, and the programs beside it go by the system's. */
function trusted() {
  const { SSL_CERT_FILE, NODE_EXTRA_CA_CERTS } = process.env;
  const bundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
  const files = [SSL_CERT_FILE, NODE_EXTRA_CA_CERTS, ...bundles].filter((file) => file && existsSync(file));
  const system = tls.getCACertificates?.("system") ?? [];
  return [...tls.rootCertificates, ...system, ...files.map((file) => readFileSync(file, "utf8"))];
}

function encode(name, value) {
  if (Array.isArray(value)) {
    return value.map((item) => encode(name, item)).join("");
  }
  if (typeof value !== "object") {
    return `<${name}>${escape(value)}</${name}>`;
  }
  if ("id" in value) {
    return `<${name} type="${escape(value.type)}">${escape(value.id)}</${name}>`;
  }
  const { $type, ...fields } = value;
  const inner = Object.entries(fields).map(([key, field]) => encode(key, field));
  return `<${name}${$type ? ` xsi:type="${$type}"` : ""}>${inner.join("")}</${name}>`;
}

const escape = (value) => String(value).replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** A text, a reference, several of them, or what else an element holds. */
function decode(node) {
  if (typeof node !== "object") {
    return node;
  }
  if (kindOf(node) === "ArrayOfManagedObjectReference") {
    return list(node.ManagedObjectReference).map(decode);
  }
  if ("@type" in node) {
    return reference(node["@type"], node["#text"]);
  }
  return "#text" in node ? node["#text"] : node;
}

/** The type that an element says it is of; the prefix of that attribute is up to the server. */
const kindOf = (node) => Object.entries(node ?? {}).find(([key]) => /^@.+:type$/.test(key))?.[1];

/** What may be there once, several times, or not at all. */
const list = (nodes) => (nodes === undefined || nodes === "" ? [] : [nodes].flat());

/** The element of a name, whatever its prefix. */
const named = (node, name) => Object.entries(node ?? {}).find(([key]) => key.replace(/^.*:/, "") === name)?.[1];
