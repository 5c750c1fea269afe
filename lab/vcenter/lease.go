package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// lease lets somebody read the disks of a machine, or of a snapshot, as streamOptimized VMDKs for as long as it is kept alive.
type lease struct {
	mo.HttpNfcLease
	in    *Inventory
	files map[string]content
	over  bool
	sign  time.Time // when somebody has last told how far they are
}

type content struct {
	path string
	size int64
}

func (g *guest) ExportVm(_ *simulator.Context, _ *types.ExportVm) soap.HasFault {
	body := new(methods.ExportVmBody)
	if g.in.door.denies("VApp.Export") {
		body.Fault_ = refuse("VApp.Export", g.Self)
		return body
	}
	if g.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		body.Fault_ = simulator.Fault("The attempted operation cannot be performed in the current state (Powered on).",
			&types.InvalidPowerState{RequestedState: "poweredOff", ExistingState: g.Runtime.PowerState})
		return body
	}
	files := map[int32]string{}
	for key, disk := range g.disks {
		files[key] = g.in.flat(disk.base)
	}
	if g.in.exporting(g.Self) {
		body.Fault_ = simulator.Fault("Another task is already in progress.", &types.TaskInProgress{})
		return body
	}
	body.Res = &types.ExportVmResponse{Returnval: g.lease(files)}
	return body
}

func (s *snapshot) ExportSnapshot(_ *simulator.Context, _ *types.ExportSnapshot) soap.HasFault {
	body := new(methods.ExportSnapshotBody)
	if s.of.in.door.denies("VApp.Export") {
		body.Fault_ = refuse("VApp.Export", s.of.Self)
		return body
	}
	if s.of.in.exporting(s.of.Self) {
		body.Fault_ = simulator.Fault("Another task is already in progress.", &types.TaskInProgress{})
		return body
	}
	body.Res = &types.ExportSnapshotResponse{Returnval: s.of.lease(s.frozen)}
	return body
}

var leases int

func (g *guest) lease(files map[int32]string) types.ManagedObjectReference {
	leases++
	made := &lease{in: g.in, files: map[string]content{}, sign: time.Now()}
	made.Self = types.ManagedObjectReference{Type: "HttpNfcLease", Value: fmt.Sprintf("session[lab]%d", leases)}
	made.State = types.HttpNfcLeaseStateInitializing
	info := &types.HttpNfcLeaseInfo{Lease: made.Self, Entity: g.Self, LeaseTimeout: g.in.leaseTimeout()}
	yes := true
	for _, device := range g.Config.Hardware.Device {
		disk, ok := device.(*types.VirtualDisk)
		if !ok || files[disk.Key] == "" {
			continue
		}
		name := fmt.Sprintf("disk-%d.vmdk", len(made.files))
		made.files[name] = content{files[disk.Key], g.disks[disk.Key].size}
		unit := int32(0)
		if disk.UnitNumber != nil {
			unit = *disk.UnitNumber
		}
		host := g.in.site.LeaseHost
		if host == "" {
			host = "*"
		}
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key: fmt.Sprintf("/%s/%s:%d", g.Self.Value, controllerName(g.Config.Hardware.Device, disk.ControllerKey), unit), ImportKey: fmt.Sprintf("/%s/%d", g.Name, disk.Key),
			Url: fmt.Sprintf("https://%s/nfc/%d/%s", host, leases, name), Disk: &yes, TargetId: name,
			SslThumbprint: g.in.site.LeaseThumbprint,
		})
		info.TotalDiskCapacityInKB += disk.CapacityInKB
	}
	made.Info = info
	simulator.Map.Put(made)
	number := fmt.Sprint(leases)
	g.in.keep(number, made)
	go func() {
		time.Sleep(200 * time.Millisecond)
		simulator.Map.WithLock(made, func() {
			simulator.Map.Update(made, []types.PropertyChange{{Name: "state", Val: types.HttpNfcLeaseStateReady}})
		})
		for {
			time.Sleep(100 * time.Millisecond)
			over := false
			simulator.Map.WithLock(made, func() {
				if made.State != types.HttpNfcLeaseStateReady {
					over = true
				} else if time.Since(made.sign) > time.Duration(info.LeaseTimeout)*time.Second {
					log.Printf("lease %s: nobody told how far they are", number)
					made.end(types.HttpNfcLeaseStateError, &types.LocalizedMethodFault{
						Fault: &types.Timedout{}, LocalizedMessage: "The operation timed out.",
					})
					over = true
				}
			})
			if over {
				g.in.keep(number, nil)
				return
			}
		}
	}()
	return made.Self
}

// controllerName is what the key of a device's URL calls its controller: its type and its number.
func controllerName(devices []types.BaseVirtualDevice, key int32) string {
	for _, device := range devices {
		if device.GetVirtualDevice().Key == key {
			return strings.TrimPrefix(fmt.Sprintf("%T", device), "*types.") + "0"
		}
	}
	return "VirtualController0"
}

func (l *lease) end(state types.HttpNfcLeaseState, fault *types.LocalizedMethodFault) {
	l.over = true
	changes := []types.PropertyChange{{Name: "state", Val: state}}
	if fault != nil {
		changes = append(changes, types.PropertyChange{Name: "error", Val: fault})
	}
	simulator.Map.Update(l, changes)
}

