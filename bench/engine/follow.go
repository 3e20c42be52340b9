package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// phaseDelta times the deltas of a folder, from file to new state with key
// index. Those of tail/ are applied to a state that went through aged/.
func phaseDelta(w workspace, args []string) error {
	f, err := openFolder(w.file(args[0]))
	if err != nil {
		return err
	}
	var s *state.State
	if args[0] == "tail" {
		aged, err := openFolder(w.file("aged"))
		if err != nil {
			return err
		}
		if s, err = aged.load(w.kind.Root); err != nil {
			return err
		}
		if s, err = aged.applyTo(s, len(aged.versions)-1); err != nil {
			return err
		}
	} else if s, err = f.load(w.kind.Root); err != nil {
		return err
	}
	runtime.GC()
	for i := 1; i < len(f.versions); i++ {
		start := time.Now()
		if s, err = f.apply(s, i); err != nil {
			return err
		}
		emitSince(fmt.Sprintf("delta@%d", f.versions[i].ppm), start)
	}
	write(sample{Metric: "digest", Text: digest(s, w.kind.Root)})
	return nil
}

// phaseAged weighs what a long chain of small deltas leaves behind, and what
// further versions cost.
func phaseAged(w workspace, _ []string) error {
	empty := live()
	aged, err := openFolder(w.file("aged"))
	if err != nil {
		return err
	}
	s, err := aged.load(w.kind.Root)
	if err != nil {
		return err
	}
	const kept = 100
	last := len(aged.versions) - 1
	if s, err = aged.applyTo(s, last-kept); err != nil {
		return err
	}
	versions := []*state.State{s}
	for i := last - kept + 1; i <= last; i++ {
		if s, err = aged.apply(s, i); err != nil {
			return err
		}
		versions = append(versions, s)
	}
	all := live()
	runtime.KeepAlive(versions)
	clear(versions)
	one := live()
	emit("aged_live", one-empty)
	emit("aged_version", (all-one)/kept)
	emit("aged_held_trimmed", trimmed())
	runtime.KeepAlive(s)
	return nil
}

// phaseAgedHeld weighs the whole process at the end of a long chain, while
// nobody asks it to give memory back.
func phaseAgedHeld(w workspace, _ []string) error {
	aged, err := openFolder(w.file("aged"))
	if err != nil {
		return err
	}
	s, err := aged.load(w.kind.Root)
	if err != nil {
		return err
	}
	s.Settle(context.Background()) // as a replica does
	if s, err = aged.applyTo(s, len(aged.versions)-1); err != nil {
		return err
	}
	emit("aged_held", held())
	emit("aged_rss", resident("VmRSS"))
	runtime.KeepAlive(s)
	return nil
}

// phaseFresh weighs a fresh load of what a long chain led to.
func phaseFresh(w workspace, _ []string) error {
	empty := live()
	f, err := openFolder(w.file("tail"))
	if err != nil {
		return err
	}
	s, err := f.load(w.kind.Root)
	if err != nil {
		return err
	}
	emit("fresh_live", live()-empty)
	s.Settle(context.Background())
	emit("fresh_held", trimmed())
	runtime.KeepAlive(s)
	return nil
}

// trimmed returns the bytes that the process needs from the system.
func trimmed() float64 {
	debug.FreeOSMemory()
	return held()
}
