package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/units"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// The reference homelab. Datastores are 1 TB each: the simulator's fixed size.
const (
	datacenter   = "lab"
	hostCPUs     = 8
	hostMemory   = 64 * units.GB
	templateDisk = 20 * units.GB
)

// esxi are the hosts, each standalone with a datastore of its own.
var esxi = []struct{ name, datastore string }{
	{"esxi-1.lab.internal", "esxi-1-local"},
	{"esxi-2.lab.internal", "esxi-2-local"},
}

// builder creates the inventory through the API, as an operator would, and sets on the objects what the API cannot.
type builder struct {
	client  *vim25.Client
	objects *simulator.Registry
	folders *object.DatacenterFolders
}

func buildInventory(ctx context.Context, model *simulator.Model, o serveOptions) error {
	client, err := vim25.NewClient(ctx, model.Service)
	if err != nil {
		return err
	}
	dc, err := object.NewRootFolder(client).CreateDatacenter(ctx, datacenter)
	if err != nil {
		return err
	}
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	b := builder{client, model.Map(), folders}
	b.objects.AddHandler(defaults{})

	var hosts []*simulator.HostSystem
	for _, e := range esxi {
		host, err := b.host(ctx, e.name)
		if err != nil {
			return fmt.Errorf("host %s: %w", e.name, err)
		}
		if err := b.datastore(ctx, host, e.datastore, filepath.Join(o.home, e.datastore)); err != nil {
			return fmt.Errorf("datastore %s: %w", e.datastore, err)
		}
		hosts = append(hosts, host)
	}
	if err := b.portGroup(ctx, hosts, o.network); err != nil {
		return fmt.Errorf("port group %s: %w", o.network, err)
	}
	for _, t := range o.templates {
		if err := b.template(ctx, hosts[0], esxi[0].datastore, o.network, t); err != nil {
			return fmt.Errorf("template %s: %w", t.name, err)
		}
	}
	return nil
}

func (b builder) host(ctx context.Context, name string) (*simulator.HostSystem, error) {
	task, err := b.folders.HostFolder.AddStandaloneHost(ctx, types.HostConnectSpec{HostName: name}, true, nil, nil)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return nil, err
	}
	host := b.objects.Get(info.Result.(types.ManagedObjectReference)).(*simulator.HostSystem)

	summary, hardware := host.Summary.Hardware, host.Hardware
	summary.NumCpuPkgs, summary.NumCpuCores, summary.NumCpuThreads = 1, hostCPUs, hostCPUs
	summary.MemorySize = hostMemory
	hardware.CpuInfo.NumCpuPackages, hardware.CpuInfo.NumCpuCores, hardware.CpuInfo.NumCpuThreads = 1, hostCPUs, hostCPUs
	hardware.MemorySize = hostMemory

	compute := b.compute(host).Summary.GetComputeResourceSummary()
	compute.NumCpuCores, compute.NumCpuThreads = hostCPUs, hostCPUs
	compute.TotalCpu = hostCPUs * summary.CpuMhz
	compute.EffectiveCpu = compute.TotalCpu
	compute.TotalMemory = hostMemory
	compute.EffectiveMemory = hostMemory / units.MB
	return host, nil
}

// compute is the compute resource that vCenter wraps around a standalone host; it owns the host's resource pool.
func (b builder) compute(host *simulator.HostSystem) *mo.ComputeResource {
	return b.objects.Get(*host.Parent).(*mo.ComputeResource)
}

func (b builder) datastore(ctx context.Context, host *simulator.HostSystem, name, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	system, err := object.NewHostSystem(b.client, host.Self).ConfigManager().DatastoreSystem(ctx)
	if err != nil {
		return err
	}
	_, err = system.CreateLocalDatastore(ctx, name, dir)
	return err
}

// portGroup adds one to the first host and the network that it makes to the others, where vCenter would recognise the
// second port group of that name as the same network and the simulator refuses it as a duplicate.
func (b builder) portGroup(ctx context.Context, hosts []*simulator.HostSystem, name string) error {
	system, err := object.NewHostSystem(b.client, hosts[0].Self).ConfigManager().NetworkSystem(ctx)
	if err != nil {
		return err
	}
	spec := types.HostPortGroupSpec{Name: name, VlanId: 20, VswitchName: "vSwitch0"}
	if err := system.AddPortGroup(ctx, spec); err != nil {
		return err
	}
	folder := b.objects.Get(b.folders.NetworkFolder.Reference()).(*simulator.Folder)
	network := b.objects.FindByName(name, folder.ChildEntity).Reference()
	for _, host := range hosts {
		host.Network = append(host.Network, network)
		compute := b.compute(host)
		compute.Network = append(compute.Network, network)
	}
	return nil
}

// template makes what a packer build for Ubuntu leaves: a machine with a disk and a network card, marked as template. It stays
// what it is on a real vCenter, files without a running machine: a container is made when a clone is switched on.
func (b builder) template(ctx context.Context, host *simulator.HostSystem, datastore, network string, t template) error {
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return err
	}
	disk := devices.CreateDisk(scsi.(types.BaseVirtualController), types.ManagedObjectReference{}, "")
	disk.CapacityInKB = templateDisk / units.KB
	disk.CapacityInBytes = templateDisk
	disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ThinProvisioned = types.NewBool(true)
	nic, err := devices.CreateEthernetCard("vmxnet3", &types.VirtualEthernetCardNetworkBackingInfo{
		VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: network},
	})
	if err != nil {
		return err
	}
	change, err := append(devices, scsi, disk, nic).ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	if err != nil {
		return err
	}

	pool := object.NewResourcePool(b.client, *b.compute(host).ResourcePool)
	task, err := b.folders.VmFolder.CreateVM(ctx, types.VirtualMachineConfigSpec{
		Name:         t.name,
		GuestId:      string(types.VirtualMachineGuestOsIdentifierUbuntu64Guest),
		NumCPUs:      2,
		MemoryMB:     2048,
		Firmware:     string(types.GuestOsDescriptorFirmwareTypeEfi),
		Files:        &types.VirtualMachineFileInfo{VmPathName: "[" + datastore + "]"},
		DeviceChange: change,
		ExtraConfig:  container(t.image, network),
	}, pool, object.NewHostSystem(b.client, host.Self))
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return err
	}
	return object.NewVirtualMachine(b.client, info.Result.(types.ManagedObjectReference)).MarkAsTemplate(ctx)
}
