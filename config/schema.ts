import { z } from "zod";
import { dnsLabelForm, dnsNameForm, dnsNameLength } from "./dns-names";
import { packages, proxy, registryMirrors } from "./sources";
import { storageClass, storageVcenter } from "./storage";
import { defaultKubernetesVersion, fittingCharts } from "./versions";

/** A DNS label (RFC 1123): it becomes a virtual machine's name, a host name and a node name. */
const dnsLabel = z.string().regex(dnsLabelForm, {
  error: "a DNS label: lower-case letters, digits and inner hyphens, 63 characters at most",
});
const ipv4 = z.ipv4({ error: "an IPv4 address such as 192.0.2.10" });
const cidr = z.cidrv4({ error: "an IPv4 network such as 192.0.2.0/24" });
const text = z.string({ error: "a text" }).min(1, { error: "a text that is not empty" });

/** A version with its patch level. */
const fullVersion = (example: string) => {
  const hint = { error: `a full version in quotes such as "${example}"` };
  return z.string(hint).regex(/^\d+\.\d+\.\d+$/, hint);
};

const routerIdHint = { error: "a whole number from 1 to 255" };
const resolverHint = { error: "resolvers such as [192.0.2.1], without which CoreDNS does not start" };

const machineSize = {
  /** Virtual CPUs of each machine. */
  cpus: z.int().min(1).max(128),
  /** Memory of each machine in MiB. */
  memoryMiB: z.int().min(512),
  /** System disk of each machine in GiB; at least the size of the template's own disk. */
  diskGiB: z.int().min(4),
};

/** Another number replaces what it stands at, one machine after the other. Default 0. */
const generation = z.int().min(0).default(0);

const node = z.strictObject({
  /** Key of `hosts`: the ESXi host that runs the machine. */
  host: text,
  /** Static IPv4 address inside `network.subnet`. Changing it replaces the machine. */
  address: ipv4,
  generation,
});
const nodes = z.record(dnsLabel, node);

/** Key of a label or taint: an optional DNS prefix and a name of 63 characters at most. */
const labelKey = z
  .string()
  .regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, {
    error: "a label key such as example.org/rack",
  });
const labelValue = z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, {
  error: "a label value: letters, digits, '-', '_' and '.', 63 characters at most",
});

const taint = z.strictObject({
  key: labelKey,
  value: labelValue.optional(),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
});

/** A piece of a kubeadm configuration document that is merged over what this project renders. */
const overrides = z.record(z.string(), z.json()).default({});

/** A part of Traefik's dynamic configuration. None by default: Traefik refuses all of it for a part that is there and empty. */
const section = z.record(z.string(), z.json()).optional();

/** Key in Consul's store. */
const kvKey = z.string().regex(/^(?!esxi-k8s\/)[^/\s\p{Cc}][^\s\p{Cc}]*$/u, {
  error: "a key without a leading slash or white space, not below esxi-k8s/",
});
/** A DNS name of one or more labels. */
const dnsName = (hint: { error: string }) => z.string().max(dnsNameLength, hint).regex(dnsNameForm, hint);
const domain = dnsName({ error: "a domain name such as apps.example.org, in lower case" });
const durationHint = { error: "a duration in hours, minutes and seconds such as 90s, 10m or 1h30m; 0s for no limit" };
const duration = z.string(durationHint).regex(/^(?=.)(\d{1,4}h)?(\d{1,5}m)?(\d{1,6}s)?$/, durationHint);
/** What Kubernetes takes for a size, without its exponents. */
const quantity = z
  .string()
  .regex(/^(?!0*(\.0*)?[A-Za-z]*$)\d+(\.\d+)?(k|Ki|[MGTPE]i?)?$/, { error: "a size such as 1Gi" });

/** Snapshots of the cluster, from which `make restore` makes it anew: docs/runbooks/restoring.md. */
const snapshots = z
  .strictObject({
    /** How often each master takes one. Default 6h. */
    every: duration.default("6h"),
    /** How many of each master are kept, there and on each machine that gets copies. Default 12. */
    keep: z.int().min(1).max(1000).default(12),
    /** Where copies go instead of the HAProxy machines: any server with SFTP. It lets the output `snapshotPublicKey` in. */
    target: z
      .strictObject({
        /** Host name or address. */
        host: z.string().regex(/^[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?$/, {
          error: "a host name or an address such as backup.example.org",
        }),
        /** Default 22. */
        port: z.int().min(1).max(65535).default(22),
        user: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, { error: "a user's name" }),
        /** Folder there, absolute or below the user's own. It is made if the one above it is there. */
        path: z
          .string()
          .regex(/^\/?[\w.-]+(\/[\w.-]+)*$/, { error: "a path such as backups/lab, of letters, digits and _.-" }),
        /** Public host key by which it is known: a line of `ssh-keyscan` without the host. */
        hostKey: z.string().regex(/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}$/, {
          error: "a public host key such as ssh-ed25519 AAAA…",
        }),
      })
      .optional(),
  })
  .prefault({});