func (l *lease) HttpNfcLeaseProgress(_ *simulator.Context, req *types.HttpNfcLeaseProgress) soap.HasFault {
	if l.State != types.HttpNfcLeaseStateReady {
		return &methods.HttpNfcLeaseProgressBody{Fault_: simulator.Fault("The lease has ended.", &types.Timedout{})}
	}
	l.sign, l.TransferProgress = time.Now(), req.Percent
	return &methods.HttpNfcLeaseProgressBody{Res: new(types.HttpNfcLeaseProgressResponse)}
}

func (l *lease) HttpNfcLeaseComplete(_ *simulator.Context, _ *types.HttpNfcLeaseComplete) soap.HasFault {
	l.end(types.HttpNfcLeaseStateDone, nil)
	return &methods.HttpNfcLeaseCompleteBody{Res: new(types.HttpNfcLeaseCompleteResponse)}
}

func (l *lease) HttpNfcLeaseAbort(_ *simulator.Context, _ *types.HttpNfcLeaseAbort) soap.HasFault {
	l.end(types.HttpNfcLeaseStateDone, nil)
	return &methods.HttpNfcLeaseAbortBody{Res: new(types.HttpNfcLeaseAbortResponse)}
}

// send is the disk of a lease, made while it is read: no ranges, no length.
func (i *Inventory) send(w http.ResponseWriter, r *http.Request) {
	number, name := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
	of := i.leased(number)
	if of == nil {
		http.NotFound(w, r)
		return
	}
	disk, ok := of.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	out := io.Writer(w)
	if i.door.cutsLease() {
		out = &broken{w, 96 << 10}
	}
	still := func() bool { return i.leased(number) != nil }
	if err := stream(out, disk.path, disk.size, still); err != nil {
		log.Printf("lease %s: %s", number, err)
		panic(http.ErrAbortHandler)
	}
}

// broken is a connection that ends on the way.
type broken struct {
	io.Writer
	left int
}

func (b *broken) Write(data []byte) (int, error) {
	if len(data) > b.left {
		_, _ = b.Writer.Write(data[:b.left])
		return 0, io.ErrClosedPipe
	}
	b.left -= len(data)
	return b.Writer.Write(data)
}

const (
	sector      = 512
	grainSize   = 64 << 10
	tableLength = 512
)

type header struct {
	Magic, Version, Flags       uint32
	Capacity, Grain             uint64
	Descriptor, DescriptorSize  uint64
	Entries                     uint32
	Redundant, Directory, Ahead uint64
	Unclean                     byte
	Ends                        [4]byte
	Compression                 uint16
	Spare                       [433]byte
}

// stream writes a file as a streamOptimized VMDK (Virtual Disk Format 1.1): grains with markers, each table behind its grains.
func stream(w io.Writer, file string, size int64, still func() bool) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	at := int64(0)
	put := func(data []byte) error {
		padded := make([]byte, (len(data)+sector-1)/sector*sector)
		copy(padded, data)
		at += int64(len(padded)) / sector
		_, err := w.Write(padded)
		return err
	}
	capacity := uint64(size / sector)
	text := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n"+
		"RDONLY %d SPARSE \"disk.vmdk\"\n", capacity)
	head := header{
		Magic: 0x564d444b, Version: 3, Flags: 1<<16 | 1<<17 | 1, Capacity: capacity, Grain: grainSize / sector,
		Descriptor: 1, DescriptorSize: 20, Entries: tableLength, Directory: ^uint64(0), Ahead: 128,
		Ends: [4]byte{'\n', ' ', '\r', '\n'}, Compression: 1,
	}
	first := make([]byte, 128*sector)
	copy(first, packed(head))
	copy(first[sector:], text)
	if err := put(first); err != nil {
		return err
	}
	var directory, table []uint32
	table = make([]uint32, tableLength)
	used := false
	marker := func(length uint64, kind uint32) []byte {
		return packed(struct {
			Length uint64
			Size   uint32
			Kind   uint32
		}{length, 0, kind})
	}
	flush := func() error {
		if !used {
			directory = append(directory, 0)
			return nil
		}
		if err := put(marker(tableLength*4/sector, 1)); err != nil {
			return err
		}
		directory = append(directory, uint32(at))
		err := put(packed(table))
		table, used = make([]uint32, tableLength), false
		return err
	}
	block := make([]byte, grainSize)
	grains := (size + grainSize - 1) / grainSize
	for n := int64(0); n < grains; n++ {
		if !still() {
			return io.ErrClosedPipe
		}
		got, err := in.ReadAt(block, n*grainSize)
		if err != nil && err != io.EOF {
			return err
		}
		for i := got; i < len(block); i++ {
			block[i] = 0
		}
		if !blank(block) {
			var squeezed bytes.Buffer
			z := zlib.NewWriter(&squeezed)
			_, _ = z.Write(block)
			_ = z.Close()
			table[n%tableLength], used = uint32(at), true
			mark := packed(struct {
				Sector uint64
				Size   uint32
			}{uint64(n * grainSize / sector), uint32(squeezed.Len())})
			if err := put(append(mark, squeezed.Bytes()...)); err != nil {
				return err
			}
		}
		if n%tableLength == tableLength-1 || n == grains-1 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	data := packed(directory)
	if err := put(marker(uint64(len(data)+sector-1)/sector, 2)); err != nil {
		return err
	}
	head.Directory = uint64(at)
	for _, part := range [][]byte{data, marker(1, 3), packed(head), marker(0, 0)} {
		if err := put(part); err != nil {
			return err
		}
	}
	return nil
}

func packed(value interface{}) []byte {
	var out bytes.Buffer
	must(binary.Write(&out, binary.LittleEndian, value))
	return out.Bytes()
}
