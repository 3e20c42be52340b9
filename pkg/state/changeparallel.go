package state

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

const (
	// parallelPages is how many pages are worth more than one goroutine.
	parallelPages = 128
	// batchPages is how many of them one goroutine makes at a time, which takes
	// some tens of microseconds.
	batchPages = 32
)

// pageBatch is some pages that one goroutine makes and another one puts in
// their places.
type pageBatch struct {
	work []pageWork
	made []madePage
	err  error
	done chan struct{} // closed when made, or not to be made any more
}

// madePage is a page of a batch, and the length of the one before.
type madePage struct {
	lay *layout
	at  arena.Handle
	old int
}

// addParallel makes pages with as many goroutines as there are processors, and
// puts them in their places itself.
func (e *typeEdit) addParallel(work []pageWork, loader func() pageLoader) error {
	batches, made := make([]pageBatch, (len(work)+batchPages-1)/batchPages), make([]madePage, len(work))
	for i := range batches {
		from, to := i*batchPages, min((i+1)*batchPages, len(work))
		batches[i] = pageBatch{work: work[from:to], made: made[from:to], done: make(chan struct{})}
	}
	var next atomic.Int64
	var failed atomic.Bool
	var all errgroup.Group
	var mu sync.Mutex // of e.blocks
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() error {
			w := pageWorker{from: e.from, b: e.from.interned.builder(e.from.schema), load: loader(), blocks: e.blocks, mu: &mu}
			for i := next.Add(1) - 1; i < int64(len(batches)); i = next.Add(1) - 1 {
				batch := &batches[i]
				if !failed.Load() {
					batch.err = w.make(batch)
				}
				close(batch.done)
				runtime.Gosched() // a look-up may be waiting for a processor
			}
			w.b.release()
			return nil
		})
	}
	var err error
	for i := range batches {
		batch := &batches[i]
		<-batch.done
		if err == nil {
			if err = batch.err; err == nil {
				mu.Lock()
				e.place(batch)
				mu.Unlock()
			}
			failed.Store(err != nil)
		}
	}
	_ = all.Wait() // none has an error: batches have them
	return err
}

// place puts the pages of a batch in their places.
func (e *typeEdit) place(batch *pageBatch) {
	for i, made := range batch.made {
		w := batch.work[i]
		e.replace(w.first, made.old, makeEntry(made.at, made.lay.number, w.fresh))
	}
}

// A pageWorker makes pages for one goroutine.
type pageWorker struct {
	from *Type
	b    *pageBuilder
	load pageLoader
	data []byte // of the pages of a batch, one after the other
	ends []int

	blocks *arena.Writer
	mu     *sync.Mutex // of blocks
}

// make makes the pages of a batch.
func (w *pageWorker) make(batch *pageBatch) error {
	w.data, w.ends = w.data[:0], w.ends[:0]
	end := batch.work[len(batch.work)-1].n
	for i, p := range batch.work {
		if ahead := i + pagesAsked; ahead < len(batch.work) {
			w.from.prefetchPage(batch.work[ahead].first)
		}
		made := &batch.made[i]
		made.old = w.b.begin(w.from, p.old, p.fresh)
		if err := w.load(w.b, p.k, p.n, end); err != nil {
			return err
		}
		var err error
		var size int
		if made.lay, size, err = w.b.plan(); err != nil {
			return err
		}
		start := len(w.data)
		w.data = slices.Grow(w.data, size+arena.Pad)[:start+size+arena.Pad]
		w.b.fill(w.data[start:], made.lay)
		w.data = w.data[:start+size]
		w.ends = append(w.ends, len(w.data))
	}
	return w.store(batch)
}

// store moves the pages of a batch to the arena.
func (w *pageWorker) store(batch *pageBatch) error {
	var room [batchPages][]byte
	w.mu.Lock()
	start := 0
	for i, end := range w.ends {
		batch.made[i].at, room[i] = w.blocks.Reserve(arena.New, end-start)
		start = end
	}
	err := w.blocks.Err()
	w.mu.Unlock()
	if err != nil {
		return fmt.Errorf("type %s: %w", w.from.schema.Name, err)
	}
	start = 0
	for i, end := range w.ends {
		copy(room[i], w.data[start:end])
		start = end
	}
	return nil
}
