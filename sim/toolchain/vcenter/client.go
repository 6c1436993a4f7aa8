package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// machines is the folder of the datacenter's virtual machines, with all others in it.
const machines = "/" + datacenter + "/vm"

// withClient logs in to the vCenter at VSPHERE_SERVER. Its certificate signs itself, so there is nothing to verify it by.
func withClient(ctx context.Context, f func(*govmomi.Client) error) error {
	user, err := credentials()
	if err != nil {
		return err
	}
	server := os.Getenv("VSPHERE_SERVER")
	if server == "" {
		return errors.New("VSPHERE_SERVER is empty: set it to the address of the vCenter")
	}
	client, err := govmomi.NewClient(ctx, &url.URL{Scheme: "https", Host: server, Path: "/sdk", User: user}, true)
	if err != nil {
		return fmt.Errorf("log in to %s: %w", server, err)
	}
	defer func() { _ = client.Logout(context.WithoutCancel(ctx)) }()
	return f(client)
}

// machine finds one virtual machine by its name, in whatever folder it is.
func machine(ctx context.Context, c *govmomi.Client, name string) (*object.VirtualMachine, error) {
	paths, err := pathsOf(ctx, c, "VirtualMachine")
	if err != nil {
		return nil, err
	}
	var found []types.ManagedObjectReference
	for ref, path := range paths {
		if path[strings.LastIndex(path, "/")+1:] == name {
			found = append(found, ref)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d virtual machines are called %s (`vcenter inventory` lists all), expected one", len(found), name)
	}
	return object.NewVirtualMachine(c.Client, found[0]), nil
}

// pathsOf is where everything of a kind is, below the folder of the datacenter's machines.
func pathsOf(ctx context.Context, c *govmomi.Client, kind string) (map[types.ManagedObjectReference]string, error) {
	root, err := find.NewFinder(c.Client).Folder(ctx, machines)
	if err != nil {
		return nil, err
	}
	all, err := view.NewManager(c.Client).CreateContainerView(ctx, root.Reference(), []string{kind}, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = all.Destroy(ctx) }()
	refs, err := all.Find(ctx, []string{kind}, nil)
	if err != nil {
		return nil, err
	}
	paths := make(map[types.ManagedObjectReference]string, len(refs))
	for _, ref := range refs {
		path, err := find.InventoryPath(ctx, c.Client, ref)
		if err != nil {
			return nil, err
		}
		paths[ref] = strings.TrimPrefix(path, machines+"/")
	}
	return paths, nil
}

// power does to one virtual machine what an operator would do from the vSphere client.
func power(ctx context.Context, c *govmomi.Client, name, state string) error {
	vm, err := machine(ctx, c, name)
	if err != nil {
		return err
	}
	action, ok := map[string]func(context.Context) (*object.Task, error){
		"on": vm.PowerOn, "off": vm.PowerOff, "reset": vm.Reset,
	}[state]
	if !ok {
		return fmt.Errorf("the power state is %q, expected on, off or reset", state)
	}
	return wait(ctx, action)
}

// remove deletes a virtual machine with its disk, running or not.
func remove(ctx context.Context, c *govmomi.Client, name string) error {
	vm, err := machine(ctx, c, name)
	if err != nil {
		return err
	}
	state, err := vm.PowerState(ctx)
	if err == nil && state != types.VirtualMachinePowerStatePoweredOff {
		err = wait(ctx, vm.PowerOff)
	}
	if err != nil {
		return err
	}
	return wait(ctx, vm.Destroy)
}

// clone makes a virtual machine of another, on the same host and in no folder, and leaves it switched off.
func clone(ctx context.Context, c *govmomi.Client, source, name string) error {
	vm, err := machine(ctx, c, source)
	if err != nil {
		return err
	}
	host, err := vm.HostSystem(ctx)
	if err != nil {
		return err
	}
	pool, err := host.ResourcePool(ctx)
	if err != nil {
		return err
	}
	folder, err := find.NewFinder(c.Client).Folder(ctx, machines)
	if err != nil {
		return err
	}
	hostRef, poolRef := host.Reference(), pool.Reference()
	return wait(ctx, func(ctx context.Context) (*object.Task, error) {
		location := types.VirtualMachineRelocateSpec{Host: &hostRef, Pool: &poolRef}
		return vm.Clone(ctx, folder, name, types.VirtualMachineCloneSpec{Location: location})
	})
}

// move puts a virtual machine into another folder.
func move(ctx context.Context, c *govmomi.Client, name, folder string) error {
	vm, err := machine(ctx, c, name)
	if err != nil {
		return err
	}
	to, err := find.NewFinder(c.Client).Folder(ctx, path.Join(machines, folder))
	if err != nil {
		return err
	}
	return wait(ctx, func(ctx context.Context) (*object.Task, error) {
		return to.MoveInto(ctx, []types.ManagedObjectReference{vm.Reference()})
	})
}

// removeFolder deletes a folder.
func removeFolder(ctx context.Context, c *govmomi.Client, folder string) error {
	found, err := find.NewFinder(c.Client).Folder(ctx, path.Join(machines, folder))
	if err != nil {
		return err
	}
	return wait(ctx, found.Destroy)
}

func wait(ctx context.Context, start func(context.Context) (*object.Task, error)) error {
	task, err := start(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// folders lists the paths of all folders for virtual machines.
func folders(ctx context.Context, c *govmomi.Client, w io.Writer) error {
	paths, err := pathsOf(ctx, c, "Folder")
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Values(paths)) {
		fmt.Fprintln(w, path)
	}
	return nil
}

// inventory lists every virtual machine: name, power state, host, datastore path, CPUs, memory, folder.
func inventory(ctx context.Context, c *govmomi.Client, w io.Writer) error {
	all, err := view.NewManager(c.Client).CreateContainerView(ctx, c.ServiceContent.RootFolder, nil, true)
	if err != nil {
		return err
	}
	defer func() { _ = all.Destroy(ctx) }()

	var hosts []mo.HostSystem
	if err := all.Retrieve(ctx, []string{"HostSystem"}, []string{"name"}, &hosts); err != nil {
		return err
	}
	hostName := make(map[string]string, len(hosts))
	for _, h := range hosts {
		hostName[h.Self.Value] = h.Name
	}

	var vms []mo.VirtualMachine
	if err := all.Retrieve(ctx, []string{"VirtualMachine"}, []string{"name", "runtime", "config"}, &vms); err != nil {
		return err
	}
	paths, err := pathsOf(ctx, c, "VirtualMachine")
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPOWER\tHOST\tFILE\tCPUS\tMEMORY\tFOLDER")
	for _, vm := range vms {
		state := string(vm.Runtime.PowerState)
		if vm.Config.Template {
			state = "template"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d MB\t%s\n", vm.Name, state, hostName[vm.Runtime.Host.Value],
			vm.Config.Files.VmPathName, vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB, path.Dir(paths[vm.Self]))
	}
	return t.Flush()
}
