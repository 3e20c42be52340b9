package state

import (
	"errors"
	"iter"
	"runtime"
)

// Batcher is what a Batch is added to: a Builder or an Editor.
type Batcher interface {
	NewBatch() *Batch
	AddBatch(*Batch) error
}

// AddParts adds records, part by part, on all processors. fill puts the records
// of a part into a Batch; it is called for several parts at the same time. The
// batches are added in the order of the parts, and after each one added is
// called, by the caller's goroutine. The first error in that order ends it.
// Whatever happens, fill is not running any more when AddParts returns.
func AddParts[P any](to Batcher, parts iter.Seq[P], fill func(*Batch, P) error, added func(*Batch, P) error) error {
	var waiting []*filling[P] // in the order of the parts
	var idle []*Batch
	defer func() {
		for _, f := range waiting {
			<-f.done
		}
	}()
	first := func() error {
		f := waiting[0]
		<-f.done
		waiting = waiting[1:]
		idle = append(idle, f.batch)
		if f.err != nil {
			return f.err
		}
		if err := to.AddBatch(f.batch); err != nil {
			return err
		}
		return added(f.batch, f.part)
	}
	for part := range parts {
		if len(waiting) > runtime.GOMAXPROCS(0) {
			if err := first(); err != nil {
				return err
			}
		}
		f := &filling[P]{part: part, done: make(chan struct{})}
		if n := len(idle); n > 0 {
			f.batch, idle = idle[n-1], idle[:n-1]
			f.batch.Reset()
		} else {
			f.batch = to.NewBatch()
		}
		waiting = append(waiting, f)
		go f.run(fill)
	}
	for len(waiting) > 0 {
		if err := first(); err != nil {
			return err
		}
	}
	return nil
}

var errNotFilled = errors.New("fill batch: its goroutine has ended")

// filling is a Batch that is being filled.
type filling[P any] struct {
	batch *Batch
	part  P
	err   error // valid when done
	done  chan struct{}
}

func (f *filling[P]) run(fill func(*Batch, P) error) {
	defer close(f.done)
	f.err = errNotFilled // unless fill returns
	f.err = fill(f.batch, f.part)
}
