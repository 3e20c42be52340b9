// Package kill fights over a store, a folder or a bucket: several processes
// publish into it in loops, and are killed or stopped for long at seeded
// instants, while a sidecar follows and a checker asks it. [Run] then says
// whether the chain verifies, every acknowledged publish is in it exactly once,
// and all that the sidecar served was announced.
//
// Read kill.go, publisher.go, watch.go, follower.go and check.go in that order;
// command.go is the command line of all that.
package kill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
)

// Config says how to fight.
type Config struct {
	// Binary is the holdfast command; Dir is where the sources go.
	Binary, Dir string
	// Store is the location of an empty store; a folder in Dir if it is empty.
	// The processes inherit the environment, and with it a bucket's credentials.
	Store string
	// Seed decides who is harmed, how and when.
	Seed uint64
	// Runs is the number of publishes that are harmed; 0 means that For decides.
	Runs int
	// For is how long to fight if Runs is 0.
	For time.Duration
	// Publishers is how many publish at once.
	Publishers int
	// Harmless leaves all processes alone: they only race.
	Harmless bool
	// Log, if not nil, gets a line now and then.
	Log func(format string, args ...any)
}

// Report is what came of a fight.
type Report struct {
	Seed      uint64
	Duration  time.Duration
	Published int // processes that published
	Killed    int // by SIGKILL
	Paused    int // by SIGSTOP, then continued
	// How far those had come that were killed.
	KilledBefore, KilledPublished, KilledAnnounced int
	Conflicts                                      int // times that a publish found another one announced, and started over
	Acknowledged                                   int
	Versions                                       int
	Followers                                      int // starts of the sidecar, which is killed as well
	Looks                                          int // answers of the sidecar
	Seen                                           int // versions that it served
	Orphans                                        int
	Problems                                       []string
}

// String is the report in words.
func (r *Report) String() string {
	return fmt.Sprintf("seed %d, %s: %d publishes, %d killed (%d before their manifest, %d before the announcement, %d after), %d paused; "+
		"%d conflicts, %d acknowledged, %d versions, %d orphans; %d looks at a sidecar started %d times saw %d versions; %d problems",
		r.Seed, r.Duration.Round(time.Second), r.Published, r.Killed, r.KilledBefore, r.KilledPublished, r.KilledAnnounced, r.Paused,
		r.Conflicts, r.Acknowledged, r.Versions, r.Orphans, r.Looks, r.Followers, r.Seen, len(r.Problems))
}

// schema declares what is published: one record says who published, the others
// are there to take time.
const schema = `syntax = "proto3";
import "holdfast/v1/options.proto";
message Item {
  option (holdfast.v1.dataset) = {key: ["id"]};
  string id = 1;
  string by = 2;
}
`

// fight is a Run under way.
type fight struct {
	Config
	opened blob.Store
	schema string

	mu      sync.Mutex
	harmed  int
	report  Report
	acked   map[string]string // publish → version
	newest  string            // the greatest version of them
	killed  []string          // publishes
	seen    map[string]string // version → publish, as the sidecar said
	problem []string
}

// Run fights, and checks. An error means that it could not.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	f := &fight{Config: cfg, schema: filepath.Join(cfg.Dir, "item.proto"), acked: map[string]string{}, seen: map[string]string{}}
	if f.Log == nil {
		f.Log = func(string, ...any) {}
	}
	if f.Store == "" {
		f.Store = filepath.Join(cfg.Dir, "store")
	}
	var err error
	if f.opened, err = cloud.OpenLater(ctx, f.Store); err != nil {
		return nil, fmt.Errorf("fight: %w", err)
	}
	if err := os.WriteFile(f.schema, []byte(schema), 0o600); err != nil {
		return nil, fmt.Errorf("fight: %w", err)
	}
	start := time.Now()
	if err := f.first(ctx); err != nil {
		return nil, fmt.Errorf("fight: %w", err)
	}
	if cfg.Runs == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.For)
		defer cancel()
	}
	over, stop := context.WithCancel(context.WithoutCancel(ctx))
	var follower, publishers sync.WaitGroup
	follower.Go(func() { f.follow(over) })
	for n := range cfg.Publishers {
		publishers.Go(func() { f.publisher(ctx, n) })
	}
	publishers.Wait()
	stop()
	follower.Wait()
	f.report.Seed, f.report.Duration = cfg.Seed, time.Since(start)
	if err := f.check(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("check fight: %w", err)
	}
	f.report.Problems = f.problem
	return &f.report, nil
}

// first publishes a version, so that there is something to follow, and to
// learn how long a publish takes.
func (f *fight) first(ctx context.Context) error {
	p, err := f.begin(ctx, "first")
	if err != nil {
		return err
	}
	if err := <-p.done; err != nil {
		return fmt.Errorf("the first publish failed: %w", err)
	}
	f.report.Published++
	f.note(p, false, nil)
	if f.newest == "" {
		return errors.New("the first publish said " + p.output.String())
	}
	return nil
}

func (f *fight) say(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problem = append(f.problem, fmt.Sprintf(format, args...))
}

// command returns a command of holdfast.
func (f *fight) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, f.Binary, args...)
}
