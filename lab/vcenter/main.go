// The lab's vCenter: govmomi's simulator with real disk files behind its datastore, a password, TLS, and faults on demand.
//
//	vcenter SITE.json      (the site is written by lab/parts/vcenter.py; machines.go tells its fields)
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vapi/rest"
	_ "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// Site is what the simulator shows, and how it is reached.
type Site struct {
	Listen, Certificate, Key string
	User, PasswordFile       string
	ControlFile              string // the token of /lab/..., which only the lab knows
	Datacenter               string
	Datastore, Folder        string // its name, and the folder with its files
	Portgroup                string // the name of the distributed port group
	Grain                    int64  // changes are told in areas of so many bytes; 0: 64 KiB
	LeaseTimeout             int32  // seconds; 0: 300
	LeaseHost                string // the host and port that streams come from; "": a star, as bare hosts write it
	LeaseThumbprint          string // the SHA-1 of its certificate, as the vCenter tells it
	Bare                     bool   // a single ESXi host: no cluster, no distributed port group, no tags
	Machines                 []Machine
	Rules                    []Rule
}

// Rule says that machines have to run on one host, or on different ones.
type Rule struct {
	Name     string
	Apart    bool
	Machines []string // their folders
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	var site Site
	must(json.Unmarshal(read(os.Args[1]), &site))

	model := simulator.ESX()
	if !site.Bare {
		model = simulator.VPX()
		model.Datacenter, model.Cluster, model.ClusterHost, model.Host, model.Portgroup = 1, 1, 3, 0, 1
	}
	model.Machine, model.Datastore, model.Autostart = 0, 0, false
	// With 6.5, which it names, clients leave out what came later (a virtual TPM).
	model.ServiceContent.About.ApiVersion, model.ServiceContent.About.Version = "7.0.0.0", "7.0.3"
	must(model.Create())

	ctx := context.Background()
	client, err := vim25.NewClient(ctx, model.Service)
	must(err)
	inventory := furnish(ctx, client, &site)
	for _, machine := range site.Machines {
		inventory.add(ctx, machine)
	}
	inventory.rule()

	// The simulator's own server is closed at once: every request comes through our door.
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(site.User, string(read(site.PasswordFile)))}
	model.Service.RegisterEndpoints = true
	inner := model.Service.NewServer()
	inner.Server.Close()

	pair, err := tls.LoadX509KeyPair(site.Certificate, site.Key)
	must(err)
	inventory.door = newDoor(model.Service.ServeMux, string(read(site.ControlFile)))
	inventory.door.inventory = inventory
	server := http.Server{Handler: inventory.door, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	listener, err := net.Listen("tcp", site.Listen)
	must(err)
	// Whoever started us waits for this file: with port 0 it tells the port.
	log.Printf("listening on %s", listener.Addr())
	go inventory.tag(ctx, listener.Addr().String())
	must(server.ServeTLS(listener, "", ""))
}

// Inventory is where machines are put.
type Inventory struct {
	client    *vim25.Client
	folder    *object.Folder
	pools     []*object.ResourcePool
	hosts     []*object.HostSystem
	site      *Site
	portgroup *simulator.DistributedVirtualPortgroup
	door      *door

	lock   sync.Mutex
	guests []*guest
	leases map[string]*lease
	tagged bool
}

func (i *Inventory) frozen() string { return i.site.Folder + "-frozen" }

func (i *Inventory) flat(base string) string { return filepath.Join(i.site.Folder, base+"-flat.vmdk") }

func (i *Inventory) grain() int64 {
	if i.site.Grain == 0 {
		return 64 << 10
	}
	return i.site.Grain
}

func (i *Inventory) leaseTimeout() int32 {
	if i.site.LeaseTimeout == 0 {
		return 300
	}
	return i.site.LeaseTimeout
}

func (i *Inventory) guest(folder string) *guest {
	for _, one := range i.guests {
		if one.folder == folder {
			return one
		}
	}
	return nil
}

// keep remembers a lease, or forgets it.
func (i *Inventory) keep(number string, of *lease) {
	i.lock.Lock()
	defer i.lock.Unlock()
	if of == nil {
		delete(i.leases, number)
	} else {
		i.leases[number] = of
	}
}

