package main

import (
	"testing"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// What the engine learns from the plugin, as opposed to what a command does: remote/ has tests of that.
func TestProtocol(t *testing.T) {
	provider, err := newProvider()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(t.Context(), "command", semver.MustParse("1.2.1"), integration.WithProvider(provider))
	if err != nil {
		t.Fatal(err)
	}
	urn := resource.NewURN("stack", "project", "", "command:remote:Command", "name")
	checked, err := server.Check(p.CheckRequest{Urn: urn, Inputs: property.NewMap(map[string]property.Value{
		"create":     property.New("a"),
		"triggers":   property.New([]property.Value{property.New("b")}),
		"connection": property.New(map[string]property.Value{"host": property.New("192.0.2.1")}),
	})})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatal(err, checked.Failures)
	}
	connection := checked.Inputs.Get("connection")
	if !connection.Secret() {
		t.Error("the connection is not secret")
	}
	if limit := connection.AsMap().Get("dialErrorLimit"); limit.AsNumber() != 10 {
		t.Errorf("dialErrorLimit is %v by default", limit)
	}

	created, err := server.Create(p.CreateRequest{Urn: urn, Properties: checked.Inputs, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if !created.Properties.Get("connection").Secret() || created.Properties.Get("stdout").Secret() {
		t.Error("expected a secret connection and a public stdout")
	}

	// That a changed trigger replaces is for the SDK to ask for, so here it is a change like any other.
	for name, changed := range map[string]property.Map{
		"create":      checked.Inputs.Set("create", property.New("A")),
		"triggers[0]": checked.Inputs.Set("triggers", property.New([]property.Value{property.New("B")})),
	} {
		diff, err := server.Diff(p.DiffRequest{ID: "id", Urn: urn, State: created.Properties, Inputs: changed})
		if err != nil || len(diff.DetailedDiff) != 1 || diff.DetailedDiff[name].Kind != p.Update {
			t.Errorf("%s: got %v, %v", name, diff.DetailedDiff, err)
		}
	}
}
