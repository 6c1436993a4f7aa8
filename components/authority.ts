import { X509Certificate } from "node:crypto";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Past } from "../config/past";
import { endsWithin, renewal, warningDays } from "../config/renewal";

/** A certificate and its key, both in PEM. */
export interface IssuedCertificate {
  certificate: pulumi.Output<string>;
  /** Secret. */
  key: pulumi.Output<string>;
}

export interface AuthorityArgs {
  /** What the stack holds already. */
  past: Past;
  /** Days before its end from which a certificate is issued anew. */
  renewBeforeDays: number;
}

/** What a certificate is issued for. */
export interface Subject {
  commonName: string;
  dnsNames: string[];
  ipAddresses?: string[];
  /** Days that it is valid. */
  days: number;
}

/**
 * A key pair to which others encrypt, with a certificate that says no more than that. It does not expire: with another key, what was
 * encrypted before could not be read. The name is a contract: renaming makes another.
 */
export function recipient(name: string, parent: pulumi.Resource): IssuedCertificate {
  return issue(name, { commonName: `${pulumi.getProject()} ${pulumi.getStack()} ${name}`, days: 36500 }, [], parent);
}

/**
 * The stack's own certificate authority. It lives in the state, not on a machine: a cluster that is built anew has certificates
 * that browsers who trust the authority know already.
 */
export class Authority extends pulumi.ComponentResource {
  /** Certificate of the authority in PEM, for everyone who is to trust what it issued. */
  readonly certificate: pulumi.Output<string>;
  /** When each that it issued ends, in ISO 8601, by name. */
  readonly ends: Record<string, pulumi.Output<string>> = {};
  private readonly own: IssuedCertificate;
  private readonly args: AuthorityArgs;

  constructor(name: string, args: AuthorityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Authority", name, {}, opts);
    this.args = args;
    const commonName = `${pulumi.getProject()} ${pulumi.getStack()}`;
    // Whoever trusts it would have to be told of another one: it is made anew when somebody asks for that.
    this.own = issue(`${name}-certificate`, { commonName, days: 3650 }, [], this);
    this.watch(`${name}-certificate`, this.own.certificate, this);
    this.certificate = this.own.certificate;
    this.registerOutputs({ certificate: this.certificate });
  }

  /** Issues a certificate for servers, anew when the subject changes or its end is near. It also serves as a client's. */
  issue(name: string, subject: Subject, parent: pulumi.Resource): IssuedCertificate {
    const { past, renewBeforeDays } = this.args;
    const due = renewal(past.certificates.get(name), renewBeforeDays);
    const issued = issue(name, { ...subject, issuer: this.own }, due === "" ? [] : [due], parent);
    this.watch(name, issued.certificate, parent);
    return issued;
  }

  private watch(name: string, certificate: pulumi.Output<string>, parent: pulumi.Resource): void {
    this.ends[name] = certificate.apply((pem) => new Date(new X509Certificate(pem).validTo).toISOString());
    this.ends[name].apply((until) => {
      if (endsWithin(warningDays, until)) {
        const advice = `issue another with: pulumi up --replace '**::${name}'`;
        void pulumi.log.warn(`the certificate ${name} is valid until ${until}; ${advice}`, parent);
      }
    });
  }
}

function issue(name: string, request: pulumi.Inputs, triggers: string[], parent: pulumi.Resource): IssuedCertificate {
  const command = new local.Command(
    name,
    {
      create: "node pki/issue.mjs",
      stdin: pulumi.jsonStringify(request),
      addPreviousOutputInEnv: false,
      logging: local.Logging.None,
      ...(triggers.length > 0 && { triggers }),
    },
    {
      parent,
      additionalSecretOutputs: ["stdout", "stdin"],
      // Another command line issues nothing anew; another request does. It is kept for renewals too: pki/issue.mjs has to stay.
      ignoreChanges: ["create"],
    },
  );
  const issued = command.stdout.apply((text) => JSON.parse(text) as { certificate: string; key: string });
  return { certificate: pulumi.unsecret(issued.certificate), key: pulumi.secret(issued.key) };
}
