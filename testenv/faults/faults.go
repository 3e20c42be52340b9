// Package faults plays seeded scenarios on a store whose every operation may
// go wrong: it fails, is slow, cut, done twice, answered without being done or
// done without an answer, lists what was there before, tears a file, or finds
// the disk full or read-only. Two producers publish, an operator pins and
// prunes, all of them crash, three replicas follow, and a checker that knows
// what was announced reads them after each step. Time is virtual: play a
// [Scenario] in a synctest bubble.
//
// Read faults.go, weather.go and check.go in that order.
package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

const (
	items    dataset.Name = "items"
	records               = 12 // of each version
	sidecars              = 3
	patience              = 20 * time.Second // of a producer or operator
)

// itemProto declares what is published: all records of a version say the same
// number, which no other version says.
const itemProto = `syntax = "proto3"; import "holdfast/v1/options.proto";
message Item { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int64 n = 2; }`

// Counts is what happened in a scenario.
type Counts struct {
	Steps, Faults, Published, Unchanged, Conflicts, InDoubt, Failed, Crashes int
	Claims, Refused, Pins, Prunes, Refreshed, NotRefreshed, Reads            int
	// With whole sidecars: of the reads that were answered, those of typed
	// services, in sessions, marked stale, and of a cache alone. Then calls that
	// failed, sessions that were opened, and caches that were damaged.
	Typed, InSession, Marked, Cold, Unanswered, Sessions, Harmed int
}

// Scenario is one seeded run.
type Scenario struct {
	Counts Counts

	memory    *blob.Memory // what is really there
	times     *times       // when it came there
	store     blob.Store   // what all others see of it
	random    *rand.Rand
	weather   atomic.Int64 // a weather
	mapping   *protomap.Mapping
	producers [2]*cycle.Cycle // nil if it has crashed
	claims    bool            // the last producer claims the log, and releases it
	nap       time.Duration   // the longest time in which nobody does anything
	followers followers
	truth     truth
	n         int64 // the last number that a version was to say
}

// followers follow what is published, and are judged by what they serve.
type followers interface {
	// restart crashes one and starts it again.
	restart(i int) error
	// read reads from one, and says what was wrong.
	read(ctx context.Context, i int) error
	// during is called at the start of a publish; what it returns, at the end of
	// it.
	during(ctx context.Context) func() error
	// settled says why one is not where it should be in fair weather.
	settled(ctx context.Context, i int) error
	// close ends all of them.
	close() error
}

// New returns the scenario of a seed, with replicas that refresh when they are
// told to.
func New(ctx context.Context, seed uint64) (*Scenario, error) {
	s, err := newScenario(ctx, seed)
	s.followers = newReplicas(s)
	return s, err
}

func newScenario(ctx context.Context, seed uint64) (*Scenario, error) {
	s := &Scenario{memory: blob.NewMemory(), random: rand.New(rand.NewPCG(seed, 0)), nap: 2 * time.Hour}
	s.times = &times{Store: s.memory, at: map[string]time.Time{}}
	s.store = blobtest.NewFaulty(s.times, s.decide)
	s.truth = newTruth(s.memory)
	var err error
	s.mapping, err = protomap.Compile(ctx, "item.proto", func(path string) ([]byte, error) {
		if path != "item.proto" {
			return nil, fmt.Errorf("no file %s", path)
		}
		return []byte(itemProto), nil
	})
	return s, err
}

// Play takes steps and checks after each; then the weather clears, and all has
// to come right. The error says what was wrong.
func (s *Scenario) Play(ctx context.Context, steps int) error {
	for range steps {
		s.Counts.Steps++
		if s.random.IntN(25) == 0 {
			s.weather.Store(s.random.Int64N(int64(weathers)))
		}
		if err := s.step(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", s.Counts.Steps, weather(s.weather.Load()), err)
		}
	}
	s.weather.Store(int64(fair))
	return s.settle(ctx)
}

// Close ends all that runs.
func (s *Scenario) Close() error { return s.followers.close() }

// step lets one of all do something.
func (s *Scenario) step(ctx context.Context) error {
	switch n := s.random.IntN(20); {
	case n < 8:
		return s.publish(ctx, s.random.IntN(len(s.producers)))
	case n < 16:
		return s.followers.read(ctx, s.random.IntN(sidecars))
	case n == 16:
		s.Counts.Crashes++
		if i := s.random.IntN(len(s.producers) + sidecars); i < len(s.producers) {
			s.producers[i] = nil
		} else if err := s.followers.restart(i - len(s.producers)); err != nil {
			return err
		}
	case n == 17:
		return s.pin(ctx)
	case n == 18:
		return s.prune(ctx)
	default:
		time.Sleep(time.Duration(s.random.Int64N(int64(s.nap))))
	}
	return s.truth.look(ctx)
}

