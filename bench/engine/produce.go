package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/holdfast-data/holdfast/bench/data"
	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/blob"
)

// phasePopulate times a first version: from encoded records in memory to a
// snapshot in a file, which it leaves in own/.
func phasePopulate(w workspace, _ []string) error {
	base, kind, err := w.base()
	if err != nil {
		return err
	}
	own, err := createFolder(w.file("own"))
	if err != nil {
		return err
	}
	start := time.Now()
	s, err := populate(kind, base)
	if err != nil {
		return err
	}
	emitSince("populate_build", start)
	if err := own.addSnapshot(s); err != nil {
		return err
	}
	emitSince("populate", start)
	emit("populate_rss_peak", resident("VmHWM"))
	return own.finish()
}

// phaseCycle times the cycles of the standard chain, up to verified deltas in
// memory, and then with both in a durable store. It leaves the blobs in own/.
func phaseCycle(w workspace, _ []string) error {
	base, kind, err := w.base()
	if err != nil {
		return err
	}
	s, err := populate(kind, base)
	if err != nil {
		return err
	}
	own, err := createFolder(w.file("own"))
	if err != nil {
		return err
	}
	if err := own.addSnapshot(s); err != nil {
		return err
	}
	p, err := newProducer(kind, s)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(w.file("store")); err != nil {
		return err
	}
	store, err := blob.CreateDir(w.file("store"))
	if err != nil {
		return err
	}
	runtime.GC()
	for i, ppm := range data.Rates {
		frames, err := w.changes(i)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := p.cycle(frames); err != nil {
			return err
		}
		emitSince(fmt.Sprintf("cycle@%d", ppm), start)
		for name, b := range map[string][]byte{"delta": p.delta.Bytes(), "reverse": p.reverse.Bytes()} {
			if err := store.Put(context.Background(), fmt.Sprintf("%s/%d", name, i), b); err != nil {
				return err
			}
		}
		emitSince(fmt.Sprintf("cycle_durable@%d", ppm), start)
		emit(fmt.Sprintf("delta_bytes@%d", ppm), float64(p.delta.Len()))
		if err := own.addDelta(p.tag, ppm, p.delta.Bytes()); err != nil {
			return err
		}
	}
	write(sample{Metric: "digest", Text: digest(p.e.State(), kind.Root)})
	emit("cycle_rss_peak", resident("VmHWM"))
	return own.finish()
}

// phaseAge makes the blobs of a chain of many small cycles in aged/, and in
// tail/ those of a standard chain that goes on from there.
func phaseAge(w workspace, _ []string) error {
	base, kind, err := w.base()
	if err != nil {
		return err
	}
	s, err := populate(kind, base)
	if err != nil {
		return err
	}
	aged, err := createFolder(w.file("aged"))
	if err != nil {
		return err
	}
	if err := aged.addSnapshot(s); err != nil {
		return err
	}
	p, err := newProducer(kind, s)
	if err != nil {
		return err
	}
	chain := data.NewChain(w.source, w.options.Seed+1)
	for range w.options.Cycles {
		if err := p.extend(aged, chain, agePPM); err != nil {
			return err
		}
	}
	tail, err := createFolder(w.file("tail"))
	if err != nil {
		return err
	}
	if err := tail.addSnapshot(p.e.State()); err != nil {
		return err
	}
	for _, ppm := range data.Rates {
		if err := p.extend(tail, chain, ppm); err != nil {
			return err
		}
	}
	write(sample{Metric: "digest", Text: digest(p.e.State(), kind.Root)})
	return errors.Join(aged.finish(), tail.finish())
}

// agePPM is how much a cycle changes that makes a state old.
const agePPM = 1000

func (p *producer) extend(f *folder, chain *data.Chain, ppm int) error {
	if err := p.cycle(chain.Next(ppm)); err != nil {
		return err
	}
	return f.addDelta(p.tag, ppm, p.delta.Bytes())
}

// prepare writes the base, the standard chain and the keys that look-ups use.
func (w workspace) prepare() error {
	if w.editions() {
		return w.prepareEditions()
	}
	out, err := neutral.Create(w.file("base.bin"), neutral.Base, w.kind.Code)
	if err != nil {
		return err
	}
	var b []byte
	for i := range w.source.Len() {
		b = w.source.Append(b[:0], i, 0)
		out.Frame(b)
	}
	if err := out.Close(); err != nil {
		return err
	}
	chain := data.NewChain(w.source, w.options.Seed)
	var list []byte
	for i, ppm := range data.Rates {
		out, err := neutral.Create(w.changesFile(i), neutral.Changes, w.kind.Code)
		if err != nil {
			return err
		}
		for _, frame := range chain.Next(ppm) {
			out.Frame(frame)
		}
		if err := out.Close(); err != nil {
			return err
		}
		list = fmt.Appendf(list, "%s %d\n", filepath.Base(w.changesFile(i)), ppm)
	}
	if err := os.WriteFile(w.file("chain.txt"), list, 0o644); err != nil {
		return err
	}
	return w.writeKeys()
}
