package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// phaseBusy takes look-ups in pairs of intervals, a quiet one and one in which
// deltas are applied one after the other and the reader moves to each version at
// once. Which is first alternates, so that what drifts cancels out. Hollow's side
// does the same (Busy.java).
const (
	busyPairs    = 60
	busyWarm     = 3 // pairs that do not count
	busyInterval = 200 * time.Millisecond
	busyLead     = 20 * time.Millisecond // of each interval, which does not count either
	busyBatch    = 64                    // look-ups between two glances at the clock
)

func phaseBusy(w workspace, _ []string) error {
	runtime.LockOSThread() // its processor time is the reader's
	defer runtime.UnlockOSThread()
	list, err := w.lastingKeys()
	if err != nil {
		return err
	}
	f, err := newFollower(w)
	if err != nil {
		return err
	}
	t := f.first.Type(w.kind.Root)
	r := &pacer{reader: reader{t: t, keys: list}, numbers: numbersOf(w, t), now: &f.now}
	runtime.GC()
	var modes [2]histogram // quiet, busy
	for i := range busyWarm + busyPairs {
		if i == busyWarm {
			modes, f.applied = [2]histogram{}, 0
		}
		var paces [2]pace
		for k := range 2 {
			mode := (k + i) % 2
			if paces[mode], err = r.interval(mode == 1, f, &modes[mode]); err != nil {
				return err
			}
		}
		if i >= busyWarm {
			emitPair(paces[0], paces[1])
		}
	}
	for mode, name := range []string{"quiet", "busy"} {
		emit("stall_"+name, modes[mode].quantile(0.999))
		emit("stall_most_"+name, float64(modes[mode].most))
	}
	emit("busy_deltas", float64(f.applied))
	return nil
}

// emitPair emits how much longer a look-up takes while deltas are applied.
func emitPair(quiet, busy pace) {
	emit("get3_busy", busy.processor/quiet.processor)
	emit("get3_busy_wall", busy.wall/quiet.wall)
	emit("quiet_ns", quiet.processor)
	emit("busy_ns", busy.processor)
}

// lastingKeys returns the keys, in their order, of records that are there before
// and after the long chain, and so in each version of it.
func (w workspace) lastingKeys() ([]int64, error) {
	list, err := w.keys()
	if err != nil {
		return nil, err
	}
	tail, err := openFolder(w.file("tail"))
	if err != nil {
		return nil, err
	}
	s, err := tail.load(w.kind.Root)
	if err != nil {
		return nil, err
	}
	lasting := list[:0]
	for _, id := range list {
		if _, ok := keys(s).Long(id); ok {
			lasting = append(lasting, id)
		}
	}
	if len(lasting) < busyBatch {
		return nil, fmt.Errorf("the long chain leaves %d of the keys", len(lasting))
	}
	return lasting, nil
}

// follower goes through the long chain again and again: behind its last version
// comes the first, which is kept.
type follower struct {
	folder  *folder
	first   *state.State
	now     atomic.Pointer[state.State]
	at      int // of now, in the folder
	applied int
}

func newFollower(w workspace) (*follower, error) {
	aged, err := openFolder(w.file("aged"))
	if err != nil {
		return nil, err
	}
	s, err := aged.load(w.kind.Root)
	if err != nil {
		return nil, err
	}
	s.Settle(context.Background()) // as a replica does
	f := &follower{folder: aged, first: s}
	f.now.Store(s)
	return f, nil
}

// follow moves on until it is told to stop.
func (f *follower) follow(stop *atomic.Bool) (err error) {
	for s := f.now.Load(); !stop.Load(); f.now.Store(s) {
		if f.at++; f.at == len(f.folder.versions) {
			f.at, s = 0, f.first
			continue
		}
		if s, err = f.folder.apply(s, f.at); err != nil {
			return err
		}
		f.applied++
	}
	return nil
}

// pacer looks up keys in the newest version.
type pacer struct {
	reader
	numbers
	now *atomic.Pointer[state.State]
}

// pace is the nanoseconds of a look-up, in processor time of its thread and
// elapsed.
type pace struct{ processor, wall float64 }

// interval looks up for an interval. No delta is under way when it ends.
func (r *pacer) interval(busy bool, f *follower, batches *histogram) (pace, error) {
	if !busy {
		r.look(busyLead, &histogram{})
		return r.look(busyInterval, batches), nil
	}
	var stop atomic.Bool
	done := make(chan error)
	go func() { done <- f.follow(&stop) }()
	r.look(busyLead, &histogram{})
	p := r.look(busyInterval, batches)
	stop.Store(true)
	return p, <-done
}

// look looks up that long. A lost key ends the process.
func (r *pacer) look(long time.Duration, batches *histogram) pace {
	var sum int64
	n := 0
	processor, start := threadTime(), time.Now()
	last := start
	for last.Sub(start) < long {
		r.x = keys(r.now.Load())
		sum += r.lookUp(r.x, r.next(busyBatch))
		now := time.Now()
		batches.add(now.Sub(last))
		last, n = now, n+busyBatch
	}
	sink.Add(sum)
	return pace{float64(threadTime()-processor) / float64(n), float64(last.Sub(start)) / float64(n)}
}
