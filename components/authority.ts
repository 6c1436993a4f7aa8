import { X509Certificate } from "node:crypto";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** A certificate and its key, both in PEM. */
export interface IssuedCertificate {
  certificate: pulumi.Output<string>;
  /** Secret. */
  key: pulumi.Output<string>;
}

/** What a certificate is issued for. */
export interface Subject {
  commonName: string;
  dnsNames: string[];
  ipAddresses?: string[];
  /** Days that it is valid. */
  days: number;
}

const warningDays = 30;

/**
 * The stack's own certificate authority. It lives in the state, not on a machine: a cluster that is built anew has certificates
 * that browsers who trust the authority know already.
 */
export class Authority extends pulumi.ComponentResource {
  /** Certificate of the authority in PEM, for everyone who is to trust what it issued. */
  readonly certificate: pulumi.Output<string>;
  private readonly own: IssuedCertificate;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("esxi-k8s:index:Authority", name, {}, opts);
    const commonName = `${pulumi.getProject()} ${pulumi.getStack()}`;
    this.own = issue(`${name}-certificate`, { commonName, days: 3650 }, this);
    this.certificate = this.own.certificate;
    this.registerOutputs({ certificate: this.certificate });
  }

  /** Issues a certificate for servers, anew when the subject changes. It also serves as a client's. */
  issue(name: string, subject: Subject, parent: pulumi.Resource): IssuedCertificate {
    const issued = issue(name, { ...subject, issuer: this.own }, parent);
    issued.certificate.apply((certificate) => {
      warnBeforeEnd(name, certificate, parent);
    });
    return issued;
  }
}

function issue(name: string, request: pulumi.Inputs, parent: pulumi.Resource): IssuedCertificate {
  const command = new local.Command(
    name,
    {
      create: "node pki/issue.mjs",
      stdin: pulumi.jsonStringify(request),
      addPreviousOutputInEnv: false,
      logging: local.Logging.None,
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

/** Nothing else would say it before browsers and servers do. */
function warnBeforeEnd(name: string, pem: string, parent: pulumi.Resource): void {
  const { validTo } = new X509Certificate(pem);
  const days = Math.floor((Date.parse(validTo) - Date.now()) / (24 * 60 * 60 * 1000));
  if (days < warningDays) {
    const advice = `issue another with: pulumi up --target-replace '**::${name}' --target-dependents`;
    void pulumi.log.warn(`the certificate ${name} is valid until ${validTo}; ${advice}`, parent);
  }
}
