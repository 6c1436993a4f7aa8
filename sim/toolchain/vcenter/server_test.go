package main

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// Nothing here is switched on, so no docker is needed.
const image, plainImage = "node:everything", "node:plain"

// testVCenter serves the lab's vCenter on loopback, and logs in to it.
func testVCenter(t *testing.T) (context.Context, *govmomi.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	home := t.TempDir()
	t.Setenv("TMPDIR", home) // the server sets it; this puts it back
	server, err := start(ctx, serveOptions{
		listen:  "127.0.0.1:0",
		cert:    filepath.Join(home, "cert"),
		key:     filepath.Join(home, "key"),
		home:    home,
		network: "vlan-20",
		templates: templates{
			{"ubuntu-24.04-k8s", image},
			{"ubuntu-24.04", plainImage},
		},
		user: url.UserPassword("administrator", "secret"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	address := *server.URL
	address.User = url.UserPassword("administrator", "secret")
	client, err := govmomi.NewClient(ctx, &address, true)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, client
}

// site is where machines are cloned to.
type site struct {
	folder *object.Folder
	spec   types.VirtualMachineRelocateSpec
}

func findSite(t *testing.T, ctx context.Context, client *govmomi.Client) (*find.Finder, site) {
	t.Helper()
	finder := find.NewFinder(client.Client)
	folder, err := finder.DefaultFolder(ctx)
	if err != nil {
		t.Fatal(err)
	}
	host, err := finder.HostSystem(ctx, esxi[1].name)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := host.ResourcePool(ctx)
	if err != nil {
		t.Fatal(err)
	}
	store, err := finder.Datastore(ctx, esxi[1].datastore)
	if err != nil {
		t.Fatal(err)
	}
	hostRef, poolRef, storeRef := host.Reference(), pool.Reference(), store.Reference()
	return finder, site{folder, types.VirtualMachineRelocateSpec{Host: &hostRef, Pool: &poolRef, Datastore: &storeRef}}
}

// The provider upgrades a machine whose virtual hardware is older than its host's: none is, so that a machine can be changed.
func TestHostsKnowTheirMachinesHardware(t *testing.T) {
	ctx, client := testVCenter(t)
	finder, _ := findSite(t, ctx, client)
	vm, err := finder.VirtualMachine(ctx, "ubuntu-24.04-k8s")
	if err != nil {
		t.Fatal(err)
	}
	var machine mo.VirtualMachine
	if err := vm.Properties(ctx, vm.Reference(), []string{"config.version", "environmentBrowser"}, &machine); err != nil {
		t.Fatal(err)
	}
	options, err := methods.QueryConfigOption(ctx, client, &types.QueryConfigOption{This: machine.EnvironmentBrowser})
	if err != nil {
		t.Fatal(err)
	}
	version, err := types.ParseHardwareVersion(machine.Config.Version)
	if err != nil {
		t.Fatal(err)
	}
	if known := options.Returnval.HardwareOptions.HwVersion; known != int32(version) {
		t.Fatalf("the host's hardware is of version %d, the machine's of %d", known, version)
	}
}
