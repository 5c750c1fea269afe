package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// guest is a machine with real disks: its snapshots hold what they held at their moment, and changed blocks are told.
// The simulator's property collector wants the embedded machine first, and as a value.
type guest struct {
	simulator.VirtualMachine
	in     *Inventory
	folder string
	pid    int // the process that writes to its disks, stopped for a moment while a snapshot is taken
	disks  map[int32]*track
	chain  []*snapshot // from the oldest on
	tags   []string
}

// snapshot is a state of a machine. Its disks are copies that nobody writes to.
type snapshot struct {
	mo.VirtualMachineSnapshot
	of     *guest
	name   string
	about  string
	number int32
	made   time.Time
	state  types.VirtualMachinePowerState
	frozen map[int32]string
}

func refuse(privilege string, of types.ManagedObjectReference) *soap.Fault {
	return simulator.Fault("Permission to perform this operation was denied.",
		&types.NoPermission{SecurityError: types.SecurityError{}, Object: of, PrivilegeId: privilege})
}

// run does a task, unless the day is bad.
func (g *guest) run(this mo.Reference, name string, what func() (types.AnyType, types.BaseMethodFault)) types.ManagedObjectReference {
	task := simulator.CreateTask(this, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if g.in.door.fails(name) {
			return nil, &types.GenericVmConfigFault{Reason: "the lab lets it fail"}
		}
		return what()
	})
	return task.Run()
}

func (g *guest) on() bool { return g.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn }

// stun is what a snapshot or a start does to a running machine: from then on changes are tracked.
func (g *guest) stun() {
	if g.Config.ChangeTrackingEnabled == nil || !*g.Config.ChangeTrackingEnabled {
		return
	}
	for _, disk := range g.disks {
		if disk.uuid == "" {
			disk.begin()
		}
	}
}

func (g *guest) CreateSnapshotTask(_ *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	body := new(methods.CreateSnapshot_TaskBody)
	if g.in.door.denies("VirtualMachine.State.CreateSnapshot") {
		body.Fault_ = refuse("VirtualMachine.State.CreateSnapshot", g.Self)
		return body
	}
	task := g.run(g, "createSnapshot", func() (types.AnyType, types.BaseMethodFault) {
		made, err := g.snap(req.Name, req.Description)
		if err != nil {
			return nil, &types.GenericVmConfigFault{Reason: err.Error()}
		}
		return made.Self, nil
	})
	body.Res = &types.CreateSnapshot_TaskResponse{Returnval: task}
	return body
}

var snapshots int32

func (g *guest) snap(name, about string) (*snapshot, error) {
	snapshots++
	made := &snapshot{
		of: g, name: name, about: about, number: snapshots, made: time.Now(), state: g.Runtime.PowerState,
		frozen: map[int32]string{},
	}
	made.Self = types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: fmt.Sprintf("snapshot-%d", snapshots)}
	made.Vm = g.Self
	goOn := hold(g.pid)
	var failed error
	for key, disk := range g.disks {
		made.frozen[key] = filepath.Join(g.in.frozen(), fmt.Sprintf("%s-%d", made.Self.Value, key))
		if err := freeze(g.in.flat(disk.base), made.frozen[key]); err != nil {
			failed = err
		}
	}
	goOn()
	if failed != nil {
		return nil, failed
	}
	for key, disk := range g.disks {
		if disk.uuid == "" {
			continue
		}
		disk.number++
		state, err := hashes(made.frozen[key], disk.size, g.in.grain())
		if err != nil {
			return nil, err
		}
		disk.states[disk.number] = state
	}
	made.Config = *g.Config
	made.Config.Hardware.Device = g.devices(len(g.chain))
	for _, device := range made.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && g.disks[disk.Key] != nil {
				backing.ChangeId = g.disks[disk.Key].changeID()
			}
		}
	}
	g.stun()
	simulator.Map.Put(made)
	g.chain = append(g.chain, made)
	g.tell()
	return made, nil
}

// devices are the machine's, with its disks as the file of that place in the chain of differences (0: the base).
func (g *guest) devices(depth int) []types.BaseVirtualDevice {
	var found []types.BaseVirtualDevice
	for _, device := range g.Config.Hardware.Device {
		disk, ok := device.(*types.VirtualDisk)
		if !ok || g.disks[disk.Key] == nil {
			found = append(found, device)
			continue
		}
		fresh := *disk
		fresh.CapacityInBytes, fresh.CapacityInKB = g.disks[disk.Key].size, g.disks[disk.Key].size>>10
		backing := *disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		backing.Parent, backing.ChangeId = nil, ""
		base := g.disks[disk.Key].base
		var parent *types.VirtualDiskFlatVer2BackingInfo
		for n := 0; n <= depth; n++ {
			one := backing
			one.FileName = fmt.Sprintf("[%s] %s.vmdk", g.in.site.Datastore, link(base, n))
			one.Parent = parent
			parent = &one
		}
		fresh.Backing = parent
		found = append(found, &fresh)
	}
	return found
}

func link(base string, n int) string {
	if n == 0 {
		return base
	}
	return fmt.Sprintf("%s-%06d", base, n)
}

