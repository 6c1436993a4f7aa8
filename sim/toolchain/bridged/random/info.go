// Package random describes HashiCorp's random provider to the bridge, with the resource names of @pulumi/random.
package random

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"
)

// Version is the plugin's; the build sets it to that of @pulumi/random.
var Version string

// Info is what both the schema generator and the running plugin are made from.
func Info() bridge.ProviderInfo {
	info := bridge.ProviderInfo{
		P:       tfbridge.ShimProvider(shim.New()),
		Name:    "random",
		Version: Version,
		License: "MPL-2.0",
		// Remembers renames between releases of a published plugin; this one has none.
		MetadataInfo: bridge.NewProviderMetadata(nil),
	}
	// The provider's own prefix stays in the names: it is RandomPassword, not Password.
	info.MustComputeTokens(tokens.SingleModule("", "index", tokens.MakeStandard("random")))
	return info
}
