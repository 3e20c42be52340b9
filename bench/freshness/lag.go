package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// lookPause is the pause between two look-ups of a watcher: what it adds to a
// figure is half of it, and at most a bit more than all.
const lookPause = time.Millisecond

// publisher publishes the next version.
type publisher func() (done, error)

// lag measures from publish to look-up: with gossip and without, by a producer
// that runs and by one command per version.
func (b *bench) lag(ctx context.Context) error {
	for _, c := range []struct {
		name            string
		gossip, command bool
		versions        int
	}{
		{"producer, gossip", true, false, b.versions},
		{"producer, polling", false, false, b.polled},
		{"command, gossip", true, true, b.versions},
		{"command, polling", false, true, b.polled},
	} {
		progress("lag: %s, %d versions", c.name, c.versions)
		if err := b.lagOf(ctx, c.name, c.versions, c.gossip, c.command); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (b *bench) lagOf(ctx context.Context, name string, versions int, gossip, command bool) (err error) {
	store, err := b.store()
	if err != nil {
		return err
	}
	byCommand, err := b.publishByCommand(ctx, store)
	if err != nil {
		return err
	}
	first, err := byCommand()
	if err != nil {
		return err
	}
	all, join, err := b.startSidecars(ctx, store, gossip)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAll(all)) }()
	publish := byCommand
	if !command {
		p, startErr := b.startProducer(ctx, store, first.Number, join)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, p.stop()) }()
		publish = func() (done, error) { return p.publish(1) }
	}
	seen, err := b.spread(ctx, all, versions, publish)
	b.report.lag(name, seen)
	return err
}

// publishByCommand returns what publishes with one process of holdfast publish
// each, into a new store.
func (b *bench) publishByCommand(ctx context.Context, store string) (publisher, error) {
	declared, source := filepath.Join(filepath.Dir(store), "item.proto"), filepath.Join(filepath.Dir(store), "items.jsonl")
	if err := os.WriteFile(declared, []byte(schema), 0o600); err != nil {
		return nil, err
	}
	r := newRecords(b.seed)
	return func() (d done, err error) {
		r.next()
		text, err := r.text()
		if err == nil {
			err = os.WriteFile(source, text, 0o600)
		}
		if err != nil {
			return d, err
		}
		d.Begun, d.Number = time.Now(), r.number
		out, err := b.command(ctx, "publish", "--store", store, "--schema", declared, "--snapshot-every", "100", "-o", "json", items, source)
		d.Acked = time.Now()
		if err != nil {
			return d, err
		}
		return d, json.Unmarshal(out, &d)
	}, nil
}

// sighting is when a version was visible on each sidecar, ascending.
type sighting struct {
	done
	seen []time.Time
}

// spread publishes versions, at moments that the sidecars' polls do not know,
// and waits for each until every sidecar answers from it.
func (b *bench) spread(ctx context.Context, all []*sidecar, versions int, publish publisher) ([]sighting, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel()
	views := make(chan view, 1024)
	for i, s := range all {
		watchers.Go(func() { s.watch(ctx, i, views) })
	}
	random := rand.New(rand.NewPCG(b.seed, 1))
	var out []sighting
	for n := range versions {
		if err := pause(ctx, time.Duration(random.Int64N(int64(time.Second)))); err != nil {
			return out, err
		}
		drain(views)
		d, err := publish()
		if err != nil {
			return out, err
		}
		x, err := gather(d, len(all), views)
		if err != nil {
			return out, err
		}
		out = append(out, x)
		if (n+1)%50 == 0 {
			progress("lag: %d versions", n+1)
		}
	}
	return out, nil
}

// view is what a watcher saw first at a time; or why it sees nothing.
type view struct {
	sidecar int
	number  int64
	version string
	when    time.Time
	err     error
}

// watch looks up again and again and tells of each version that it sees first.
func (s *sidecar) watch(ctx context.Context, i int, to chan<- view) {
	last := ""
	for {
		version, number, err := s.look(ctx)
		when := time.Now()
		if ctx.Err() != nil {
			return
		}
		if err != nil || version != last {
			last = version
			select {
			case to <- view{i, number, version, when, err}:
			case <-ctx.Done():
				return
			}
		}
		if pause(ctx, lookPause) != nil {
			return
		}
	}
}

// drain forgets what was seen before a publish.
func drain(views <-chan view) {
	for {
		select {
		case <-views:
		default:
			return
		}
	}
}

// gather waits until a version was seen on n sidecars.
func gather(d done, n int, views <-chan view) (sighting, error) {
	x := sighting{done: d}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	by := map[int]bool{}
	for len(by) < n {
		select {
		case v := <-views:
			switch {
			case v.err != nil:
				return x, fmt.Errorf("look-up on sidecar %d: %w", v.sidecar, v.err)
			case v.version == d.Version && v.number != d.Number:
				return x, fmt.Errorf("sidecar %d answers from version %s with record %d, it has %d", v.sidecar, v.version, v.number, d.Number)
			case v.version == d.Version && !by[v.sidecar]:
				by[v.sidecar] = true
				x.seen = append(x.seen, v.when)
			}
		case <-timer.C:
			return x, fmt.Errorf("version %s is on %d of %d sidecars after %s", d.Version, len(by), n, patience)
		}
	}
	slices.SortFunc(x.seen, time.Time.Compare)
	return x, nil
}