// tell writes down what has changed: the tree, the files, and the descriptors of the differences.
func (g *guest) tell() {
	for _, disk := range g.disks {
		old, _ := filepath.Glob(filepath.Join(g.in.site.Folder, disk.base+"-0[0-9][0-9][0-9][0-9][0-9].vmdk"))
		for _, file := range old {
			_ = os.Remove(file)
		}
		for n := 1; n <= len(g.chain); n++ {
			name, parent := filepath.Base(link(disk.base, n)), filepath.Base(link(disk.base, n-1))
			text := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=fffffffe\ncreateType=\"seSparse\"\n"+
				"parentFileNameHint=\"%s.vmdk\"\n\n# Extent description\nRW %d SESPARSE \"%s-sesparse.vmdk\"\n",
				parent, disk.size/512, name)
			_ = os.WriteFile(filepath.Join(g.in.site.Folder, link(disk.base, n)+".vmdk"), []byte(text), 0o600)
		}
	}
	for n, one := range g.chain {
		changes := map[int32]string{}
		for _, device := range one.Config.Hardware.Device {
			if disk, ok := device.(*types.VirtualDisk); ok && g.disks[disk.Key] != nil {
				changes[disk.Key] = disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ChangeId
			}
		}
		one.Config.Hardware.Device = g.devices(n)
		for _, device := range one.Config.Hardware.Device {
			if disk, ok := device.(*types.VirtualDisk); ok && g.disks[disk.Key] != nil {
				disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ChangeId = changes[disk.Key]
			}
		}
	}
	g.Config.Hardware.Device = g.devices(len(g.chain))
	for _, device := range g.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok && g.disks[disk.Key] != nil {
			disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ChangeId = g.disks[disk.Key].changeID()
		}
	}
	var tree []types.VirtualMachineSnapshotTree
	for n := len(g.chain) - 1; n >= 0; n-- {
		one := g.chain[n]
		tree = []types.VirtualMachineSnapshotTree{{
			Snapshot: one.Self, Vm: g.Self, Name: one.name, Description: one.about, Id: one.number, CreateTime: one.made,
			State: one.state, ReplaySupported: types.NewBool(false), ChildSnapshotList: tree,
		}}
	}
	g.Snapshot = nil
	if tree != nil {
		g.Snapshot = &types.VirtualMachineSnapshotInfo{
			CurrentSnapshot: &g.chain[len(g.chain)-1].Self, RootSnapshotList: tree,
		}
	}
}

func (g *guest) drop(gone *snapshot) {
	var rest []*snapshot
	for _, one := range g.chain {
		if one != gone {
			rest = append(rest, one)
		}
	}
	g.chain = rest
	for _, file := range gone.frozen {
		_ = os.Remove(file)
	}
	simulator.Map.Remove(gone.Self)
	g.stun()
	g.tell()
}

func (g *guest) RemoveAllSnapshotsTask(_ *simulator.Context, _ *types.RemoveAllSnapshots_Task) soap.HasFault {
	task := g.run(g, "removeAllSnapshots", func() (types.AnyType, types.BaseMethodFault) {
		for len(g.chain) > 0 {
			g.drop(g.chain[0])
		}
		return nil, nil
	})
	return &methods.RemoveAllSnapshots_TaskBody{Res: &types.RemoveAllSnapshots_TaskResponse{Returnval: task}}
}

func (s *snapshot) RemoveSnapshotTask(_ *simulator.Context, _ *types.RemoveSnapshot_Task) soap.HasFault {
	body := new(methods.RemoveSnapshot_TaskBody)
	if s.of.in.door.denies("VirtualMachine.State.RemoveSnapshot") {
		body.Fault_ = refuse("VirtualMachine.State.RemoveSnapshot", s.of.Self)
		return body
	}
	var task types.ManagedObjectReference
	simulator.Map.WithLock(s.of, func() {
		task = s.of.run(s.of, "removeSnapshot", func() (types.AnyType, types.BaseMethodFault) {
			s.of.drop(s)
			return nil, nil
		})
	})
	body.Res = &types.RemoveSnapshot_TaskResponse{Returnval: task}
	return body
}