// publish runs a cycle of a producer, which starts if it has crashed.
func (s *Scenario) publish(ctx context.Context, i int) error {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := s.producers[i], error(nil)
	if c == nil {
		if c, err = cycle.Open(short, cycle.Config{
			Dataset: items, Store: s.store, Mapping: s.mapping, Author: announce.Author{Name: fmt.Sprint("producer ", i)},
			SnapshotEvery: 3, Now: s.now, Logger: slog.New(slog.DiscardHandler),
		}); err != nil {
			s.Counts.Failed++
			return s.truth.look(ctx)
		}
		s.producers[i] = c
	}
	if s.claims && i == len(s.producers)-1 {
		if err := s.claim(short, c); err != nil {
			s.Counts.Failed++
			return s.truth.look(ctx)
		}
		defer s.release(short, c)
	}
	n := s.n
	if s.random.IntN(4) > 0 { // else what was to be said last, announced or not
		s.n++
		n = s.n
	}
	judge := s.followers.during(ctx)
	r, err := c.Run(short, dataset.Lineage{Producer: fmt.Sprint(n)}, s.fill(n))
	if err := errors.Join(s.truth.look(ctx), judge()); err != nil {
		return err
	}
	return s.ran(short, c, n, r, err)
}

// ran counts what became of a cycle that was to say n, and judges it.
func (s *Scenario) ran(ctx context.Context, c *cycle.Cycle, n int64, r cycle.Result, err error) error {
	switch {
	case err == nil && r.Published:
		s.Counts.Published++
		return s.truth.acknowledged(n)
	case err == nil:
		s.Counts.Unchanged++
		return s.truth.says(n)
	case errors.Is(err, announce.ErrConflict):
		s.Counts.Conflicts++
		_ = c.Restore(ctx) // else the next conflict tries again
	case errors.Is(err, announce.ErrClaimed), errors.Is(err, announce.ErrDeposed):
		s.Counts.Refused++
	case errors.Is(err, announce.ErrInDoubt):
		s.Counts.InDoubt++
	case errors.Is(err, announce.ErrDiverged), errors.Is(err, announce.ErrCorrupt):
		return fmt.Errorf("a producer stops: %w", err)
	default:
		s.Counts.Failed++
	}
	return nil
}

// claim takes the log for a producer, unless an earlier claim still holds.
func (s *Scenario) claim(ctx context.Context, c *cycle.Cycle) error {
	if s.random.IntN(2) == 0 {
		return nil // with what it holds, or without a claim
	}
	if _, err := c.Log().Claim(ctx, c.Author(), c.Author().Name, s.random.IntN(4) == 0); err != nil {
		return err
	}
	s.Counts.Claims++
	return c.Restore(ctx)
}

// release mostly gives the log back.
func (s *Scenario) release(ctx context.Context, c *cycle.Cycle) {
	if s.random.IntN(4) > 0 {
		_, _ = c.Log().Release(ctx, c.Author()) // the weather may be bad
	}
}

// now is a clock that jumps by days.
func (s *Scenario) now() time.Time {
	return time.Now().Add(time.Duration(s.random.IntN(5)-2) * 24 * time.Hour)
}

// fill adds the records of a version that says n.
func (s *Scenario) fill(n int64) func(protomap.Sink) error {
	return func(sink protomap.Sink) error {
		for i := range records {
			msg, err := s.mapping.ParseJSON(fmt.Appendf(nil, `{"id":"r%d","n":"%d"}`, i, n))
			if err != nil {
				return err
			}
			if _, err := s.mapping.Add(sink, msg); err != nil {
				return err
			}
		}
		return nil
	}
}

// pin holds consumers at one of the last versions, or lets them go.
func (s *Scenario) pin(ctx context.Context) error {
	s.Counts.Pins++
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	log, who := announce.Open(s.store, items), announce.Author{Name: "operator"}
	if v := s.truth.recent(s.random); v != dataset.None && s.random.IntN(2) == 0 {
		_, _ = log.Pin(short, who, v) // it may be pruned
	} else {
		_, _ = log.Unpin(short, who) // the weather may be bad
	}
	return s.truth.look(ctx)
}

// prune deletes what is old.
func (s *Scenario) prune(ctx context.Context) error {
	s.Counts.Prunes++
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := announce.Pruner{Store: s.store, Dataset: items, Policy: blob.PrunePolicy{Keep: 4, KeepFor: 4 * time.Hour}}
	_, _ = p.Run(short, announce.Author{Name: "operator"}) // the weather may be bad
	return s.truth.look(ctx)
}

// settle ends a scenario in fair weather: all come to the same, and the store
// verifies.
func (s *Scenario) settle(ctx context.Context) error {
	for i := range sidecars {
		if err := s.followers.settled(ctx, i); err != nil {
			return err
		}
	}
	v, err := replica.Verify(ctx, s.memory, items, nil)
	if err != nil {
		return err
	}
	if len(v.Problems) > 0 {
		return fmt.Errorf("verify: %q", v.Problems)
	}
	return s.truth.once()
}