/** A Helm release: from charts/ of this project, or the official chart. */
const release = ({ example }: { example: string }) => ({
  /** The official chart instead of the one in charts/. It gets the same values; charts/README.md says which releases take them. */
  chart: z
    .strictObject({
      /** URL of the chart repository. */
      repository: z.url({ protocol: /^https$/, error: "an https URL" }),
      /** Version of the chart, exact. */
      version: fullVersion(example),
    })
    .optional(),
  /** Merged over the values that this project gives the chart: mappings key by key; the items of a list come behind the project's. */
  values: overrides,
});

/**
 * The whole configuration of a stack (`Pulumi.<stack>.yaml`, namespace `esxi-k8s`).
 * Strict everywhere: an unknown key is an error, so that a typing error never passes for a default.
 */
export const stackConfig = z.strictObject({
  vcenter: z.strictObject({
    /** Host name or address of vCenter, without a scheme; a port may follow a colon. */
    server: z.string().regex(/^([A-Za-z0-9]([-\w.]*[A-Za-z0-9])?|\[[\da-f:]+\])(:\d{1,5})?$/i, {
      error: "a host name or an address such as vcenter.example.org, without a scheme and a path",
    }),
    /** Account that may clone, power and delete virtual machines. */
    user: text,
    /** Name of the datacenter that holds hosts and template. */
    datacenter: text,
    /** Accept a certificate that no known authority signed. Default false. */
    allowUnverifiedSsl: z.boolean().default(false),
    /**
     * Folder for the machines of this stack and no others: a path below the datacenter's machines, such as `Kubernetes/lab`. What is
     * missing of it is made. Default `esxi-k8s/<stack>`.
     */
    folder: z
      .string()
      .regex(/^[\w(][\w .()-]*(\/[\w(][\w .()-]*)*$/, {
        error: "a path of folders such as Kubernetes/lab, of letters, digits, spaces and -_.()",
      })
      .optional(),
  }),

  /** Password of `vcenter.user`; set with `pulumi config set --secret`. */
  vcenterPassword: text,

  /** ESXi hosts by a short key of your choice. */
  hosts: z
    .record(
      dnsLabel,
      z.strictObject({
        /** Name of the host as vCenter shows it, or its path below the datacenter's hosts, such as `Rack 1/esxi-1.example.org`. */
        name: text,
        /** Datastore that receives the disks of the machines on this host: its name, or its path below the datacenter's datastores. */
        datastore: text,
      }),
    )
    .refine((hosts) => Object.keys(hosts).length > 0, { error: "at least one ESXi host" }),

  template: z.strictObject({
    /**
     * Virtual machine template: Ubuntu Server LTS with cloud-init and open-vm-tools. Its name, or its path below the datacenter's machines
     * where two have the same, such as `Templates/ubuntu-24.04`. Within a name vCenter writes `/` as `%2f`, `\\` as `%5c`, `%` as `%25`.
     */
    name: text,
    /** Administrator that cloud-init creates on every machine. Default `k8s`. */
    user: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]{0,31}$/, { error: "a Linux user name" })
      .default("k8s"),
  }),

  network: z.strictObject({
    /**
     * Port group that every machine is connected to: one VLAN, one subnet. Its name as vCenter shows it, such as `VLAN 20/lab`; in that of a
     * distributed switch's, `/` is `%2f` and `%` is `%25`. A path below the datacenter's networks is taken too.
     */
    portGroup: text,
    subnet: cidr,
    gateway: ipv4,
    /**
     * Resolvers of the machines, one to three. CoreDNS does not start without one; where nothing resolves names, the
     * gateway's address will do.
     */
    dns: z
      .array(ipv4, resolverHint)
      .min(1, resolverHint)
      .max(3, { error: "three resolvers at most, as in resolv.conf" }),
    /** Addresses of pods, /8 or smaller: a /24 for each node. Default 10.244.0.0/16. */
    podCidr: cidr.default("10.244.0.0/16"),
    /** Virtual addresses of services, from /12 to /28. Default 10.96.0.0/12. */
    serviceCidr: cidr.default("10.96.0.0/12"),
  }),

  kubernetes: z
    .strictObject({
      /** Release of Kubernetes. A newer one, of the next minor at most, upgrades what is there: docs/runbooks/upgrading.md. */
      version: fullVersion(defaultKubernetesVersion).default(defaultKubernetesVersion),
      /**
       * `packages`: containerd, kubeadm, kubelet and kubectl come from the package repositories when a machine
       * first boots. `preinstalled`: the template already holds them.
       */
      install: z.enum(["packages", "preinstalled"]).default("packages"),
      /** flannel's backend: `vxlan` works everywhere, `host-gw` is faster and needs all nodes in one subnet. */
      flannelBackend: z.enum(["vxlan", "host-gw"]).default("vxlan"),
      /** Further names (also `*.example.org`) or addresses for the API server's certificate. */
      apiServerCertSANs: z.array(text).default([]),
      /** How nodes leave and restart: cordoned and drained, with respect to PodDisruptionBudgets. */
      drain: z
        .strictObject({
          /** How long pods may take to move. Then nothing is removed, unless `force` says so. Default 10m. */
          timeout: duration.default("10m"),
          /** Go on without the pods that did not move in time, and with those whose only data is on the node. Default false. */
          force: z.boolean().default(false),
        })
        .prefault({}),
      /** Checks of kubeadm to skip, by kubeadm's names such as `NumCPU`; `all` alone skips all. */
      ignorePreflightErrors: z.array(text).default([]),
      /** Merged over the rendered KubeletConfiguration (kubelet.config.k8s.io/v1beta1). */
      kubelet: overrides,
      /** Merged over the rendered KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1). */
      kubeProxy: overrides,
    })
    .prefault({}),

  /** Package repositories that machines install from, with `kubernetes.install: packages`. Defaults: the official ones. */
  packages,

  /** Mirrors that machines pull images from. Default: none, so the registries themselves. */
  registryMirrors,

  /** HTTP proxy of the machines. Default: none. */
  proxy,

  /** HAProxy in front of the cluster: layer 4 only, outside of Kubernetes. */
  frontend: z.strictObject({
    nodes: nodes.refine((n) => Object.keys(n).length > 0, { error: "at least one HAProxy machine" }),
    generation,
    /**
     * Address shared by VRRP. Required with more than one machine; with one, it keeps the endpoint for later. A machine's own address
     * becomes the shared one when others take that machine's place: docs/runbooks/two-haproxies.md.
     */
    virtualAddress: ipv4.optional(),
    /** VRRP virtual router id, of no other router on the VLAN. Default 51. */
    virtualRouterId: z.int().min(1, routerIdHint).max(255, routerIdHint).default(51),
    /** Node ports of the ingress controller that 80 and 443 are passed to. */
    ingressNodePorts: z
      .strictObject({
        http: z.int().min(30000).max(32767).default(30080),
        https: z.int().min(30000).max(32767).default(30443),
      })
      .prefault({}),
    ...machineSize,
  }),

  /** The masters: API server, controller manager, scheduler and stacked etcd on each. */
  controlPlane: z.strictObject({
    nodes: z.record(
      dnsLabel,
      node.extend({
        /** Instead of the group's `protect`: false to have this master removed or replaced. */
        protect: z.boolean().optional(),
      }),
    ),
    generation,
    /**
     * Accept a stack that does not survive what HA promises: one, two or another even number of masters, all of them on one host, or more
     * than a minority of them on one of three hosts.
     */
    allowNonHa: z.boolean().default(false),
    /** Pulumi refuses to delete a protected machine, and so to replace it. Default true. */
    protect: z.boolean().default(true),
    snapshots,
    ...machineSize,
  }),

  /** Worker pools by name. */
  workers: z
    .record(
      dnsLabel,
      z.strictObject({
        nodes,
        generation,
        /** How many of the pool's nodes may be away at the same time while they are restarted or replaced. Default 1. */
        maxUnavailable: z.int().min(1).default(1),
        /** Node labels. */
        labels: z.record(labelKey, labelValue).default({}),
        /** Node taints. */
        taints: z.array(taint).default([]),
        ...machineSize,
      }),
    )
    .default({}),

  /** When certificates are renewed. */
  certificates: z
    .strictObject({
      /**
       * Days before their end from which `pulumi up` renews certificates: those of kubeadm, which it issues for a year, and the
       * project's own. From 365 on, every run renews those of kubeadm. Default 90.
       */
      renewBeforeDays: z.int().min(1).max(365).default(90),
    })
    .prefault({}),

  /** Where volumes come from. */
  storage: z
    .strictObject(
      {
        /**
         * StorageClasses by name; docs/storage.md says which type is for what. `{}`: the cluster gets its classes from somebody else.
         * Default: `local-path` alone, of that type and the default one.
         */
        classes: z
          .record(dnsName({ error: "the name of a StorageClass" }), storageClass, {
            error: "StorageClasses by name, such as { local-path: { type: local-path, default: true } }",
          })
          .default(() => ({ "local-path": storageClass.parse({ type: "local-path", default: true }) })),
        /** Account for classes of type `vsphere`. */
        vcenter: storageVcenter.optional(),
        /** Releases of the drivers of classes that are not `local-path`. */
        drivers: z
          .strictObject({
            nfs: z.strictObject(release(fittingCharts.nfs)).prefault({}),
            smb: z.strictObject(release(fittingCharts.smb)).prefault({}),
          })
          .prefault({}),
      },
      { error: "a mapping such as { classes: { local-path: { type: local-path, default: true } } }" },
    )
    .prefault({}),

  /** What nodes and pods use of processors and memory, by metrics-server: for `kubectl top` and autoscalers. */
  metrics: z
    .strictObject({
      /** Default true. */
      enabled: z.boolean().default(true),
    })
    .prefault({}),

  /** Consul: the key-value store in which people edit routes. */
  consul: z
    .strictObject({
      /** Default true. */
      enabled: z.boolean().default(true),
      /** Servers, an odd number. Three share nodes where there are fewer; more need a worker each. Default 3. */
      replicas: z.int().min(1).max(7).default(3),
      /** Size of each server's volume. Kubernetes refuses another one once the servers are there. Default 1Gi. */
      storageSize: quantity.default("1Gi"),
      /** StorageClass of the volumes, likewise: a key of `storage.classes`, unless that is empty. Default: the default class. */
      storageClass: dnsName({ error: "the name of a StorageClass" }).optional(),
      /**
       * Entries that this stack owns, by key; Traefik reads those below `traefik/`. They stand in clear in the stack's state.
       * Whatever else is in the store belongs to those who put it there, and is left alone.
       */
      kv: z.record(kvKey, z.string()).default({}),
      ...release(fittingCharts.consul),
    })
    .prefault({}),

  /** Traefik: the ingress controller behind ports 80 and 443 of the frontend. */
  ingress: z
    .strictObject({
      /** Default true. */
      enabled: z.boolean().default(true),
      /** Domain of the host names that this project adds: `traefik.`, `consul.` and those of the demonstration. */
      domain: domain.default("k8s.internal"),
      /** Pods, at most one on a worker. Default: one on every worker that takes pods. */
      replicas: z.int().min(1).optional(),
      /** Answer every request on port 80 with a redirect to HTTPS. Default false. */
      redirectToHttps: z.boolean().default(false),
      /**
       * How long a client may take to send a request with all of its body: an upload that takes longer is cut off. 0s for no limit.
       * Default: Traefik's own, 60s.
       */
      readTimeout: duration.optional(),
      /**
       * How many pods a request is sent to at most until it reaches one, on every route. 1 for backends that are spoken to by HTTP/2
       * and can be spoken to by nothing else: docs/ingress.md says why. Default 4.
       */
      retryAttempts: z.int().min(1).max(10).default(4),
      /**
       * Certificate in PEM, its chain behind it, for host names that bring none of their own; its key is
       * `ingressCertificateKey`. Default: one for `domain` and the names below it, from an authority of the stack's own.
       */
      certificate: text.optional(),
      /** Routers, services and middlewares of Traefik's file provider (`http:`, `tcp:`, `udp:`, `tls:`). */
      dynamic: z.strictObject({ http: section, tcp: section, udp: section, tls: section }).default({}),
      ...release(fittingCharts.traefik),
    })
    .prefault({}),

  /** Private key of `ingress.certificate` in PEM; set with `pulumi config set --secret`. */
  ingressCertificateKey: text.optional(),

  /** Password of `storage.vcenter.user`; set with `pulumi config set --secret`. */
  storageVcenterPassword: text.optional(),

  /** Passwords of the users of classes of type `smb`, by class; each set with `pulumi config set --secret --path`. */
  smbPasswords: z.record(z.string(), text).optional(),

  /** Deploy a small application that is reached by three host names, one of each source. Default false. */
  demo: z.boolean().default(false),
});

/** A configuration whose shape is right; `findProblems` judges whether its values make sense together. */
export type StackConfig = z.infer<typeof stackConfig>;
export type NodeConfig = z.infer<typeof node>;
export type Taint = z.infer<typeof taint>;
/** Size of one virtual machine. */
export interface MachineSize {
  /** Virtual CPUs. */
  cpus: number;
  /** Memory in MiB. */
  memoryMiB: number;
  /** System disk in GiB. */
  diskGiB: number;
}
