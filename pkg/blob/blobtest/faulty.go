package blobtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
)

// Faulty is a Store whose operations fail as Decide says. It is safe for
// concurrent use; Decide is called by one goroutine at a time.
type Faulty struct {
	store  blob.Store
	decide func(Op) Fault

	mu sync.Mutex
	n  int
}

var _ blob.Store = (*Faulty)(nil)

// NewFaulty returns a Faulty on store.
func NewFaulty(store blob.Store, decide func(Op) Fault) *Faulty {
	return &Faulty{store: store, decide: decide}
}

// do runs f as the fault for the operation says.
func (s *Faulty) do(verb Verb, key string, f func() error) error {
	s.mu.Lock()
	op := Op{Verb: verb, Key: key, N: s.n}
	s.n++
	fault := s.decide(op)
	s.mu.Unlock()
	var err error
	if fault != Fail {
		err = f()
	}
	if fault != None {
		return fmt.Errorf("%s %s: %w", verb, key, ErrInjected)
	}
	return err
}

// Put implements blob.Store.
func (s *Faulty) Put(ctx context.Context, key string, data []byte) error {
	return s.do(Put, key, func() error { return s.store.Put(ctx, key, data) })
}

// Get implements blob.Store.
func (s *Faulty) Get(ctx context.Context, key string) (b []byte, err error) {
	err = s.do(Get, key, func() error { b, err = s.store.Get(ctx, key); return err })
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Stat implements blob.Store.
func (s *Faulty) Stat(ctx context.Context, key string) (info blob.Info, err error) {
	err = s.do(Stat, key, func() error { info, err = s.store.Stat(ctx, key); return err })
	return info, err
}

// List implements blob.Store.
func (s *Faulty) List(ctx context.Context, prefix string) (infos []blob.Info, err error) {
	err = s.do(List, prefix, func() error { infos, err = s.store.List(ctx, prefix); return err })
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// Delete implements blob.Store.
func (s *Faulty) Delete(ctx context.Context, key string) error {
	return s.do(Delete, key, func() error { return s.store.Delete(ctx, key) })
}
