package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// timed is an index that emits the time of each Next.
type timed struct {
	state.Index
	metric string
	ppm    *int // that the delta under way changes
}

func (x timed) Next(next *state.State, changes state.Changes) (state.Index, error) {
	start := time.Now()
	n, err := x.Index.Next(next, changes)
	emitSince(fmt.Sprintf("%s@%d", x.metric, *x.ppm), start)
	return timed{n, x.metric, x.ppm}, err
}

// phaseHash builds and weighs each of the kind's indexes of many records a key,
// and lets all of them follow the deltas of a folder, the key index beside them.
func phaseHash(w workspace, args []string) error {
	f, err := openFolder(w.file(args[0]))
	if err != nil {
		return err
	}
	s, err := f.load(w.kind.Root)
	if err != nil {
		return err
	}
	ppm := 0
	s = s.WithIndex(keyIndex, timed{s.Index(keyIndex), "next_key", &ppm})
	for _, h := range w.kind.Hash {
		x, err := buildHash(s, w.kind.Root, h.Name, h.Path)
		if err != nil {
			return err
		}
		s = s.WithIndex(h.Name, timed{x, "hash_" + h.Name, &ppm})
	}
	runtime.GC()
	for i := 1; i < len(f.versions); i++ {
		ppm = f.versions[i].ppm
		if s, err = f.apply(s, i); err != nil {
			return err
		}
	}
	for _, h := range w.kind.Hash {
		write(sample{Metric: "sum_" + h.Name, Text: hashSum(s.Index(h.Name).(timed).Index.(*index.Multi))})
	}
	return nil
}

func buildHash(s *state.State, root, name, path string) (x *index.Multi, err error) {
	for range 4 {
		empty := live()
		start := time.Now()
		if x, err = index.NewMulti(s, root, path); err != nil {
			return nil, err
		}
		emitSince("hash_build_"+name, start)
		emit("hash_bytes_"+name, live()-empty)
		runtime.KeepAlive(x)
	}
	return x, nil
}

// hollowHash returns the arguments of Hollow's phase.
func hollowHash(w workspace) []string {
	args := []string{"hash", w.file("tail"), w.kind.Root}
	for _, h := range w.kind.Hash {
		args = append(args, h.Name+"="+h.Path+"="+h.Type)
	}
	return args
}

// hashSum sums up what is under each key. Hollow's side must get the same.
func hashSum(x *index.Multi) string {
	keys, sum := 0, int64(0)
	for p := range x.Each {
		keys++
		n := int64(p.Len())
		for o := range p.All() {
			sum += (int64(o) + 1) * n
		}
	}
	return fmt.Sprintf("%d keys, %d", keys, sum)
}
