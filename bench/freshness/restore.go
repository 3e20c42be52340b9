package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// restoreRounds is how often the store goes back and forth.
const restoreRounds = 5

// restoration is a store, copies of it, and the sidecars that run on it.
type restoration struct {
	*bench
	store, half, full string // folders: in use, and what is copied into its place
	atHalf, atFull    done   // their newest versions
	all               []*sidecar
	join              []string
}

// restore measures what sidecars make of a store that is put back to an older
// copy, and forth again, and how soon a fresh one is ready on it.
func (b *bench) restore(ctx context.Context) (err error) {
	r := &restoration{bench: b}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if r.all, r.join, err = b.startSidecars(ctx, r.store, true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAll(r.all)) }()
	for n := range restoreRounds {
		progress("restore: round %d of %d", n+1, restoreRounds)
		if err := r.round(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare publishes, and copies the store at half of the versions and at the end.
func (r *restoration) prepare(ctx context.Context) (err error) {
	if r.store, err = r.bench.store(); err != nil {
		return err
	}
	r.half, r.full = filepath.Join(filepath.Dir(r.store), "half"), filepath.Join(filepath.Dir(r.store), "full")
	p, err := r.startProducer(ctx, r.store, 0, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if r.atHalf, err = p.publish(r.restored / 2); err != nil {
		return err
	}
	if err := copyFolder(ctx, r.store, r.half); err != nil {
		return err
	}
	if r.atFull, err = p.publish(r.restored - r.restored/2); err != nil {
		return err
	}
	return copyFolder(ctx, r.store, r.full)
}

// round goes back to half and forth to the full copy, which goes on where half
// ends; then back again, where other versions are published, and forth, where
// the full copy says something else.
func (r *restoration) round(ctx context.Context) error {
	if err := r.swap(ctx, "older copy", r.half, r.atFull, r.atHalf); err != nil {
		return err
	}
	if err := r.fresh(ctx, "older copy", r.atHalf); err != nil {
		return err
	}
	if err := r.swap(ctx, "newer copy", r.full, r.atHalf, r.atFull); err != nil {
		return err
	}
	if err := r.swap(ctx, "older copy", r.half, r.atFull, r.atHalf); err != nil {
		return err
	}
	other, err := r.publishAfter(ctx)
	if err != nil {
		return err
	}
	if err := r.swap(ctx, "another history", r.full, other, r.atFull); err != nil {
		return err
	}
	return r.fresh(ctx, "newer copy", r.atFull)
}

// publishedAfter is how many versions follow on a store that was restored.
const publishedAfter = 10

// publishAfter publishes on the older copy, by a new producer that gossips. The
// positions of its log are below those that the cluster had heard of.
func (r *restoration) publishAfter(ctx context.Context) (last done, err error) {
	p, err := r.startProducer(ctx, r.store, r.atHalf.Number+1_000_000, r.join)
	if err != nil {
		return last, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	seen, err := r.spread(ctx, r.all, publishedAfter, func() (done, error) { return p.publish(1) })
	r.report.lag("producer, gossip, after a restore", seen)
	if err != nil {
		return last, err
	}
	return seen[len(seen)-1].done, nil
}

// swap puts a copy in the place of the store, and watches the sidecars until
// all are ready at its newest version.
func (r *restoration) swap(ctx context.Context, what, copyOf string, before, after done) error {
	next, old := r.store+".next", r.store+".old"
	if err := copyFolder(ctx, copyOf, next); err != nil {
		return err
	}
	t := trial{before: before.Version, after: after.Version, poll: time.Second}
	t.from = time.Now()
	if err := errors.Join(os.Rename(r.store, old), os.Rename(next, r.store)); err != nil {
		return err
	}
	t.swapped = time.Now()
	took := make([]time.Duration, len(r.all))
	errs := make([]error, len(r.all))
	var group sync.WaitGroup
	for i, s := range r.all {
		group.Go(func() { took[i], errs[i] = r.follow(ctx, s, t) })
	}
	group.Wait()
	for _, d := range took {
		r.report.add("restore: "+what+", running sidecar", d)
	}
	return errors.Join(errors.Join(errs...), os.RemoveAll(old))
}

// follow asks a sidecar for its status until it is ready at the newest version,
// and tells of each that is not right.
func (r *restoration) follow(ctx context.Context, s *sidecar, t trial) (time.Duration, error) {
	for {
		asked := time.Now()
		at, err := s.status(ctx)
		if err != nil {
			return 0, err
		}
		wrong, over := t.judge(asked, at)
		if wrong != "" {
			r.report.problem("restore: %s: %+v", wrong, at)
		}
		r.report.saw(at)
		if over {
			return time.Since(t.swapped), nil
		}
		if time.Since(t.swapped) > patience {
			return 0, fmt.Errorf("%s after the store was replaced: %+v", patience, at)
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// fresh starts a sidecar on the store and stops it when it is ready and current.
func (r *restoration) fresh(ctx context.Context, what string, want done) (err error) {
	s, err := r.startSidecar(ctx, r.store, r.join)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for {
		at, err := s.status(ctx)
		if err != nil {
			return err
		}
		if at.Ready {
			r.report.add("restore: "+what+", fresh sidecar from its start", time.Since(s.begun))
			if !at.at(want.Version) {
				r.report.problem("restore: a fresh sidecar is ready, and not at %s: %+v", want.Version, at)
			}
			return nil
		}
		if time.Since(s.begun) > patience {
			return fmt.Errorf("fresh sidecar is not ready after %s: %+v", patience, at)
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// trial is a store that was replaced between two moments: its newest version
// before and after, and the time between two looks of those that follow it.
type trial struct {
	before, after string
	from, swapped time.Time
	poll          time.Duration
}

// late is what a look may take on a busy machine.
const late = time.Second

// judge says what is wrong with a status that was asked for at some time, and
// whether the sidecar is where it should be in the end.
func (t trial) judge(asked time.Time, at status) (wrong string, over bool) {
	if len(at.Datasets) != 1 {
		return "it does not have one dataset", false
	}
	d := at.Datasets[0]
	// No look after the swap can have confirmed the version of before, so its age
	// is at least the time since. Ages are in whole milliseconds.
	age := time.Duration(d.AgeMS+1) * time.Millisecond
	switch {
	case d.Version == t.after:
		if d.Announced != t.after && d.State == "ready" {
			return "it is ready at the newest version, and names another one as announced", false
		}
		return "", d.Ready && d.State == "ready" && d.Announced == t.after
	case d.Version != t.before:
		return "it is at a version that was the newest one of neither store", false
	case d.AgeMS >= 0 && age < asked.Sub(t.swapped):
		return "it says that the store has confirmed a version that is gone", false
	case d.State == "diverged" && d.Ready:
		return "it is ready though the store was replaced", false
	case d.State == "ready" && asked.Sub(t.swapped) > t.poll+late:
		return "it does not notice that the store was replaced", false
	}
	return "", false
}

// copyFolder copies a folder as an operator does, with times and hard links.
func copyFolder(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}