func (g *guest) QueryChangedDiskAreas(_ *simulator.Context, req *types.QueryChangedDiskAreas) soap.HasFault {
	body := new(methods.QueryChangedDiskAreasBody)
	if g.in.door.denies("VirtualMachine.Provisioning.DiskRandomRead") {
		body.Fault_ = refuse("VirtualMachine.Provisioning.DiskRandomRead", g.Self)
		return body
	}
	invalid := func(what string) soap.HasFault {
		body.Fault_ = simulator.Fault("A specified parameter was not correct: "+what, &types.InvalidArgument{InvalidProperty: what})
		return body
	}
	disk := g.disks[req.DeviceKey]
	if disk == nil {
		return invalid("deviceKey")
	}
	var of *snapshot
	for _, one := range g.chain {
		if req.Snapshot != nil && one.Self == *req.Snapshot {
			of = one
		}
	}
	current := false
	if of == nil {
		// Without a snapshot it is the disk as it is now, and that can be told of a machine that is off.
		if req.Snapshot != nil || g.on() {
			return invalid("snapshot")
		}
		current = true
	}
	if req.StartOffset < 0 || req.StartOffset >= disk.size {
		return invalid("startOffset")
	}
	lost := func() soap.HasFault {
		file := fmt.Sprintf("/vmfs/volumes/%s/%s.vmdk", g.in.site.Datastore, disk.base)
		body.Fault_ = simulator.Fault("Error caused by file "+file, &types.FileFault{File: file})
		return body
	}
	mine, path := disk.changeID(), g.in.flat(disk.base)
	var now []uint64
	if current {
		now, _ = hashes(path, disk.size, g.in.grain())
	} else {
		path = of.frozen[req.DeviceKey]
		for _, device := range of.Config.Hardware.Device {
			if d, ok := device.(*types.VirtualDisk); ok && d.Key == req.DeviceKey {
				mine = d.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ChangeId
			}
		}
	}
	uuid, number := split(mine)
	if !current {
		now = disk.states[number]
	}
	if uuid == "" || uuid != disk.uuid || now == nil {
		return lost()
	}
	var all []types.DiskChangeExtent
	if req.ChangeId == "*" {
		all = allocated(path, disk.size, g.in.grain())
		if g.in.door.hidesUsed() && len(all) > 0 {
			all = all[:len(all)-1]
		}
	} else {
		since, then := split(req.ChangeId)
		before := disk.states[then]
		if since != uuid || before == nil {
			return lost()
		}
		if then > number {
			return invalid("changeId")
		}
		all = changed(before, now, disk.size, g.in.grain())
	}
	body.Res = &types.QueryChangedDiskAreasResponse{Returnval: page(all, req.StartOffset, disk.size)}
	return body
}

func split(id string) (string, int) {
	uuid, number, _ := strings.Cut(id, "/")
	n, _ := strconv.Atoi(number)
	return uuid, n
}

func (g *guest) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	if req.Spec.ChangeTrackingEnabled == nil {
		return g.VirtualMachine.ReconfigVMTask(ctx, req)
	}
	body := new(methods.ReconfigVM_TaskBody)
	if g.in.door.denies("VirtualMachine.Config.ChangeTracking") {
		body.Fault_ = refuse("VirtualMachine.Config.ChangeTracking", g.Self)
		return body
	}
	task := g.run(g, "reconfigVm", func() (types.AnyType, types.BaseMethodFault) {
		wanted := *req.Spec.ChangeTrackingEnabled
		if wanted && len(g.chain) > 0 {
			return nil, &types.InvalidState{}
		}
		g.Config.ChangeTrackingEnabled = &wanted
		for _, disk := range g.disks {
			if !wanted {
				disk.forget()
			}
		}
		if wanted && !g.on() {
			g.stun()
		}
		g.tell()
		return nil, nil
	})
	body.Res = &types.ReconfigVM_TaskResponse{Returnval: task}
	return body
}

func (g *guest) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	if g.in.door.denies("VirtualMachine.Interact.PowerOn") {
		return &methods.PowerOnVM_TaskBody{Fault_: refuse("VirtualMachine.Interact.PowerOn", g.Self)}
	}
	g.stun()
	g.tell()
	return g.VirtualMachine.PowerOnVMTask(ctx, req)
}

// ShutdownGuest asks the process that writes to end, and says so when it has.
func (g *guest) ShutdownGuest(ctx *simulator.Context, req *types.ShutdownGuest) soap.HasFault {
	if g.in.door.denies("VirtualMachine.Interact.PowerOff") {
		return &methods.ShutdownGuestBody{Fault_: refuse("VirtualMachine.Interact.PowerOff", g.Self)}
	}
	if g.Guest == nil || g.Guest.ToolsRunningStatus != "guestToolsRunning" {
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault("", &types.ToolsUnavailable{})}
	}
	if g.pid != 0 {
		log.Printf("%s: asking process %d to end", g.folder, g.pid)
		_ = syscall.Kill(g.pid, syscall.SIGTERM)
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && !gone(g.pid); {
			time.Sleep(10 * time.Millisecond)
		}
		if !gone(g.pid) {
			return &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
		}
		g.pid = 0
	}
	return g.VirtualMachine.ShutdownGuest(ctx, req)
}

func gone(pid int) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
	return fields[0] == "Z"
}

// grow makes a disk larger, as somebody in the vSphere Client would.
func (g *guest) grow(key int32, size int64) error {
	disk := g.disks[key]
	if disk == nil || size < disk.size {
		return errors.New("no such disk, or a smaller size")
	}
	if err := os.Truncate(g.in.flat(disk.base), size); err != nil {
		return err
	}
	descriptor := filepath.Join(g.in.site.Folder, disk.base+".vmdk")
	text, err := os.ReadFile(descriptor)
	if err != nil {
		return err
	}
	new := strings.Replace(string(text), fmt.Sprintf("RW %d VMFS", disk.size/512), fmt.Sprintf("RW %d VMFS", size/512), 1)
	disk.size = size
	g.tell()
	return os.WriteFile(descriptor, []byte(new), 0o600)
}
