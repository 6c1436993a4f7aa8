package main

import (
	"os"
	"testing"

	"github.com/kvtools/valkeyrie/store"
	"github.com/traefik/paerser/file"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/config/kv"
	"gopkg.in/yaml.v3"
)

// TestFixture holds what the program accepts of every shape against Traefik's own decoders.
func TestFixture(t *testing.T) {
	text, err := os.ReadFile("../../../../tests/fixtures/valid/routes-of-every-shape.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Change struct {
			Ingress struct{ Dynamic map[string]any }
			Consul  struct{ KV map[string]string }
		}
	}
	if err := yaml.Unmarshal(text, &fixture); err != nil {
		t.Fatal(err)
	}

	content, err := yaml.Marshal(fixture.Change.Ingress.Dynamic)
	if err != nil {
		t.Fatal(err)
	}
	var fromFile dynamic.Configuration
	if err := file.DecodeContent(string(content), ".yml", &fromFile); err != nil {
		t.Errorf("a file with the fixture's content: %v", err)
	} else if fromFile.HTTP.Routers["app"].Priority != 7 || fromFile.HTTP.Routers["app"].TLS == nil {
		t.Errorf("router app was read as %+v", fromFile.HTTP.Routers["app"])
	}

	var pairs []*store.KVPair
	for key, value := range fixture.Change.Consul.KV {
		pairs = append(pairs, &store.KVPair{Key: key, Value: []byte(value)})
	}
	var fromStore dynamic.Configuration
	if err := kv.Decode(pairs, &fromStore, "traefik"); err != nil {
		t.Errorf("a store with the fixture's entries: %v", err)
	} else if servers := fromStore.HTTP.Services["wiki"].LoadBalancer.Servers; len(servers) != 1 {
		t.Errorf("service wiki has the servers %+v", servers)
	}
}
