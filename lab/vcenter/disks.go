package main

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

const pageAreas = 2000 // a real vCenter tells no more areas at once

// track is one disk of a machine: where its content is, and what it was at each change id.
type track struct {
	base   string // the datastore path of its descriptor, without .vmdk: FOLDER/NAME
	size   int64
	uuid   string // of the change ids; "" while nothing is tracked
	number int
	states map[int][]uint64 // the hashes of its blocks, by the number of the change id
}

func (t *track) changeID() string {
	if t.uuid == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", t.uuid, t.number)
}

func (t *track) forget() { t.uuid, t.number, t.states = "", 0, map[int][]uint64{} }

func (t *track) begin() {
	t.forget()
	seed := sha1.Sum([]byte(fmt.Sprint(t.base, time.Now().UnixNano())))
	t.uuid = fmt.Sprintf("%x %x-%x", seed[0:4], seed[4:8], seed[8:16])
}

// freeze copies a disk's file, holes and all, as it is at one moment.
func freeze(from, to string) error {
	out, err := exec.Command("cp", "--sparse=auto", "--reflink=auto", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %s", err, out)
	}
	return nil
}

// hold stops a guest between two of its writes; what is given lets it go on.
func hold(pid int) func() {
	if pid == 0 || syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return func() {}
	}
	for end := time.Now().Add(5 * time.Second); !stopped(pid) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
}

func stopped(pid int) bool {
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	for _, thread := range threads {
		line, err := os.ReadFile(thread)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
		if fields[0] != "T" && fields[0] != "Z" {
			return false
		}
	}
	return true
}

type span struct{ from, to int64 }

// spans are the parts of a file that are allocated.
func spans(file *os.File, size int64) []span {
	var found []span
	for at := int64(0); at < size; {
		from, err := file.Seek(at, 3) // SEEK_DATA
		if err != nil {
			break
		}
		to, err := file.Seek(from, 4) // SEEK_HOLE
		if err != nil || to > size {
			to = size
		}
		found = append(found, span{from, to})
		at = to
	}
	return found
}

// hashes are those of all blocks of a file; 0 stands for zeroes.
func hashes(path string, size, grain int64) ([]uint64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := make([]uint64, (size+grain-1)/grain)
	block := make([]byte, grain)
	for _, s := range spans(file, size) {
		for n := s.from / grain; n*grain < s.to; n++ {
			got, err := file.ReadAt(block, n*grain)
			if err != nil && err != io.EOF {
				return nil, err
			}
			if !blank(block[:got]) {
				sum := sha1.Sum(block[:got])
				found[n] = binary.LittleEndian.Uint64(sum[:]) | 1
			}
		}
	}
	return found, nil
}

func blank(data []byte) bool {
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

// changed are the areas in which two states of a disk differ.
func changed(before, now []uint64, size, grain int64) []types.DiskChangeExtent {
	return areas(int64(len(now)), size, grain, func(n int64) bool {
		return n >= int64(len(before)) || before[n] != now[n]
	})
}

// allocated are the areas of a file that are in use at all.
func allocated(path string, size, grain int64) []types.DiskChangeExtent {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	used := make([]bool, (size+grain-1)/grain)
	for _, s := range spans(file, size) {
		for n := s.from / grain; n*grain < s.to; n++ {
			used[n] = true
		}
	}
	return areas(int64(len(used)), size, grain, func(n int64) bool { return used[n] })
}

func areas(blocks, size, grain int64, wanted func(int64) bool) []types.DiskChangeExtent {
	var found []types.DiskChangeExtent
	for n := int64(0); n < blocks; n++ {
		if !wanted(n) {
			continue
		}
		length := grain
		if (n+1)*grain > size {
			length = size - n*grain
		}
		if last := len(found) - 1; last >= 0 && found[last].Start+found[last].Length == n*grain {
			found[last].Length += length
		} else {
			found = append(found, types.DiskChangeExtent{Start: n * grain, Length: length})
		}
	}
	return found
}

// page is what one answer tells of the areas from an offset on.
func page(all []types.DiskChangeExtent, start, size int64) types.DiskChangeInfo {
	info := types.DiskChangeInfo{StartOffset: start, Length: size - start}
	for _, area := range all {
		end := area.Start + area.Length
		if end <= start {
			continue
		}
		if area.Start < start {
			area = types.DiskChangeExtent{Start: start, Length: end - start}
		}
		if len(info.ChangedArea) == pageAreas {
			last := info.ChangedArea[pageAreas-1]
			info.Length = last.Start + last.Length - start
			break
		}
		info.ChangedArea = append(info.ChangedArea, area)
	}
	return info
}
