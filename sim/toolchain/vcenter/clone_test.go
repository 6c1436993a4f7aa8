package main

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// extraConfig reads a machine's extra configuration as a client sees it.
func extraConfig(ctx context.Context, vm *object.VirtualMachine) (map[string]string, error) {
	var found mo.VirtualMachine
	if err := vm.Properties(ctx, vm.Reference(), []string{"config.extraConfig"}, &found); err != nil {
		return nil, err
	}
	all := make(map[string]string)
	for _, option := range found.Config.ExtraConfig {
		o := option.GetOptionValue()
		if _, ok := all[o.Key]; ok {
			return nil, fmt.Errorf("%s is set twice", o.Key)
		}
		all[o.Key] = o.Value.(string)
	}
	return all, nil
}

// The simulator starts a container of the image in this key.
func expectImage(ctx context.Context, vm *object.VirtualMachine, image string) error {
	config, err := extraConfig(ctx, vm)
	if err != nil {
		return err
	}
	if got := config[simulator.ContainerBackingOptionKey]; got != image {
		return fmt.Errorf("image %q, expected %q", got, image)
	}
	if config["RUN.network"] != "vlan-20" || config["RUN.mountdmi"] != "false" {
		return fmt.Errorf("extra configuration %v, expected the network and no mount", config)
	}
	return nil
}

func TestAMachineHasTheImageOfItsTemplate(t *testing.T) {
	ctx, client := testVCenter(t)
	finder, site := findSite(t, ctx, client)
	clone := func(source, name string, config *types.VirtualMachineConfigSpec) (*object.VirtualMachine, error) {
		vm, err := finder.VirtualMachine(ctx, source)
		if err != nil {
			return nil, err
		}
		task, err := vm.Clone(ctx, site.folder, name, types.VirtualMachineCloneSpec{Location: site.spec, Config: config})
		if err != nil {
			return nil, err
		}
		info, err := task.WaitForResult(ctx)
		if err != nil {
			return nil, err
		}
		return object.NewVirtualMachine(client.Client, info.Result.(types.ManagedObjectReference)), nil
	}
	destroy := func(vm *object.VirtualMachine) error {
		task, err := vm.Destroy(ctx)
		if err != nil {
			return err
		}
		return task.Wait(ctx)
	}

	t.Run("in parallel, and under a name that was another's", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				name := fmt.Sprintf("node-%d", i)
				for round := range 2 {
					source, expected := "ubuntu-24.04", plainImage
					if (i+round)%2 == 0 {
						source, expected = "ubuntu-24.04-k8s", image
					}
					vm, err := clone(source, name, nil)
					if err == nil {
						err = expectImage(ctx, vm, expected)
					}
					if err == nil {
						err = destroy(vm)
					}
					if err != nil {
						t.Errorf("%s from %s: %v", name, source, err)
					}
				}
			})
		}
		all.Wait()
	})

	t.Run("beside what the client sets", func(t *testing.T) {
		set := &types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{
			&types.OptionValue{Key: "guestinfo.metadata", Value: "bWV0YQ=="},
		}}
		vm, err := clone("ubuntu-24.04", "configured", set)
		if err != nil {
			t.Fatal(err)
		}
		if err := expectImage(ctx, vm, plainImage); err != nil {
			t.Error(err)
		}
		config, err := extraConfig(ctx, vm)
		if err != nil {
			t.Fatal(err)
		}
		if got := config["guestinfo.metadata"]; got != "bWV0YQ==" {
			t.Errorf("guestinfo.metadata is %q, expected what was set", got)
		}
	})

	t.Run("as a clone of a clone, with another value for what it inherits", func(t *testing.T) {
		set := &types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{
			&types.OptionValue{Key: "guestinfo.metadata", Value: "b3RoZXI="},
		}}
		vm, err := clone("configured", "second", set)
		if err != nil {
			t.Fatal(err)
		}
		if err := expectImage(ctx, vm, plainImage); err != nil {
			t.Error(err)
		}
		config, err := extraConfig(ctx, vm)
		if err != nil {
			t.Fatal(err)
		}
		if got := config["guestinfo.metadata"]; got != "b3RoZXI=" {
			t.Errorf("guestinfo.metadata is %q, expected its own", got)
		}
	})
}

// Who knows a machine by its UUID sees that another one took its place.
func TestAMachineMadeAnewIsAnother(t *testing.T) {
	ctx, client := testVCenter(t)
	finder, site := findSite(t, ctx, client)
	template, err := finder.VirtualMachine(ctx, "ubuntu-24.04")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for range 2 {
		task, err := template.Clone(ctx, site.folder, "worker-1", types.VirtualMachineCloneSpec{Location: site.spec})
		if err != nil {
			t.Fatal(err)
		}
		info, err := task.WaitForResult(ctx)
		if err != nil {
			t.Fatal(err)
		}
		vm := object.NewVirtualMachine(client.Client, info.Result.(types.ManagedObjectReference))
		var machine mo.VirtualMachine
		if err := vm.Properties(ctx, vm.Reference(), []string{"config.uuid"}, &machine); err != nil {
			t.Fatal(err)
		}
		if seen[machine.Config.Uuid] {
			t.Fatalf("UUID %s is that of a machine before", machine.Config.Uuid)
		}
		seen[machine.Config.Uuid] = true
		if task, err = vm.Destroy(ctx); err == nil {
			err = task.Wait(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTemplatesOnTheCommandLine(t *testing.T) {
	t.Setenv("VSPHERE_USER", "administrator")
	t.Setenv("VSPHERE_PASSWORD", "secret")
	complete := []string{"-listen", "127.0.0.1:0", "-cert", "c", "-key", "k", "-home", "h", "-network", "n"}
	for _, c := range []struct {
		args     []string
		expected templates // nil where the arguments are refused
	}{
		{[]string{"-template", "a=x:1", "-template", "b=y:2"}, templates{{"a", "x:1"}, {"b", "y:2"}}},
		{[]string{"-template", "a=b=x:1"}, templates{{"a=b", "x:1"}}},
		{nil, nil},
		{[]string{"-template", "a"}, nil},
		{[]string{"-template", "=x:1"}, nil},
		{[]string{"-template", "a="}, nil},
		{[]string{"-template", "a=x:1", "-template", "a=y:2"}, nil},
	} {
		o, err := serveFlags(append(complete, c.args...))
		if c.expected == nil && err == nil {
			t.Errorf("%q: taken for %v, expected an error", c.args, o.templates)
		}
		if c.expected != nil && (err != nil || fmt.Sprint(o.templates) != fmt.Sprint(c.expected)) {
			t.Errorf("%q: %v, %v, expected %v", c.args, o.templates, err, c.expected)
		}
	}
}
