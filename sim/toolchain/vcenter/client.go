package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"text/tabwriter"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
)

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

// power does to one virtual machine what an operator would do from the vSphere client.
func power(ctx context.Context, c *govmomi.Client, name, state string) error {
	vm, err := find.NewFinder(c.Client).VirtualMachine(ctx, "/"+datacenter+"/vm/"+name)
	if err != nil {
		return fmt.Errorf("find the virtual machine (`vcenter inventory` lists all): %w", err)
	}
	action, ok := map[string]func(context.Context) (*object.Task, error){
		"on": vm.PowerOn, "off": vm.PowerOff, "reset": vm.Reset,
	}[state]
	if !ok {
		return fmt.Errorf("the power state is %q, expected on, off or reset", state)
	}
	task, err := action(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// inventory lists every virtual machine: name, power state, host, datastore path, CPUs, memory.
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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPOWER\tHOST\tFILE\tCPUS\tMEMORY")
	for _, vm := range vms {
		state := string(vm.Runtime.PowerState)
		if vm.Config.Template {
			state = "template"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d MB\n", vm.Name, state, hostName[vm.Runtime.Host.Value],
			vm.Config.Files.VmPathName, vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB)
	}
	return t.Flush()
}
