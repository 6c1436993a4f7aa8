import * as pulumi from "@pulumi/pulumi";

/**
 * Stands in for the Node SDK of the vSphere provider, which is generated and not in the repository. It registers the
 * same tokens with the same arguments; what it has is what the components use, so anything else fails to import.
 */
export const tokens = {
  Provider: "pulumi:providers:vsphere",
  VirtualMachine: "vsphere:index/virtualMachine:VirtualMachine",
  getDatacenterOutput: "vsphere:index/getDatacenter:getDatacenter",
  getDatastoreOutput: "vsphere:index/getDatastore:getDatastore",
  getHostOutput: "vsphere:index/getHost:getHost",
  getNetworkOutput: "vsphere:index/getNetwork:getNetwork",
  getVirtualMachineOutput: "vsphere:index/getVirtualMachine:getVirtualMachine",
} as const;

export class Provider extends pulumi.ProviderResource {
  constructor(name: string, args: Record<string, pulumi.Input<string | boolean>>, opts?: pulumi.ResourceOptions) {
    // A provider's configuration travels as texts, whatever its type.
    const texts = Object.entries(args).map(([key, value]) => [
      key,
      pulumi.output(value).apply((known) => (typeof known === "string" ? known : JSON.stringify(known))),
    ]);
    super("vsphere", name, Object.fromEntries(texts) as pulumi.Inputs, opts);
  }
}

export class VirtualMachine extends pulumi.CustomResource {
  declare readonly uuid: pulumi.Output<string>;

  constructor(name: string, args: pulumi.Inputs, opts?: pulumi.CustomResourceOptions) {
    // An SDK names its outputs when it registers; the others would never be set.
    super(tokens.VirtualMachine, name, { uuid: undefined, ...args }, opts);
  }
}

function lookup(token: string) {
  return (args: pulumi.Inputs, opts?: pulumi.InvokeOutputOptions) =>
    pulumi.runtime.invokeOutput<Record<string, unknown>>(token, args, opts);
}

export const getDatacenterOutput = lookup(tokens.getDatacenterOutput);
export const getDatastoreOutput = lookup(tokens.getDatastoreOutput);
export const getHostOutput = lookup(tokens.getHostOutput);
export const getNetworkOutput = lookup(tokens.getNetworkOutput);
export const getVirtualMachineOutput = lookup(tokens.getVirtualMachineOutput);
