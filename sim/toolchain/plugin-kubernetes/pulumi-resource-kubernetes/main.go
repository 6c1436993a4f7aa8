// Pulumi's kubernetes plugin. Its module is published without the generated files that its own main embeds, so this
// one embeds the schema they are generated from; the mapping for converting Terraform programs is left out.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, nil)
}
