// Pulumi's random plugin: HashiCorp's provider behind the Terraform bridge.
package main

import (
	"context"
	_ "embed"

	"esxi-k8s/sim/toolchain/bridged/random"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
)

//go:embed schema.json
var schema []byte // written by ../gen

func main() {
	tfbridge.Main(context.Background(), "random", random.Info(), tfbridge.ProviderMetadata{PackageSchema: schema})
}
