// Package shim opens the random provider to the bridge. Its constructor is in an internal package, which only a module
// whose path starts with the provider's own may import; hence this module's name.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	random "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// New returns the random provider.
func New() provider.Provider { return random.New() }
