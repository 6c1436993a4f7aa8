// Writes what is generated from the two providers, below the working directory: the schema.json that each plugin
// embeds, and in sdk/ the TypeScript of @pulumi/vsphere.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	"esxi-k8s/sim/toolchain/bridged/random"
	"esxi-k8s/sim/toolchain/bridged/vsphere"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
)

func main() {
	// Quiet, because the generator warns for each resource that the provider's documentation is not at hand.
	quiet := diag.DefaultSink(os.Stderr, os.Stderr, diag.FormatOptions{Color: colors.Never})

	randomSchema, err := pf.GenerateSchema(context.Background(), pf.GenerateSchemaOptions{
		ProviderInfo: random.Info(), DiagnosticsSink: quiet, XInMemoryDocs: true,
	})
	check(err)
	write("pulumi-resource-random/schema.json", randomSchema.ProviderMetadata.PackageSchema)

	vsphereSchema, err := tfgen.GenerateSchemaWithOptions(tfgen.GenerateSchemaOptions{
		ProviderInfo: vsphere.Info(), DiagnosticsSink: quiet, XInMemoryDocs: true,
	})
	check(err)
	vsphereJSON, err := json.Marshal(vsphereSchema.PackageSpec)
	check(err)
	write("pulumi-resource-vsphere/schema.json", vsphereJSON)

	// The schema refers to no other package, so nothing is ever loaded.
	pkg, err := schema.ImportSpec(vsphereSchema.PackageSpec, map[string]schema.Language{"nodejs": nodejs.Importer},
		schema.NewNullLoader(), schema.ValidationOptions{})
	check(err)
	files, err := nodejs.GeneratePackage("esxi-k8s", pkg, nil, nil, false, nil)
	check(err)
	for name, text := range files {
		write(filepath.Join("sdk", name), text)
	}
}

func write(name string, text []byte) {
	check(os.MkdirAll(filepath.Dir(name), 0o755))
	check(os.WriteFile(name, text, 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatalf("generating from the provider: %v; go.mod may mix versions of the bridge that do not fit", err)
	}
}
