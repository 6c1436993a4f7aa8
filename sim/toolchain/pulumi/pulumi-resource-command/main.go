// Pulumi's command plugin, as far as an SSH-driven program needs it: the resources local.Command, remote.Command and
// remote.CopyToRemote of @pulumi/command. The official plugin's module is not published where others are.
package main

import (
	"context"
	"fmt"
	"os"

	"esxi-k8s/sim/toolchain/pulumi/pulumi-resource-command/local"
	"esxi-k8s/sim/toolchain/pulumi/pulumi-resource-command/remote"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

var version string // set by the build

func main() {
	provider, err := newProvider()
	if err == nil {
		err = provider.Run(context.Background(), "command", version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newProvider() (p.Provider, error) {
	return infer.NewProviderBuilder().
		WithResources(
			infer.Resource(&local.Command{}),
			infer.Resource(&remote.Command{}),
			infer.Resource(&remote.CopyToRemote{}),
		).
		Build()
}
