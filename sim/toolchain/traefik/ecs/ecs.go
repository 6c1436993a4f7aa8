// Package ecs stands in for Traefik's source of routes in Amazon's cloud, and for the SDK that it asks there with.
package ecs

import (
	"errors"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
)

// Provider is what the static configuration holds under providers.ecs.
type Provider struct{}

// Init says that there is no such source.
func (*Provider) Init() error {
	return errors.New("this Traefik is built without providers.ecs: remove it from the static configuration")
}

// Provide is never reached.
func (*Provider) Provide(chan<- dynamic.Message, *safe.Pool) error { return nil }
