package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

const (
	// sampleEvery is how many versions lie between two samples, and two prunes.
	sampleEvery = 500
	// soakKeep is how many versions a prune of the soak keeps.
	soakKeep = 100
	// heldSessions is how many sessions are open at a time.
	heldSessions = 20
	// turnPause is the pause between two sessions that are opened, so that the
	// look-ups leave the producer time to publish.
	turnPause = 25 * time.Millisecond
)

// sample is what both processes and the store take after so many versions.
// Memory and disk are in bytes.
type sample struct {
	Versions   int     `json:"versions"`
	Seconds    float64 `json:"seconds"` // since the first version
	Producer   weight  `json:"producer"`
	Sidecar    weight  `json:"sidecar"`
	Disk       int64   `json:"disk"`
	Log        int64   `json:"log"` // of Disk
	Files      int     `json:"files"`
	Lookups    int64   `json:"lookups"`
	Sessions   int64   `json:"sessions"` // opened so far
	PruneMS    float64 `json:"prune_ms"`
	SidecarLag int64   `json:"sidecar_lag"` // versions that it is behind
}

// weight is what one process takes.
type weight struct {
	RSS        int64 `json:"rss"`
	Anonymous  int64 `json:"anonymous"` // of RSS, what is not pages of files
	Heap       int64 `json:"heap"`      // live after the last collection
	Goroutines int   `json:"goroutines"`
}

// soak publishes as fast as it can while a sidecar is asked, and samples.
func (b *bench) soak(ctx context.Context) (err error) {
	store, err := b.store()
	if err != nil {
		return err
	}
	p, err := b.startProducer(ctx, store, 0, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if _, err := p.publish(1); err != nil {
		return err
	}
	s, err := b.startSidecar(ctx, store, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.await(ctx, "ready", func(at status) bool { return at.Ready }); err != nil {
		return err
	}
	load := &soaking{sidecar: s, random: rand.New(rand.NewPCG(b.seed, 2))}
	asking, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { load.run(asking) })
	defer group.Wait()
	defer cancel()
	start := time.Now()
	for n := sampleEvery; n <= b.options.soak; n += sampleEvery {
		d, err := p.publish(sampleEvery)
		if err != nil {
			return err
		}
		x, err := b.sample(ctx, store, d, load)
		if err != nil {
			return err
		}
		x.Versions, x.Seconds = n, time.Since(start).Seconds()
		b.report.sample(x)
		progress("soak: %s", x)
	}
	cancel()
	group.Wait()
	if load.failed != nil {
		return load.failed
	}
	return b.publishAtEnd(ctx, store)
}

// sample prunes, and weighs what is left.
func (b *bench) sample(ctx context.Context, store string, d done, load *soaking) (x sample, err error) {
	_, number, err := load.sidecar.look(ctx)
	if err != nil {
		return x, err
	}
	start := time.Now()
	if _, err := b.command(ctx, "prune", items, "--store", store, "--keep", fmt.Sprint(soakKeep), "--keep-for", "0s"); err != nil {
		return x, err
	}
	x = sample{
		Producer: d.weight, PruneMS: milliseconds(time.Since(start)),
		Lookups: load.lookups.Load(), Sessions: load.opened.Load(), SidecarLag: d.Number - number,
	}
	if x.Sidecar, err = load.sidecar.weigh(ctx); err != nil {
		return x, err
	}
	if x.Disk, x.Files, err = diskUse(store); err != nil {
		return x, err
	}
	x.Log, _, err = diskUse(filepath.Join(store, items, "log"))
	return x, err
}

// weigh asks a sidecar what it takes. What is live follows from the size at
// which the next collection starts, which is 25 % more (GOGC=25).
func (s *sidecar) weigh(ctx context.Context) (w weight, err error) {
	if w.RSS, w.Anonymous, err = resident(s.cmd.Process.Pid); err != nil {
		return w, err
	}
	goal, err := s.metric(ctx, "go_memstats_next_gc_bytes")
	if err != nil {
		return w, err
	}
	goroutines, err := s.metric(ctx, "go_goroutines")
	w.Heap, w.Goroutines = int64(goal/1.25), int(goroutines)
	return w, err
}

// diskUse returns the bytes and the number of the files in a folder; what has
// several names counts once. Files that go meanwhile do not count.
func diskUse(dir string) (bytes int64, files int, err error) {
	known := map[uint64]bool{}
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !known[st.Ino] {
			known[st.Ino] = true
			bytes += st.Blocks * 512
			files++
		}
		return nil
	})
	return bytes, files, err
}

// soaking is what a sidecar is asked during the soak.
type soaking struct {
	*sidecar
	random  *rand.Rand
	lookups atomic.Int64
	opened  atomic.Int64
	open    []*holdfastv1.Session
	failed  error // what ended it, if not the context; of run until that has ended
}

// run looks up, in sessions and without, and opens, renews and closes sessions,
// until ctx ends.
func (l *soaking) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.turn(ctx)
		if err != nil && ctx.Err() == nil {
			l.failed = err
			return
		}
	}
}

func (l *soaking) turn(ctx context.Context) error {
	in := &holdfastv1.OpenSessionRequest{Datasets: []*holdfastv1.SessionDataset{{Dataset: items}}, Lease: durationpb.New(5 * time.Second)}
	session, err := l.session.Open(ctx, in)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	l.opened.Add(1)
	l.open = append(l.open, session)
	for range 20 {
		if err := l.ask(ctx, ""); err != nil {
			return err
		}
		if err := l.ask(ctx, l.open[l.random.IntN(len(l.open))].GetId()); err != nil {
			return err
		}
	}
	if _, err := l.session.Renew(ctx, &holdfastv1.RenewSessionRequest{Id: session.GetId()}); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	if len(l.open) >= heldSessions {
		if err := l.leave(ctx); err != nil {
			return err
		}
	}
	return pause(ctx, turnPause)
}

// leave gives the oldest session up; of a tenth it waits for the lease to end.
func (l *soaking) leave(ctx context.Context) error {
	oldest := l.open[0].GetId()
	l.open = l.open[1:]
	if l.random.IntN(10) == 0 {
		return nil
	}
	if _, err := l.session.Close(ctx, &holdfastv1.CloseSessionRequest{Id: oldest}); err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}

// ask looks a record up, in a session if there is one; a session whose lease has
// ended is no error.
func (l *soaking) ask(ctx context.Context, session string) error {
	if session != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "holdfast-session", session)
	}
	key := fmt.Sprintf("id-%04d", l.random.IntN(recordCount))
	_, err := l.lookup.Get(ctx, &holdfastv1.GetRequest{Dataset: items, Key: []string{key}})
	l.lookups.Add(1)
	if err != nil && (session == "" || grpcstatus.Code(err) != codes.NotFound) {
		return fmt.Errorf("look up %s: %w", key, err)
	}
	return nil
}

// publishAtEnd measures a publish by command on the long log, and on a new one.
func (b *bench) publishAtEnd(ctx context.Context, store string) error {
	fresh, err := b.store()
	if err != nil {
		return err
	}
	for _, c := range []struct{ name, store string }{{"new", fresh}, {"long", store}} {
		publish, err := b.publishByCommand(ctx, c.store)
		if err != nil {
			return err
		}
		for range 10 {
			d, err := publish()
			if err != nil {
				return err
			}
			b.report.add("soak: holdfast publish, "+c.name+" log", d.Acked.Sub(d.Begun))
		}
	}
	return nil
}
