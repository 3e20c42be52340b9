package main

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// phaseLimit measures what the machine allows. load_least is what a load cannot do
// without, whatever it makes of a snapshot: the file read, and as many bytes written
// to new memory as the state has, by all processors and without a look at a record;
// load_index is the key index of the state. wait is how long a processor waits for a
// random place, in nanoseconds: about what decides over look-ups.
func phaseLimit(w workspace, args []string) error {
	f, err := openFolder(w.file(args[0]))
	if err != nil {
		return err
	}
	empty := live()
	s, err := f.load(w.kind.Root)
	if err != nil {
		return err
	}
	size := int64(live() - empty)
	for range 5 {
		runtime.GC()
		start := time.Now()
		if _, err := withKeys(s, w.kind.Root); err != nil {
			return err
		}
		emitSince("load_index", start)
	}
	for range 5 {
		runtime.GC()
		start := time.Now()
		if err := f.copySnapshot(size); err != nil {
			return err
		}
		emitSince("load_least", start)
	}
	emit("wait", randomWait(256<<20))
	return nil
}

// copySnapshot reads the first snapshot in pieces that stay in the cache, and writes
// size bytes to new memory.
func (f *folder) copySnapshot(size int64) error {
	in, err := os.Open(f.file("snapshot-%d", f.versions[0].id))
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	const piece = 256 << 10
	var next atomic.Int64
	var all errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() error {
			from := make([]byte, piece)
			var written [][]byte
			for at := next.Add(piece) - piece; at < info.Size(); at = next.Add(piece) - piece {
				n, err := in.ReadAt(from[:min(piece, info.Size()-at)], at)
				if err != nil {
					return err
				}
				to := make([]byte, int64(n)*size/info.Size())
				for rest := to; len(rest) > 0; rest = rest[copy(rest, from):] { // a state may be larger
				}
				written = append(written, to)
			}
			runtime.KeepAlive(written)
			return nil
		})
	}
	return all.Wait()
}

// randomWait returns the nanoseconds that one step takes of a walk over the cache
// lines of so many bytes, each of which says which is the next.
func randomWait(bytes int) float64 {
	lines := make([][8]uint64, bytes/64)
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(lines))
	for i, at := range order {
		lines[at][0] = uint64(order[(i+1)%len(order)])
	}
	at := uint64(0)
	return perOperation(batch, func() int64 {
		for range batch {
			at = lines[at][0]
		}
		return int64(at)
	})
}
