package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// diffPPM is how far the versions are apart that are compared.
const diffPPM = 10_000

// phaseDiff times the comparison of two versions of one chain, and of the
// first of them with the second as somebody else made it.
func phaseDiff(w workspace, args []string) error {
	own, err := openFolder(w.file("own"))
	if err != nil {
		return err
	}
	s, err := own.load(w.kind.Root)
	if err != nil {
		return err
	}
	i := own.first(diffPPM)
	from, err := own.applyTo(s, i-1)
	if err != nil {
		return err
	}
	to, err := own.apply(from, i)
	if err != nil {
		return err
	}
	want, err := timeDiff("diff_chain", from, to)
	if err != nil {
		return err
	}
	other, err := unrelated(w, args[0], to, i)
	if err != nil {
		return err
	}
	got, err := timeDiff("diff_any", from, other)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("diff of other states: %s, of the same contents in one chain: %s", got, want)
	}
	write(sample{Metric: "diff", Text: got})
	emit("diff_rss_peak", resident("VmHWM"))
	return nil
}

// unrelated returns the content of the i'th version as Hollow's producer made
// it, or a copy of to where there is none.
func unrelated(w workspace, name string, to *state.State, i int) (*state.State, error) {
	if name != "own" {
		f, err := openFolder(w.file(name))
		if err != nil {
			return nil, err
		}
		s, err := f.load(w.kind.Root)
		if err != nil {
			return nil, err
		}
		return f.applyTo(s, i)
	}
	var b bytes.Buffer
	if err := (state.Transition{Next: to}).WriteSnapshot(&b); err != nil {
		return nil, err
	}
	s, err := state.ReadSnapshot(b.Bytes(), state.ReadOptions{})
	if err != nil {
		return nil, err
	}
	return withKeys(s, w.kind.Root)
}

func timeDiff(metric string, from, to *state.State) (string, error) {
	var counts string
	for range 5 {
		runtime.GC()
		start := time.Now()
		r, err := diff.States(context.Background(), from, to, diff.Options{Examples: 10})
		if err != nil {
			return "", err
		}
		emitSince(metric, start)
		counts = fmt.Sprintf("%d changed, %d added, %d removed, %d the same", r.Changed, r.Added, r.Removed, r.Unchanged)
	}
	return counts, nil
}
