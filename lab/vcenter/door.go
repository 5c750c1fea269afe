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

	"github.com/vmware/govmomi/vim25/soap"
)

// Faults are what a real vCenter or ESXi does on a bad day. Each of the counters applies to that many downloads.
type Faults struct {
	Truncate    int  // answers end in the middle
	ExpireAfter int  // after so many downloads all sessions end, once
	NoRange     bool // Range is ignored
	DelayMs     int  // every download takes longer
}

// door stands before the simulator: it knows which sessions live, lets only them at the files, and makes the faults.
type door struct {
	inside http.Handler
	token  string

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
	default:
		d.call(w, r)
	}
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
	if faults.NoRange {
		r.Header.Del("Range")
		d.inside.ServeHTTP(&deaf{w}, r)
		return
	}
	if cut {
		d.inside.ServeHTTP(&short{ResponseWriter: w, left: cutAt}, r)
		panic(http.ErrAbortHandler) // the connection is cut, as by a host that dies
	}
	d.inside.ServeHTTP(w, r)
}

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

// control is for the lab alone: POST /lab/expire ends all sessions, POST /lab/faults sets the faults, GET /lab/state tells.
func (d *door) control(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Lab-Token") != d.token {
		http.NotFound(w, r)
		return
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /lab/expire":
		d.sessions = map[string]bool{}
	case "POST /lab/faults":
		d.faults = Faults{}
		if err := json.NewDecoder(r.Body).Decode(&d.faults); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	case "GET /lab/state":
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"sessions": len(d.sessions), "logins": d.logins, "faults": d.faults})
}
