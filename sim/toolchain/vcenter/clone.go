package main

import (
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// cloneAsVCenter has machines cloned by a cloner instead of by themselves.
func cloneAsVCenter(model *simulator.Model) {
	var one sync.Mutex
	model.Map().Handler = func(ctx *simulator.Context, call *simulator.Method) (mo.Reference, types.BaseMethodFault) {
		if _, ok := call.Body.(*types.CloneVM_Task); !ok || ctx.Session == nil {
			return nil, nil
		}
		source, ok := ctx.Map.Get(call.This).(*simulator.VirtualMachine)
		if !ok {
			return nil, nil
		}
		// The simulator prefers what it knows by the reference to what this function returns.
		call.This.Value = ""
		return &cloner{source, &one}, nil
	}
}

// cloner stands for a machine that is being cloned.
type cloner struct {
	source *simulator.VirtualMachine
	one    *sync.Mutex
}

// Reference makes the simulator hold the lock of the machine while it is cloned, as it would without the cloner.
func (c *cloner) Reference() types.ManagedObjectReference { return c.source.Self }

func (c *cloner) CloneVMTask(ctx *simulator.Context, req *types.CloneVM_Task) soap.HasFault {
	if req.Spec.Config == nil {
		req.Spec.Config = &types.VirtualMachineConfigSpec{}
	}
	// A clone inherits the extra configuration of what it is cloned from, as on vCenter. So it gets the docker image of its
	// template, whatever it is called. Of two values for a key the last one counts.
	req.Spec.Config.ExtraConfig = slices.Concat(c.source.Config.ExtraConfig, req.Spec.Config.ExtraConfig)
	// One that takes the place of another is another machine; the simulator would know both by their file.
	req.Spec.Config.Uuid = uuid.NewString()

	// One at a time: a machine has no name at first, and the simulator panics when it looks for a free one meanwhile.
	c.one.Lock()
	res := c.source.CloneVMTask(ctx, req)
	if res.Fault() != nil {
		c.one.Unlock()
		return res
	}
	task := ctx.Map.Get(res.(*methods.CloneVM_TaskBody).Res.Returnval).(*simulator.Task)
	go func() {
		task.Wait()
		c.one.Unlock()
	}()
	return res
}

// container is the extra configuration that makes the simulator back a machine by a container.
func container(image, network string) []types.BaseOptionValue {
	return []types.BaseOptionValue{
		&types.OptionValue{Key: simulator.ContainerBackingOptionKey, Value: image},
		&types.OptionValue{Key: "RUN.network", Value: network},
		// Would be filled with the help of an image from the internet.
		&types.OptionValue{Key: "RUN.mountdmi", Value: "false"},
	}
}
