package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// defaults gives every machine what a real vCenter would have filled in and the simulator leaves empty, where the
// provider takes the difference for a change that somebody made.
type defaults struct{}

func (defaults) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "Defaults", Value: "defaults"}
}

func (defaults) PutObject(_ *simulator.Context, object mo.Reference) {
	if vm, ok := object.(*simulator.VirtualMachine); ok && vm.Config != nil {
		vm.Config.SwapPlacement = string(types.VirtualMachineConfigInfoSwapPlacementTypeInherit)
	}
}

func (defaults) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}

func (defaults) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}
