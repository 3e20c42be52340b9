package state

import (
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
	// batchPages is how many of them one goroutine makes at a time.
	batchPages = 32
)

// pageBatch is some pages that one goroutine makes and another one puts in
// their places.
type pageBatch struct {
	work []pageWork
	*pageBuffer
	err  error
	done chan struct{} // closed when made, or not to be made any more
}

// pageBuffer holds the pages of a batch until they are in their places.
type pageBuffer struct {
	made []madePage
	data []byte // the pages, one after the other
}

var pageBuffers = sync.Pool{New: func() any { return new(pageBuffer) }}

// madePage is how a page of a batch is laid out, and its length in bytes.
type madePage struct {
	lay  *layout
	size int
}

// addParallel makes pages with as many goroutines as there are processors, and
// puts them in their places itself.
func (e *typeEdit) addParallel(work []pageWork, loader func() pageLoader) error {
	batches := make([]pageBatch, (len(work)+batchPages-1)/batchPages)
	for i := range batches {
		batches[i].work = work[i*batchPages : min((i+1)*batchPages, len(work))]
		batches[i].done = make(chan struct{})
	}
	var next atomic.Int64
	var failed atomic.Bool
	var all errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() error {
			b, load := e.from.interned.builder(e.from.schema), loader()
			for i := next.Add(1) - 1; i < int64(len(batches)); i = next.Add(1) - 1 {
				batch := &batches[i]
				if !failed.Load() {
					batch.fill(e.from, b, load)
				}
				close(batch.done)
			}
			b.release()
			return nil
		})
	}
	var err error
	for i := range batches {
		batch := &batches[i]
		<-batch.done
		if err == nil {
			if err = batch.err; err == nil {
				err = e.place(batch)
			}
			failed.Store(err != nil)
		}
		if batch.pageBuffer != nil {
			pageBuffers.Put(batch.pageBuffer)
			batch.pageBuffer = nil
		}
	}
	_ = all.Wait() // none has an error: batches have them
	return err
}

// fill makes the pages.
func (p *pageBatch) fill(from *Type, b *pageBuilder, load pageLoader) {
	p.pageBuffer = pageBuffers.Get().(*pageBuffer)
	p.made, p.data = p.made[:0], p.data[:0]
	end := p.work[len(p.work)-1].n
	for i, w := range p.work {
		if ahead := i + pagesAsked; ahead < len(p.work) {
			from.prefetch(p.work[ahead].first)
		}
		b.begin(from, w.old, w.fresh)
		if p.err = load(b, w.k, w.n, end); p.err != nil {
			return
		}
		lay, size, err := b.plan()
		if p.err = err; err != nil {
			return
		}
		start := len(p.data)
		p.data = slices.Grow(p.data, size+arena.Pad)[:start+size+arena.Pad]
		b.fill(p.data[start:], lay)
		p.data = p.data[:start+size]
		p.made = append(p.made, madePage{lay, size})
	}
}

// place puts the pages of a batch in their places.
func (e *typeEdit) place(p *pageBatch) error {
	data := p.data
	for i, made := range p.made {
		h := e.blocks.Put(arena.New, data[:made.size])
		if h == 0 {
			return e.full()
		}
		data = data[made.size:]
		e.replace(p.work[i].first, h, made.lay, p.work[i].fresh)
	}
	return nil
}
