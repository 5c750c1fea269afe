package main

import (
	"fmt"
	"path"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Machine is one virtual machine as the site's file describes it.
type Machine struct {
	Name, Folder string
	Host         int // the number of its host
	Cpus         int32
	Memory       int64 // MiB
	Guest        string
	Hardware     int    // the version of its virtual hardware; 0: 19
	Bios         string // its BIOS UUID, to make twins
	Firmware     string
	SecureBoot   bool
	Power        string // poweredOn, poweredOff, suspended
	Tools        bool
	Snapshots    int
	Encrypted    bool
	Tpm, Cd      bool
	BusSharing   string
	Tags         []string // CATEGORY/TAG
	Attributes   map[string]string
	Disks        []Disk
	Nics         []Nic
}

// Disk is a file of the machine's folder (NAME.vmdk beside NAME-flat.vmdk).
type Disk struct {
	File    string
	Size    int64
	Bus     string // pvscsi, lsilogic, sata, ide, nvme
	Thin    bool
	Mode    string // persistent when empty
	Sharing string
	Rdm     bool
}

// Nic is a card; without a standard network it hangs on the distributed port group.
type Nic struct {
	Mac, Network, Model string
	Addresses           []string
}

func (m Machine) spec(datastore string) types.VirtualMachineConfigSpec {
	version := m.Hardware
	if version == 0 {
		version = 19
	}
	firmware := m.Firmware
	if firmware == "" {
		firmware = "bios"
	}
	return types.VirtualMachineConfigSpec{
		Name: m.Name, GuestId: m.Guest, NumCPUs: m.Cpus, MemoryMB: m.Memory, Firmware: firmware, Uuid: m.Bios,
		Version:     fmt.Sprintf("vmx-%02d", version),
		BootOptions: &types.VirtualMachineBootOptions{EfiSecureBootEnabled: &m.SecureBoot},
		Files:       &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s] %s/%s.vmx", datastore, m.Folder, m.Folder)},
	}
}

// dress puts on the machine what the simulator's own calls do not know, or would make empty files for.
func (m Machine) dress(vm *simulator.VirtualMachine, in *Inventory) {
	store := in.site.Datastore
	datastore := vm.Datastore[0]
	devices := vm.Config.Hardware.Device
	controllers := map[string]int32{}
	key := int32(1000)
	for n, disk := range m.Disks {
		bus := disk.Bus
		if _, ok := controllers[bus]; !ok {
			controllers[bus] = key
			devices = append(devices, controller(bus, key, m.BusSharing))
			key++
		}
		mode := disk.Mode
		if mode == "" {
			mode = "persistent"
		}
		file := types.VirtualDeviceFileBackingInfo{
			FileName: fmt.Sprintf("[%s] %s.vmdk", store, path.Join(m.Folder, disk.File)), Datastore: &datastore,
		}
		thin := disk.Thin
		var backing types.BaseVirtualDeviceBackingInfo = &types.VirtualDiskFlatVer2BackingInfo{
			VirtualDeviceFileBackingInfo: file, DiskMode: mode, ThinProvisioned: &thin, Sharing: disk.Sharing,
		}
		if disk.Rdm {
			backing = &types.VirtualDiskRawDiskMappingVer1BackingInfo{
				VirtualDeviceFileBackingInfo: file, DiskMode: mode, CompatibilityMode: "physicalMode", LunUuid: "0200000000",
			}
		}
		unit := int32(n)
		devices = append(devices, &types.VirtualDisk{
			VirtualDevice: types.VirtualDevice{
				Key: int32(2000 + n), ControllerKey: controllers[bus], UnitNumber: &unit, Backing: backing,
				DeviceInfo: &types.Description{Label: fmt.Sprintf("Hard disk %d", n+1)},
			},
			CapacityInBytes: disk.Size, CapacityInKB: disk.Size >> 10,
		})
	}
	vm.Guest = &types.GuestInfo{ToolsRunningStatus: "guestToolsNotRunning", ToolsVersionStatus2: "guestToolsNotInstalled"}
	if m.Tools {
		vm.Guest.ToolsRunningStatus, vm.Guest.ToolsVersionStatus2 = "guestToolsRunning", "guestToolsUnmanaged"
	}
	for n, nic := range m.Nics {
		devices = append(devices, card(nic, int32(4000+n), in))
		if m.Tools && len(nic.Addresses) > 0 {
			vm.Guest.Net = append(vm.Guest.Net, types.GuestNicInfo{
				MacAddress: nic.Mac, IpAddress: nic.Addresses, Connected: true, DeviceConfigId: int32(4000 + n),
			})
		}
	}
	if m.Cd {
		devices = append(devices, &types.VirtualCdrom{VirtualDevice: types.VirtualDevice{
			Key: 3002, ControllerKey: 200,
			Backing: &types.VirtualCdromIsoBackingInfo{VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{
				FileName: fmt.Sprintf("[%s] iso/install.iso", store), Datastore: &datastore,
			}},
			Connectable: &types.VirtualDeviceConnectInfo{Connected: true, StartConnected: true},
		}})
	}
	if m.Tpm {
		devices = append(devices, &types.VirtualTPM{VirtualDevice: types.VirtualDevice{Key: 11000}})
	}
	if m.Encrypted {
		vm.Config.KeyId = &types.CryptoKeyId{KeyId: "key-1"}
	}
	vm.Config.Hardware.Device = devices
	if m.Power != "" {
		vm.Runtime.PowerState = types.VirtualMachinePowerState(m.Power)
		vm.Summary.Runtime.PowerState = vm.Runtime.PowerState
	}
}

func controller(bus string, key int32, sharing string) types.BaseVirtualDevice {
	base := types.VirtualController{VirtualDevice: types.VirtualDevice{Key: key}}
	if sharing == "" {
		sharing = "noSharing"
	}
	scsi := types.VirtualSCSIController{VirtualController: base, SharedBus: types.VirtualSCSISharing(sharing)}
	switch bus {
	case "nvme":
		return &types.VirtualNVMEController{VirtualController: base}
	case "sata":
		return &types.VirtualAHCIController{VirtualSATAController: types.VirtualSATAController{VirtualController: base}}
	case "ide":
		return &types.VirtualIDEController{VirtualController: base}
	case "lsilogic":
		return &types.VirtualLsiLogicController{VirtualSCSIController: scsi}
	}
	return &types.ParaVirtualSCSIController{VirtualSCSIController: scsi}
}

func card(nic Nic, key int32, in *Inventory) types.BaseVirtualDevice {
	card := types.VirtualEthernetCard{MacAddress: nic.Mac, AddressType: "assigned"}
	card.Key = key
	if nic.Network != "" {
		card.Backing = &types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: nic.Network},
		}
	} else {
		card.Backing = &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{
			Port: types.DistributedVirtualSwitchPortConnection{PortgroupKey: in.portgroup.Self.Value, SwitchUuid: "50 11 22 33"},
		}
	}
	if nic.Model == "e1000" {
		return &types.VirtualE1000{VirtualEthernetCard: card}
	}
	return &types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: card}}
}