// exporting tells whether a lease of this machine stands.
func (i *Inventory) exporting(machine types.ManagedObjectReference) bool {
	i.lock.Lock()
	defer i.lock.Unlock()
	for _, one := range i.leases {
		if one.Info.Entity == machine && !one.over {
			return true
		}
	}
	return false
}

func (i *Inventory) leased(number string) *lease {
	i.lock.Lock()
	defer i.lock.Unlock()
	return i.leases[number]
}

// stands tells what there is to read of a file now: under a snapshot its frozen state, and nothing while a guest has it open.
func (i *Inventory) stands(file string) (frozen string, locked bool) {
	for _, one := range i.guests {
		for key, disk := range one.disks {
			if file != disk.base+"-flat.vmdk" {
				continue
			}
			simulator.Map.WithLock(one, func() {
				if len(one.chain) > 0 {
					frozen = one.chain[0].frozen[key]
				} else {
					locked = one.on()
				}
			})
			return
		}
	}
	return "", false
}

// tell is what a test wants to know of the machines.
func (i *Inventory) tell() map[string]any {
	found := map[string]any{}
	for _, one := range i.guests {
		simulator.Map.WithLock(one, func() {
			names := []string{}
			for _, snapshot := range one.chain {
				names = append(names, snapshot.name)
			}
			tracked := one.Config.ChangeTrackingEnabled
			found[one.folder] = map[string]any{
				"power": one.Runtime.PowerState, "snapshots": names, "tracked": tracked != nil && *tracked,
			}
		})
	}
	i.lock.Lock()
	defer i.lock.Unlock()
	standing := 0
	for _, one := range i.leases {
		if !one.over {
			standing++
		}
	}
	found["leases"], found["tagged"] = standing, i.tagged
	return found
}

// tag gives the machines their tags, category by category; the simulator makes them by its REST API alone.
func (i *Inventory) tag(ctx context.Context, address string) {
	if i.site.Bare {
		i.lock.Lock()
		i.tagged = true
		i.lock.Unlock()
		return
	}
	where := &url.URL{Scheme: "https", Host: address, Path: "/sdk"}
	user := url.UserPassword(i.site.User, string(read(i.site.PasswordFile)))
	where.User = user
	client, err := govmomi.NewClient(ctx, where, true)
	must(err)
	session := rest.NewClient(client.Client)
	must(session.Login(ctx, user))
	manager := tags.NewManager(session)
	categories, made := map[string]string{}, map[string]string{}
	for _, one := range i.guests {
		for _, text := range one.tags {
			category, name, _ := strings.Cut(text, "/")
			if categories[category] == "" {
				id, err := manager.CreateCategory(ctx, &tags.Category{Name: category, Cardinality: "MULTIPLE"})
				must(err)
				categories[category] = id
			}
			if made[text] == "" {
				id, err := manager.CreateTag(ctx, &tags.Tag{Name: name, CategoryID: categories[category]})
				must(err)
				made[text] = id
			}
			must(manager.AttachTag(ctx, made[text], one.Self))
		}
	}
	must(session.Logout(ctx))
	must(client.Logout(ctx))
	i.lock.Lock()
	i.tagged = true
	i.lock.Unlock()
}

// rule makes the rules of the cluster.
func (i *Inventory) rule() {
	if len(i.site.Rules) == 0 {
		return
	}
	cluster := simulator.Map.Any("ClusterComputeResource").(*simulator.ClusterComputeResource)
	config := cluster.ConfigurationEx.(*types.ClusterConfigInfoEx)
	for n, rule := range i.site.Rules {
		yes := true
		common := types.ClusterRuleInfo{Key: int32(n + 1), Name: rule.Name, Enabled: &yes, Mandatory: types.NewBool(false)}
		var vms []types.ManagedObjectReference
		for _, name := range rule.Machines {
			vms = append(vms, i.guest(name).Self)
		}
		if rule.Apart {
			config.Rule = append(config.Rule, &types.ClusterAntiAffinityRuleSpec{ClusterRuleInfo: common, Vm: vms})
		} else {
			config.Rule = append(config.Rule, &types.ClusterAffinityRuleSpec{ClusterRuleInfo: common, Vm: vms})
		}
	}
}

