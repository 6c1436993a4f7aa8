package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
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
	switch object := object.(type) {
	case *simulator.VirtualMachine:
		if object.Config != nil {
			object.Config.SwapPlacement = string(types.VirtualMachineConfigInfoSwapPlacementTypeInherit)
		}
	case *simulator.EnvironmentBrowser:
		// A host that knew no virtual hardware would have every machine upgraded that is changed.
		version, err := types.ParseHardwareVersion(esx.HardwareVersion)
		if err != nil {
			panic(err) // a constant of the simulator
		}
		object.QueryConfigOptionResponse.Returnval = &types.VirtualMachineConfigOption{
			Version:         esx.HardwareVersion,
			DefaultDevice:   esx.VirtualDevice,
			HardwareOptions: types.VirtualHardwareOption{HwVersion: int32(version)},
		}
	}
}

func (defaults) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}

func (defaults) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}
