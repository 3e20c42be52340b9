package blobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// ErrInjected is the failure that Faulty makes up.
var ErrInjected = errors.New("injected failure")

// Verb names a method of a Store.
type Verb string

// The methods of a Store.
const (
	Put    Verb = "put"
	Get    Verb = "get"
	Stat   Verb = "stat"
	List   Verb = "list"
	Delete Verb = "delete"
)

// Op is one call of a Store.
type Op struct {
	Verb Verb
	Key  string // or prefix
	N    int    // counts the calls of the Store, from 0
}

// Fault is what happens to an Op.
type Fault int

const (
	// None lets it pass.
	None Fault = iota
	// Fail returns ErrInjected without doing anything.
	Fail
	// Lose does it and returns ErrInjected, so that its outcome is unknown.
	Lose
	// Slow does it, a second later.
	Slow
	// Cut lets a Get return half of the bytes, as if that were all.
	Cut
	// Twice does a Put two times and returns what the second one says.
	Twice
	// Stale lets a List return what it returned the time before.
	Stale
	// Torn lets a Put create its key with half of the bytes and return
	// ErrInjected. No Store may do that; file systems after a power failure do.
	Torn
	// Full lets a Put fail with blob.ErrNotWritten, without doing anything.
	Full
)

// Faulty is a Store whose operations fail as Decide says. A fault that does not
// concern an operation lets it pass. It is safe for concurrent use; Decide is
// called by one goroutine at a time.
type Faulty struct {
	store  blob.Store
	decide func(Op) Fault

	mu     sync.Mutex
	n      int
	listed map[string][]blob.Info // prefix → the last answer
}

var _ blob.Store = (*Faulty)(nil)

// NewFaulty returns a Faulty on store.
func NewFaulty(store blob.Store, decide func(Op) Fault) *Faulty {
	return &Faulty{store: store, decide: decide, listed: map[string][]blob.Info{}}
}

// do runs f as the fault for the operation says; f is told of faults of its
// own.
func (s *Faulty) do(verb Verb, key string, f func(Fault) error) error {
	s.mu.Lock()
	op := Op{Verb: verb, Key: key, N: s.n}
	s.n++
	fault := s.decide(op)
	s.mu.Unlock()
	injected := fmt.Errorf("%s %s: %w", verb, key, ErrInjected)
	switch fault {
	case Fail:
		return injected
	case Lose:
		_ = f(None) // nobody learns
		return injected
	case Slow:
		time.Sleep(time.Second)
	}
	return f(fault)
}

// Put implements blob.Store.
func (s *Faulty) Put(ctx context.Context, key string, data []byte) error {
	return s.do(Put, key, func(fault Fault) error {
		switch fault {
		case Twice:
			_ = s.store.Put(ctx, key, data) // the second one answers
		case Torn:
			_ = s.store.Put(ctx, key, data[:len(data)/2]) // nobody learns
			return fmt.Errorf("put %s: torn: %w", key, ErrInjected)
		case Full:
			return fmt.Errorf("put %s: %w: %w", key, blob.ErrNotWritten, ErrInjected)
		}
		return s.store.Put(ctx, key, data)
	})
}

// Get implements blob.Store.
func (s *Faulty) Get(ctx context.Context, key string) (b []byte, err error) {
	err = s.do(Get, key, func(fault Fault) error {
		if b, err = s.store.Get(ctx, key); fault == Cut {
			b = b[:len(b)/2]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Stat implements blob.Store.
func (s *Faulty) Stat(ctx context.Context, key string) (info blob.Info, err error) {
	err = s.do(Stat, key, func(Fault) error { info, err = s.store.Stat(ctx, key); return err })
	return info, err
}

// List implements blob.Store.
func (s *Faulty) List(ctx context.Context, prefix string) (infos []blob.Info, err error) {
	err = s.do(List, prefix, func(fault Fault) error {
		s.mu.Lock()
		before, ok := s.listed[prefix]
		s.mu.Unlock()
		if fault == Stale && ok {
			infos = slices.Clone(before)
			return nil
		}
		if infos, err = s.store.List(ctx, prefix); err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.listed[prefix] = slices.Clone(infos)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// Delete implements blob.Store.
func (s *Faulty) Delete(ctx context.Context, key string) error {
	return s.do(Delete, key, func(Fault) error { return s.store.Delete(ctx, key) })
}
