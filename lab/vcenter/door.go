package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
)

// Faults are what a real vCenter or ESXi does on a bad day. Each of the counters applies to that many downloads.
type Faults struct {
	Truncate      int            // answers end in the middle
	ExpireAfter   int            // after so many downloads all sessions end, once
	ExpireCalls   int            // the same, after so many calls of the API
	NoRange       bool           // Range is ignored
	DelayMs       int            // every download takes longer
	TruncateLease int            // so many streams of leases break off
	Tasks         map[string]int // so many tasks of this name (createSnapshot ...) end with an error
	Deny          []string       // privileges that the user does not have
	HideUsed      bool           // the last area that is in use is not told (as after growing on old hosts)
	NoTags        bool           // the REST API answers with an error
	NoRest        bool           // there is no REST API, as on a bare host
	LockBase      bool           // a host keeps base files to itself while a snapshot stands
	NoPlainFiles  bool           // flat files are not there: vSAN and virtual volumes keep disks as objects
}

// door stands before the simulator: it knows which sessions live, lets only them at the files, and makes the faults.
type door struct {
	inside    http.Handler
	token     string
	inventory *Inventory

	lock     sync.Mutex
	sessions map[string]bool
	logins   int
	faults   Faults
}

func newDoor(inside http.Handler, token string) *door {
	return &door{inside: inside, token: strings.TrimSpace(token), sessions: map[string]bool{}}
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/lab/"):
		d.control(w, r)
	case strings.HasPrefix(r.URL.Path, "/folder/"):
		d.download(w, r)
	case strings.HasPrefix(r.URL.Path, "/nfc/"):
		// The address of a leased disk is a secret of its own.
		d.inventory.send(w, r)
	case strings.HasPrefix(r.URL.Path, "/rest/"):
		d.lock.Lock()
		faults := d.faults
		d.lock.Unlock()
		switch {
		case faults.NoTags:
			http.Error(w, "503 Service Unavailable", http.StatusServiceUnavailable)
		case faults.NoRest || d.inventory.site.Bare:
			http.NotFound(w, r)
		default:
			d.inside.ServeHTTP(w, r)
		}
	default:
		d.call(w, r)
	}
}

// fails tells whether a task of this name has to fail now.
func (d *door) fails(task string) bool {
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.faults.Tasks[task] == 0 {
		return false
	}
	d.faults.Tasks[task]--
	return true
}

func (d *door) denies(privilege string) bool {
	d.lock.Lock()
	defer d.lock.Unlock()
	for _, one := range d.faults.Deny {
		if one == privilege {
			return true
		}
	}
	return false
}

func (d *door) hidesUsed() bool {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.faults.HideUsed
}

func (d *door) cutsLease() bool {
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.faults.TruncateLease == 0 {
		return false
	}
	d.faults.TruncateLease--
	return true
}

func (d *door) alive(r *http.Request) bool {
	cookie, err := r.Cookie(soap.SessionCookieName)
	d.lock.Lock()
	defer d.lock.Unlock()
	// Real ones quote the value, and Go's parser takes the quotes away.
	return err == nil && d.sessions[strings.Trim(cookie.Value, `"`)]
}

func (d *door) call(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.lock.Lock()
	if d.faults.ExpireCalls > 0 {
		if d.faults.ExpireCalls--; d.faults.ExpireCalls == 0 {
			d.sessions = map[string]bool{}
			log.Print("all sessions have ended")
		}
	}
	d.lock.Unlock()
	if !d.alive(r) {
		r.Header.Del("Cookie") // the simulator would still know it
	}
	d.inside.ServeHTTP(&watcher{ResponseWriter: w, door: d}, r)
	if bytes.Contains(body, []byte(":Logout")) || bytes.Contains(body, []byte("<Logout")) {
		if cookie, err := r.Cookie(soap.SessionCookieName); err == nil {
			d.lock.Lock()
			delete(d.sessions, strings.Trim(cookie.Value, `"`))
			d.lock.Unlock()
		}
	}
}

// watcher learns new sessions from the cookies that are handed out.
type watcher struct {
	http.ResponseWriter
	door *door
}

