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
	Pins, Prunes, Refreshed, NotRefreshed, Reads                             int
}

// Scenario is one seeded run.
type Scenario struct {
	Counts Counts

	memory    *blob.Memory // what is really there
	store     blob.Store   // what all others see of it
	random    *rand.Rand
	weather   weather
	mapping   *protomap.Mapping
	producers [2]*cycle.Cycle // nil if it has crashed
	replicas  [sidecars]*replica.Replica
	truth     truth
	n         int64 // the last number that a version was to say
}

// New returns the scenario of a seed.
func New(ctx context.Context, seed uint64) (*Scenario, error) {
	s := &Scenario{memory: blob.NewMemory(), random: rand.New(rand.NewPCG(seed, 0))}
	s.store = blobtest.NewFaulty(s.memory, s.decide)
	s.truth = newTruth(s.memory)
	var err error
	s.mapping, err = protomap.Compile(ctx, "item.proto", func(path string) ([]byte, error) {
		if path != "item.proto" {
			return nil, fmt.Errorf("no file %s", path)
		}
		return []byte(itemProto), nil
	})
	for i := range s.replicas {
		s.restart(i)
	}
	return s, err
}

// restart gives a sidecar a replica without memory.
func (s *Scenario) restart(i int) {
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Logger = items, s.store, slog.New(slog.DiscardHandler)
	s.replicas[i] = replica.Open(cfg)
	s.truth.forget(i)
}

// Play takes steps and checks after each; then the weather clears, and all has
// to come right. The error says what was wrong.
func (s *Scenario) Play(ctx context.Context, steps int) error {
	for range steps {
		s.Counts.Steps++
		if s.random.IntN(25) == 0 {
			s.weather = weather(s.random.IntN(int(weathers)))
		}
		if err := s.step(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", s.Counts.Steps, s.weather, err)
		}
	}
	s.weather = fair
	return s.settle(ctx)
}

// step lets one of all do something.
func (s *Scenario) step(ctx context.Context) error {
	switch n := s.random.IntN(20); {
	case n < 8:
		return s.publish(ctx, s.random.IntN(len(s.producers)))
	case n < 16:
		return s.refresh(ctx, s.random.IntN(sidecars))
	case n == 16:
		s.Counts.Crashes++
		if i := s.random.IntN(len(s.producers) + sidecars); i < len(s.producers) {
			s.producers[i] = nil
		} else {
			s.restart(i - len(s.producers))
		}
	case n == 17:
		return s.pin(ctx)
	case n == 18:
		return s.prune(ctx)
	default:
		time.Sleep(time.Duration(s.random.Int64N(int64(2 * time.Hour))))
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
	n := s.n
	if s.random.IntN(4) > 0 { // else what was to be said last, announced or not
		s.n++
		n = s.n
	}
	r, err := c.Run(short, dataset.Lineage{Producer: fmt.Sprint(n)}, s.fill(n))
	if err := s.truth.look(ctx); err != nil {
		return err
	}
	switch {
	case err == nil && r.Published:
		s.Counts.Published++
		return s.truth.acknowledged(n)
	case err == nil:
		s.Counts.Unchanged++
		return s.truth.says(n)
	case errors.Is(err, announce.ErrConflict):
		s.Counts.Conflicts++
		_ = c.Restore(short) // else the next conflict tries again
	case errors.Is(err, announce.ErrInDoubt):
		s.Counts.InDoubt++
	case errors.Is(err, announce.ErrDiverged), errors.Is(err, announce.ErrCorrupt):
		return fmt.Errorf("a producer stops: %w", err)
	default:
		s.Counts.Failed++
	}
	return nil
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

// refresh lets a sidecar look at the store, and reads what it serves.
func (s *Scenario) refresh(ctx context.Context, i int) error {
	r := s.replicas[i]
	err := r.Refresh(ctx)
	if err == nil {
		s.Counts.Refreshed++
	} else {
		s.Counts.NotRefreshed++
	}
	s.Counts.Reads++
	return s.truth.read(i, r, err)
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
	for i, r := range s.replicas {
		if err := s.refresh(ctx, i); err != nil {
			return err
		}
		if state := r.Status().State; s.truth.fold.Head != dataset.None && state != replica.StateReady {
			return fmt.Errorf("sidecar %d does not recover: it is %s: %s", i, state, r.Status().Error)
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
