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
	a := &partAdder[P]{to: to, fill: fill, added: added}
	defer a.wait()
	for part := range parts {
		var first *filling[P]
		if len(a.waiting) > runtime.GOMAXPROCS(0) {
			var err error
			if first, err = a.add(); err != nil {
				return err
			}
		}
		a.start(part)
		if err := a.end(first); err != nil { // only now: it leaves the other processors to what was started
			return err
		}
	}
	for len(a.waiting) > 0 {
		first, err := a.add()
		if err != nil {
			return err
		}
		if err := a.end(first); err != nil {
			return err
		}
	}
	return nil
}

// partAdder is AddParts under way.
type partAdder[P any] struct {
	to          Batcher
	fill, added func(*Batch, P) error
	waiting     []*filling[P] // in the order of the parts
	idle        []*Batch
}

var errNotFilled = errors.New("fill batch: its goroutine has ended")

// filling is a Batch that is being filled.
type filling[P any] struct {
	batch *Batch
	part  P
	err   error // valid when done
	done  chan struct{}
}

// start begins to fill a Batch with a part.
func (a *partAdder[P]) start(part P) {
	f := &filling[P]{part: part, done: make(chan struct{})}
	if n := len(a.idle); n > 0 {
		f.batch, a.idle = a.idle[n-1], a.idle[:n-1]
		f.batch.Reset()
	} else {
		f.batch = a.to.NewBatch()
	}
	a.waiting = append(a.waiting, f)
	go func() {
		defer close(f.done)
		f.err = errNotFilled // unless fill returns
		f.err = a.fill(f.batch, f.part)
	}()
}

// add adds the first of what waits, once it is filled.
func (a *partAdder[P]) add() (*filling[P], error) {
	f := a.waiting[0]
	<-f.done
	a.waiting = a.waiting[1:]
	if f.err != nil {
		return nil, f.err
	}
	return f, a.to.AddBatch(f.batch)
}

// end is called with what was added, or nil.
func (a *partAdder[P]) end(f *filling[P]) error {
	if f == nil {
		return nil
	}
	a.idle = append(a.idle, f.batch)
	return a.added(f.batch, f.part)
}

// wait waits until nothing is being filled.
func (a *partAdder[P]) wait() {
	for _, f := range a.waiting {
		<-f.done
	}
}
