// Pulumi's vsphere plugin: HashiCorp's provider behind the Terraform bridge.
package main

import (
	_ "embed"

	"esxi-k8s/sim/toolchain/bridged/vsphere"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
)

//go:embed schema.json
var schema []byte // written by ../gen

func main() {
	tfbridge.Main("vsphere", vsphere.Version, vsphere.Info(), schema)
}