func furnish(ctx context.Context, client *vim25.Client, site *Site) *Inventory {
	finder := find.NewFinder(client, false)
	datacenter, err := finder.DefaultDatacenter(ctx)
	must(err)
	finder.SetDatacenter(datacenter)
	folders, err := datacenter.Folders(ctx)
	must(err)
	hosts, err := finder.HostSystemList(ctx, "*/*")
	must(err)
	pools, err := finder.ResourcePoolList(ctx, "*/Resources")
	must(err)
	for _, host := range hosts {
		store, err := host.ConfigManager().DatastoreSystem(ctx)
		must(err)
		_, err = store.CreateLocalDatastore(ctx, site.Datastore, site.Folder)
		must(err)
	}
	networks, err := finder.NetworkList(ctx, "*")
	must(err)
	inventory := &Inventory{client: client, folder: folders.VmFolder, pools: pools, hosts: hosts, site: site}
	inventory.leases = map[string]*lease{}
	// What an earlier run has frozen belongs to snapshots that are gone with it.
	must(os.RemoveAll(inventory.frozen()))
	must(os.MkdirAll(inventory.frozen(), 0o700))
	for _, network := range networks {
		if group, ok := simulator.Map.Get(network.Reference()).(*simulator.DistributedVirtualPortgroup); ok {
			if group.Name == "DC0_DVPG0" {
				inventory.portgroup = group
				group.Name, group.Config.Name = site.Portgroup, site.Portgroup
			}
		}
	}
	if site.Bare {
		return inventory // a host's only datacenter is called ha-datacenter, and keeps its name
	}
	task, err := object.NewCommon(client, datacenter.Reference()).Rename(ctx, site.Datacenter)
	must(err)
	must(task.Wait(ctx))
	return inventory
}

func (i *Inventory) add(ctx context.Context, machine Machine) {
	// What an earlier run has written beside the disks; the simulator refuses to create a file twice.
	for _, pattern := range []string{"*.vmx", "*.nvram", "vmware.log", "*-0[0-9][0-9][0-9][0-9][0-9].vmdk"} {
		old, _ := filepath.Glob(filepath.Join(i.site.Folder, machine.Folder, pattern))
		for _, file := range old {
			must(os.Remove(file))
		}
	}
	host := i.hosts[machine.Host%len(i.hosts)]
	task, err := i.folder.CreateVM(ctx, machine.spec(i.site.Datastore), i.pools[0], host)
	must(err)
	info, err := task.WaitForResult(ctx, nil)
	must(err)
	ref := info.Result.(types.ManagedObjectReference)
	machine.dress(simulator.Map.Get(ref).(*simulator.VirtualMachine), i)
	made := &guest{
		VirtualMachine: *simulator.Map.Get(ref).(*simulator.VirtualMachine), in: i, folder: machine.Folder, tags: machine.Tags,
		disks: map[int32]*track{},
	}
	for n, disk := range machine.Disks {
		if !disk.Rdm {
			made.disks[int32(2000+n)] = &track{base: machine.Folder + "/" + disk.File, size: disk.Size, states: map[int][]uint64{}}
		}
	}
	for name, value := range machine.Attributes {
		made.CustomValue = append(made.CustomValue, &types.CustomFieldStringValue{
			CustomFieldValue: types.CustomFieldValue{Key: i.attribute(ctx, name)}, Value: value,
		})
	}
	simulator.Map.Put(made)
	i.guests = append(i.guests, made)
	for n := 1; n <= machine.Snapshots; n++ {
		_, err := made.snap(fmt.Sprintf("snapshot %d", n), "")
		must(err)
	}
}

// attribute is the key of a custom attribute, which is made when it is not there.
func (i *Inventory) attribute(ctx context.Context, name string) int32 {
	manager := object.NewCustomFieldsManager(i.client)
	if key, err := manager.FindKey(ctx, name); err == nil {
		return key
	}
	made, err := manager.Add(ctx, name, "VirtualMachine", nil, nil)
	must(err)
	return made.Key
}

func read(file string) []byte {
	content, err := os.ReadFile(file)
	must(err)
	return content
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
