// The lab's vCenter: govmomi's simulator with real disk files behind its datastore, a password, TLS, and faults on demand.
//
//	vcenter SITE.json      (the site is written by lab/parts/vcenter.py; machines.go tells its fields)
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
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
	Machines                 []Machine
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	var site Site
	must(json.Unmarshal(read(os.Args[1]), &site))

	model := simulator.VPX()
	model.Datacenter, model.Cluster, model.ClusterHost, model.Host = 1, 1, 3, 0
	model.Machine, model.Datastore, model.Portgroup, model.Autostart = 0, 0, 1, false
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

	// The simulator's own server is closed at once: every request comes through our door.
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(site.User, string(read(site.PasswordFile)))}
	model.Service.RegisterEndpoints = true
	inner := model.Service.NewServer()
	inner.Server.Close()

	pair, err := tls.LoadX509KeyPair(site.Certificate, site.Key)
	must(err)
	server := http.Server{
		Addr:      site.Listen,
		Handler:   newDoor(model.Service.ServeMux, string(read(site.ControlFile))),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	log.Printf("listening on %s", site.Listen)
	must(server.ListenAndServeTLS("", ""))
}

// Inventory is where machines are put.
type Inventory struct {
	client    *vim25.Client
	folder    *object.Folder
	pools     []*object.ResourcePool
	hosts     []*object.HostSystem
	site      *Site
	portgroup *simulator.DistributedVirtualPortgroup
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
	for _, network := range networks {
		if group, ok := simulator.Map.Get(network.Reference()).(*simulator.DistributedVirtualPortgroup); ok {
			if group.Name == "DC0_DVPG0" {
				inventory.portgroup = group
				group.Name, group.Config.Name = site.Portgroup, site.Portgroup
			}
		}
	}
	task, err := object.NewCommon(client, datacenter.Reference()).Rename(ctx, site.Datacenter)
	must(err)
	must(task.Wait(ctx))
	return inventory
}

func (i *Inventory) add(ctx context.Context, machine Machine) {
	// What an earlier run has written beside the disks; the simulator refuses to create a file twice.
	for _, pattern := range []string{"*.vmx", "*.nvram", "vmware.log"} {
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