func (w *watcher) WriteHeader(status int) {
	for _, cookie := range (&http.Response{Header: w.Header()}).Cookies() {
		if cookie.Name == soap.SessionCookieName {
			w.door.lock.Lock()
			w.door.sessions[cookie.Value] = true
			w.door.logins++
			w.door.lock.Unlock()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (d *door) download(w http.ResponseWriter, r *http.Request) {
	if !d.alive(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "401 Unauthorized", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "the lab's datastore is only read", http.StatusMethodNotAllowed)
		return
	}
	d.lock.Lock()
	faults := d.faults
	// Only what is long enough can break off in its middle.
	cut := d.faults.Truncate > 0 && r.Method == http.MethodGet && length(r) > 2*cutAt
	if r.Method == http.MethodGet {
		if cut {
			d.faults.Truncate--
		}
		if d.faults.ExpireAfter > 0 {
			if d.faults.ExpireAfter--; d.faults.ExpireAfter == 0 {
				d.sessions = map[string]bool{}
				log.Print("all sessions have ended")
			}
		}
	}
	d.lock.Unlock()
	time.Sleep(time.Duration(faults.DelayMs) * time.Millisecond)
	if d.denies("Datastore.FileManagement") {
		http.Error(w, "403 Forbidden", http.StatusForbidden)
		return
	}
	frozen, locked := d.inventory.stands(strings.TrimPrefix(r.URL.Path, "/folder/"))
	if faults.NoPlainFiles && strings.HasSuffix(r.URL.Path, "-flat.vmdk") {
		http.NotFound(w, r)
		return
	}
	if locked || faults.LockBase && frozen != "" {
		http.Error(w, "Unable to open the file: it is locked", http.StatusInternalServerError)
		return
	}
	inside := d.inside
	if frozen != "" {
		inside = file(frozen)
	}
	if faults.NoRange {
		r.Header.Del("Range")
		inside.ServeHTTP(&deaf{w}, r)
		return
	}
	if cut {
		inside.ServeHTTP(&short{ResponseWriter: w, left: cutAt}, r)
		panic(http.ErrAbortHandler) // the connection is cut, as by a host that dies
	}
	inside.ServeHTTP(w, r)
}

// file is served in the place of what was asked for.
type file string

func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, string(f)) }

const cutAt = 1000

// length is that of the range that is asked for; 0 without one.
func length(r *http.Request) int64 {
	var from, to int64
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n < 2 {
		return 0
	}
	return to - from + 1
}

type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(data []byte) (int, error) {
	n := len(data)
	if n > s.left {
		data = data[:s.left]
	}
	s.left -= len(data)
	if _, err := s.ResponseWriter.Write(data); err != nil {
		return 0, err
	}
	return n, nil
}

// deaf hides that ranges are understood.
type deaf struct{ http.ResponseWriter }

func (d *deaf) WriteHeader(status int) {
	d.Header().Del("Accept-Ranges")
	d.ResponseWriter.WriteHeader(status)
}

// control is for the lab alone: POST /lab/expire ends all sessions, POST /lab/faults sets the faults, GET /lab/state tells, and
// the rest is what happens to a machine behind our back (see Happening).
func (d *door) control(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Lab-Token") != d.token {
		http.NotFound(w, r)
		return
	}
	var err error
	switch r.Method + " " + r.URL.Path {
	case "POST /lab/expire":
		d.lock.Lock()
		d.sessions = map[string]bool{}
		d.lock.Unlock()
	case "POST /lab/faults":
		d.lock.Lock()
		d.faults = Faults{}
		err = json.NewDecoder(r.Body).Decode(&d.faults)
		d.lock.Unlock()
	case "GET /lab/state":
	case "POST /lab/machine":
		var happening Happening
		if err = json.NewDecoder(r.Body).Decode(&happening); err == nil {
			err = d.inventory.happens(happening)
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	machines := d.inventory.tell()
	d.lock.Lock()
	defer d.lock.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{
		"sessions": len(d.sessions), "logins": d.logins, "faults": d.faults, "machines": machines,
	})
}

// Happening is what somebody else does to a machine.
type Happening struct {
	Machine  string // its folder
	Pid      *int   // this process writes to its disks now (0: none does)
	Snapshot string // takes a snapshot of that name
	Lose     bool   // change ids begin anew, as after a power failure of the host
	Disk     int32  // with Size: the disk of this key is made larger
	Size     int64
}

func (i *Inventory) happens(what Happening) error {
	of := i.guest(what.Machine)
	if of == nil {
		return fmt.Errorf("there is no machine %q", what.Machine)
	}
	var err error
	simulator.Map.WithLock(of, func() {
		if what.Pid != nil {
			of.pid = *what.Pid
		}
		if what.Lose {
			for _, disk := range of.disks {
				if disk.uuid != "" {
					disk.begin()
				}
			}
		}
		if what.Snapshot != "" {
			_, err = of.snap(what.Snapshot, "")
		}
		if what.Size > 0 && err == nil {
			err = of.grow(what.Disk, what.Size)
		}
	})
	return err
}
