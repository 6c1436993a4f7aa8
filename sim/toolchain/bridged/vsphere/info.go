// Package vsphere describes HashiCorp's vSphere provider to the bridge, with the resource names of @pulumi/vsphere.
package vsphere

import (
	sdk "github.com/hashicorp/terraform-plugin-sdk/helper/schema"
	"github.com/hashicorp/terraform-provider-vsphere/vsphere"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	sdkv1 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v1"
)

// Version is the plugin's, and that of the Node SDK generated from it; the build sets it.
var Version string

// Info is what both the schema generator and the running plugin are made from.
func Info() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:       sdkv1.NewProvider(vsphere.Provider().(*sdk.Provider)),
		Name:    "vsphere",
		Version: Version,
		License: "MPL-2.0",
		JavaScript: &tfbridge.JavaScriptInfo{
			// Without a peer dependency the SDK would bring a second copy of @pulumi/pulumi, whose outputs the
			// program's copy does not recognise as its own.
			PeerDependencies:     map[string]string{"@pulumi/pulumi": "^3.0.0"},
			RespectSchemaVersion: true,
		},
	}
	info.MustComputeTokens(tokens.SingleModule("vsphere_", "index", tokens.MakeStandard("vsphere")))
	return info
}
