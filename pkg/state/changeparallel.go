package state

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

const (
	// parallelPages is how many pages are worth more than one goroutine.
	parallelPages = 128
	// batchPages is how many of them one goroutine makes at a time, which takes
	// some tens of microseconds.
	batchPages = 32
)

// madePage is a page of a batch, and the length of the one before.
type madePage struct {
	lay   *layout
	at    arena.Handle
	old   int
	fresh uint16 // slots that get a record: none if there is no page
}

// addParallel makes pages and puts them in their places with as many goroutines
// as there are processors, each some pages at a time. The error is that of the
// first of them that cannot be made, or that there is no room for them.
func (e *typeEdit) addParallel(work []pageWork, c typeChange) error {
	batches := slices.Collect(slices.Chunk(work, batchPages))
	errs := make([]error, len(batches))
	var next atomic.Int64
	var failed atomic.Bool
	var all sync.WaitGroup
	var mu sync.Mutex // of e, but for what it is made from
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			w := pageWorker{edit: e, mu: &mu, b: e.from.interned.builder(e.from.schema), load: c.loader(), sieve: newSieve(e.from, c.keep)}
			for !failed.Load() { // what was begun before a failure is made: the first may be in it
				i := int(next.Add(1)) - 1
				if i >= len(batches) {
					break
				}
				if errs[i] = w.make(batches[i]); errs[i] != nil {
					failed.Store(true)
				}
				runtime.Gosched() // a look-up may be waiting for a processor
			}
			w.b.release()
		})
	}
	all.Wait()
	return cmp.Or(errs...)
}

// A pageWorker makes pages for one goroutine.
type pageWorker struct {
	edit  *typeEdit
	mu    *sync.Mutex // of edit
	b     *pageBuilder
	load  pageLoader
	sieve *sieve // nil if all records are kept
	made  [batchPages]madePage
	data  []byte // of the pages of a batch, one after the other
	ends  []int
}

// make makes the pages of a batch and puts them in their places.
func (w *pageWorker) make(batch []pageWork) error {
	from := w.edit.from
	w.data, w.ends = w.data[:0], w.ends[:0]
	end := batch[len(batch)-1].n
	for i, p := range batch {
		if ahead := i + pagesAsked; ahead < len(batch) {
			from.prefetchPage(batch[ahead].first)
		}
		w.made[i].fresh = p.fresh
		load := func(b *pageBuilder) error { return w.load(b, p.k, p.n, end) }
		if w.sieve != nil {
			var err error
			if w.made[i].fresh, err = w.sieve.sift(p.first, p.fresh, load); err != nil {
				return err
			}
			load = w.sieve.load
		}
		if w.made[i].fresh != 0 {
			if err := w.pack(&w.made[i], p.old&^entry(p.fresh), load); err != nil {
				return err
			}
		}
		w.ends = append(w.ends, len(w.data))
	}
	return w.store(batch)
}

// pack appends to data the page that takes the place of an old one, with fresh
// records whose slots load sets.
func (w *pageWorker) pack(made *madePage, old entry, load func(*pageBuilder) error) (err error) {
	made.old = w.b.begin(w.edit.from, old, made.fresh)
	if err := load(w.b); err != nil {
		return err
	}
	var size int
	if made.lay, size, err = w.b.plan(); err != nil {
		return err
	}
	start := len(w.data)
	w.data = slices.Grow(w.data, size+arena.Pad)[:start+size+arena.Pad]
	w.b.fill(w.data[start:], made.lay)
	w.data = w.data[:start+size]
	return nil
}

// store moves the pages of a batch to the arena and puts them in their places.
func (w *pageWorker) store(batch []pageWork) error {
	var room [batchPages][]byte
	w.mu.Lock()
	start := 0
	for i, end := range w.ends {
		if w.made[i].fresh != 0 {
			w.made[i].at, room[i] = w.edit.blocks.Reserve(arena.New, end-start)
		}
		start = end
	}
	err := w.edit.blocks.Err()
	if err == nil {
		for i, p := range batch {
			made := &w.made[i]
			w.edit.removeAll(p.first, p.fresh&^made.fresh)
			if made.fresh != 0 {
				w.edit.replace(p.first, made.old, makeEntry(made.at, made.lay.number, made.fresh))
			}
		}
	}
	w.mu.Unlock()
	if err != nil {
		return w.edit.full()
	}
	start = 0
	for i, end := range w.ends {
		copy(room[i], w.data[start:end])
		start = end
	}
	return nil
}
