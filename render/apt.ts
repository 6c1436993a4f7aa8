import { proxyFor, withoutProxy, type OwnNetworks } from "../config/proxy";
import type { Repository } from "../config/repositories";
import { isFingerprint, type Proxy } from "../config/sources";
import type { Files } from "./files";

const keyring = (name: string) => `/etc/apt/keyrings/esxi-k8s-${name}.asc`;
const authority = (name: string) => `/etc/esxi-k8s/${name}.crt`;

/**
 * The files that let apt use some repositories. `{codename}` is left to the machine, which knows its release; so is the download
 * of keys, which `/etc/esxi-k8s/keys` lists: name of the repository, URL, fingerprint, proxy and certificate file or `-`.
 */
export function aptFiles(used: Repository[], proxy: Proxy, own: OwnNetworks): Files {
  const direct = withoutProxy(proxy, own);
  const files: Files = {};
  const keys: string[] = [];
  for (const { name, url, suites, components, signingKey, keyUrl, ca } of used) {
    files[`/etc/apt/sources.list.d/esxi-k8s-${name}.sources`] = [
      "Types: deb",
      `URIs: ${url}`,
      `Suites: ${suites.join(" ")}`,
      ...(components.length > 0 ? [`Components: ${components.join(" ")}`] : []),
      ...(signingKey === undefined ? [] : [`Signed-By: ${keyring(name)}`]),
      "",
    ].join("\n");
    if (ca !== undefined) {
      files[authority(name)] = ca;
    }
    if (signingKey !== undefined && !isFingerprint(signingKey)) {
      files[keyring(name)] = signingKey;
    } else if (signingKey !== undefined && keyUrl !== undefined) {
      keys.push(
        [name, keyUrl, signingKey, proxyFor(keyUrl, proxy, direct) ?? "-", ca ? authority(name) : "-"].join(" "),
      );
    }
  }
  if (keys.length > 0) {
    files["/etc/esxi-k8s/keys"] = keys.join("\n");
  }
  const options = aptOptions(used, proxy, direct);
  if (options.length > 0) {
    files["/etc/apt/apt.conf.d/90esxi-k8s"] = options.join("\n");
  }
  return files;
}

/** apt knows neither domains nor networks as exceptions: every server that is reached directly is named. */
function aptOptions(used: Repository[], proxy: Proxy, direct: string[]): string[] {
  const options: string[] = [];
  for (const [scheme, url] of Object.entries({ http: proxy.http, https: proxy.https })) {
    if (url === undefined) {
      continue;
    }
    options.push(`Acquire::${scheme}::Proxy "${url}";`);
    const servers = used
      .map((repository) => new URL(repository.url))
      .filter(({ protocol }) => protocol === `${scheme}:`);
    for (const host of new Set(servers.map(({ hostname }) => hostname))) {
      if (proxyFor(`${scheme}://${host}`, proxy, direct) === undefined) {
        options.push(`Acquire::${scheme}::Proxy::${host} "DIRECT";`);
      }
    }
  }
  const authorities = new Map(
    used.filter(({ ca }) => ca !== undefined).map(({ name, url }) => [new URL(url).hostname, name]),
  );
  for (const [host, name] of authorities) {
    options.push(`Acquire::https::${host}::CAInfo "${authority(name)}";`);
  }
  return options;
}
