package main

import (
	"context"
	"testing"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// organise makes of the lab's inventory one as people have it: things in folders, and names with slashes and percent signs.
func organise(ctx context.Context, client *govmomi.Client) error {
	finder := find.NewFinder(client.Client)
	dc, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return err
	}
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	host, err := finder.HostSystem(ctx, esxi[1].name)
	if err != nil {
		return err
	}
	compute, err := finder.ComputeResource(ctx, esxi[1].name)
	if err != nil {
		return err
	}
	store, err := finder.Datastore(ctx, esxi[1].datastore)
	if err != nil {
		return err
	}
	template, err := finder.VirtualMachine(ctx, "ubuntu-24.04")
	if err != nil {
		return err
	}

	// vCenter escapes names as they are given; of these kinds the simulator does it too.
	for _, move := range []struct {
		from *object.Folder
		to   string
		what object.Reference
	}{
		{folders.VmFolder, "Templates/100%", template},
		{folders.HostFolder, "Rack 1", compute},
		{folders.DatastoreFolder, "Local", store},
	} {
		to, err := move.from.CreateFolder(ctx, move.to)
		if err != nil {
			return err
		}
		task, err := to.MoveInto(ctx, []types.ManagedObjectReference{move.what.Reference()})
		if err == nil {
			err = task.Wait(ctx)
		}
		if err != nil {
			return err
		}
	}

	// A port group of one host keeps its name as it is.
	system, err := host.ConfigManager().NetworkSystem(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"VLAN 20/lab", "VLAN 100%", "[20] lab"} {
		if err := system.AddPortGroup(ctx, types.HostPortGroupSpec{Name: name, VswitchName: "vSwitch0"}); err != nil {
			return err
		}
	}

	// One of a distributed switch has the name that vCenter makes of `VLAN 30/lab`; the simulator would leave that as it is.
	task, err := folders.NetworkFolder.CreateDVS(ctx, types.DVSCreateSpec{ConfigSpec: &types.DVSConfigSpec{Name: "switch"}})
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return err
	}
	dvs := object.NewDistributedVirtualSwitch(client.Client, info.Result.(types.ManagedObjectReference))
	task, err = dvs.AddPortgroup(ctx, []types.DVPortgroupConfigSpec{{Name: "VLAN 30%2flab"}})
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// The vSphere provider hands the names of a configuration to this finder: what the documentation of the configuration says of
// names is what it takes.
func TestNames(t *testing.T) {
	ctx, client := testVCenter(t)
	if err := organise(ctx, client); err != nil {
		t.Fatal(err)
	}
	finder := find.NewFinder(client.Client, false)
	dc, err := finder.Datacenter(ctx, datacenter)
	if err != nil {
		t.Fatal(err)
	}
	finder.SetDatacenter(dc)
	lookup := map[string]func(string) (any, error){
		"network":   func(name string) (any, error) { return finder.Network(ctx, name) },
		"template":  func(name string) (any, error) { return finder.VirtualMachine(ctx, name) },
		"host":      func(name string) (any, error) { return finder.HostSystem(ctx, name) },
		"datastore": func(name string) (any, error) { return finder.Datastore(ctx, name) },
	}
	for _, c := range []struct {
		kind, name string
		found      bool
	}{
		{"network", "VLAN 20/lab", true},
		{"network", "VLAN 20%2flab", false},
		{"network", "/lab/network/VLAN 20/lab", true},
		{"network", "VLAN 100%", true},
		{"network", "[20] lab", false},
		{"network", `\[20] lab`, true},
		{"network", "VLAN 30%2flab", true},
		{"network", "VLAN 30%2Flab", false},
		{"network", "VLAN 30/lab", false},
		{"template", "ubuntu-24.04", true},
		{"template", "Templates%2f100%25/ubuntu-24.04", true},
		{"template", "/lab/vm/Templates%2f100%25/ubuntu-24.04", true},
		{"template", "Templates/100%/ubuntu-24.04", false},
		{"template", "./ubuntu-24.04", false},
		{"host", "esxi-2.lab.internal", true},
		{"host", "Rack 1/esxi-2.lab.internal", true},
		{"host", "Rack 1/esxi-2.lab.internal/esxi-2.lab.internal", true},
		{"host", "/lab/host/Rack 1/esxi-2.lab.internal", true},
		{"datastore", "esxi-2-local", true},
		{"datastore", "Local/esxi-2-local", true},
	} {
		found, err := lookup[c.kind](c.name)
		if (err == nil) != c.found {
			t.Errorf("%s %q: %v, %v, expected found: %t", c.kind, c.name, found, err, c.found)
		}
	}
}
