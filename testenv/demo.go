package testenv

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	"github.com/holdfast-data/holdfast/producer"
	"github.com/holdfast-data/holdfast/sidecar"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// DemoConfig says how the demo runs.
type DemoConfig struct {
	// Data is a folder of editions; empty means the embedded ones.
	Data string
	// Dir keeps the stores; empty means a temporary folder that is removed.
	Dir string
	// Story gets the story for a person, Progress the progress of long work.
	Story, Progress io.Writer
	// Serve, if not nil, is called while everything is still running.
	Serve func(ctx context.Context, r *DemoResult, at Address) error
	// Logger gets what the parts log.
	Logger *slog.Logger
}

// Address says where the demo's first sidecar can be asked.
type Address struct{ GRPC, Admin, Store string }

// DemoResult is what the demo found out.
type DemoResult struct {
	Editions  []string                     `json:"editions"`
	Datasets  map[dataset.Name]DemoDataset `json:"datasets"`
	Gossip    DemoGossip                   `json:"gossip"`
	SelfCheck compare.Check                `json:"selfcheck"`
	Replay    *compare.Report              `json:"replay"`
	Shadow    []*compare.Report            `json:"shadow"`
	Seconds   float64                      `json:"seconds"`
}

// DemoDataset is what was produced of one dataset: the number of versions, the
// records of the newest and the bytes of all blobs.
type DemoDataset struct {
	Versions int   `json:"versions"`
	Records  int   `json:"records"`
	Bytes    int64 `json:"bytes"`
}

// DemoGossip is how fast news travelled: the median time from an announcement
// to a sidecar that answers from the new version, in milliseconds.
type DemoGossip struct {
	Sidecars int     `json:"sidecars"`
	P50      float64 `json:"p50_ms"`
}

// The folders beside PROD's datasets: no dataset can have such a name.
const (
	candidateDir = "_candidate"
	shadowDir    = "_shadow/runs" // as "holdfast shadow --dir DIR/_shadow" has it
)

// kept says what is in the folder that a demo keeps.
const kept = `
%[1]s is PROD's store, a folder for each dataset. Beside them are
  %[2]s  the store of the candidate's outputs: holdfast versions availability --store %[1]s/%[2]s
  %[3]s     what each run of the candidate showed: holdfast shadow ls --dir %[1]s/%[3]s
`

// Demo runs the demo to its end.
func Demo(ctx context.Context, cfg DemoConfig) (_ *DemoResult, err error) {
	start := time.Now()
	dir, remove, err := demoDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer remove()
	d := &demo{cfg: cfg, dir: dir, result: &DemoResult{Datasets: map[dataset.Name]DemoDataset{}}}
	if err := d.open(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop, err := d.start(ctx)
	defer func() {
		cancel()
		stop()
	}()
	if err != nil {
		return nil, err
	}
	for _, act := range []func(context.Context) error{d.produce, d.ask, d.replay, d.sum} {
		if err := act(ctx); err != nil {
			return nil, err
		}
	}
	d.result.Seconds = time.Since(start).Seconds()
	d.say("\nDone in %.1f s. The candidate is a %s.\n", d.result.Seconds, d.result.Replay.Verdict)
	if cfg.Dir != "" {
		d.say(kept, cfg.Dir, candidateDir, path.Dir(shadowDir))
	}
	if cfg.Serve != nil {
		err = cfg.Serve(ctx, d.result, Address{GRPC: d.sidecars[0].Addr(), Admin: d.sidecars[0].AdminAddr(), Store: dir})
	}
	return d.result, err
}

func demoDir(dir string) (path string, remove func(), err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "holdfast-demo-")
		if err != nil {
			return "", nil, fmt.Errorf("make temporary folder: %w", err)
		}
		return path, func() { os.RemoveAll(path) }, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("make demo folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("read demo folder: %w", err)
	}
	if len(entries) > 0 {
		return "", nil, fmt.Errorf("folder %s is not empty: name another one, or remove it first", dir)
	}
	path, err = filepath.Abs(dir)
	return path, func() {}, err
}

type demo struct {
	cfg      DemoConfig
	dir      string
	store    *blob.Dir
	editions []featuregate.Edition
	mappings map[dataset.Name]*protomap.Mapping
	sidecars []*sidecar.Sidecar
	gossip   *announce.Gossip
	control  *logic.Logic
	output   *cycle.Cycle
	lags     []time.Duration
	result   *DemoResult
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.cfg.Story, format, args...) }

func (d *demo) open() (err error) {
	d.editions = featuregate.Editions()
	if d.cfg.Data != "" {
		if d.editions, err = featuregate.EditionsIn(d.cfg.Data); err != nil {
			return err
		}
	}
	for _, e := range d.editions {
		d.result.Editions = append(d.result.Editions, e.Name)
	}
	if d.store, err = blob.CreateDir(d.dir); err != nil {
		return err
	}
	d.mappings = map[dataset.Name]*protomap.Mapping{}
	for _, n := range append(featuregate.InputDatasets(), featuregate.Output) {
		if d.mappings[n], err = featuregate.Mapping(n); err != nil {
			return err
		}
	}
	d.control = featuregate.Logic(d.mappings[featuregate.Output], featuregate.Prod)
	return nil
}

// start opens two sidecars and the gossip of the producers. stop ends what was
// started, after ctx has ended, also if start fails.
func (d *demo) start(ctx context.Context) (stop func(), err error) {
	done := make(chan error, 2)
	var stops []func()
	stop = func() {
		for _, f := range slices.Backward(stops) {
			f()
		}
	}
	var join []string
	for i := range 2 {
		s, err := sidecar.Open(ctx, d.sidecarConfig(join), sidecar.Options{Logger: d.cfg.Logger})
		if err != nil {
			return stop, err
		}
		join = append(join, s.GossipAddr())
		d.sidecars = append(d.sidecars, s)
		go func() { done <- s.Run(ctx) }()
		stops = append(stops, func() { _ = <-done })
		d.say("sidecar %d listens on %s, gossips on %s\n", i+1, s.Addr(), s.GossipAddr())
	}
	d.gossip, err = announce.NewGossip(announce.GossipConfig{
		Cluster: "demo", Name: "producer", Bind: "127.0.0.1:0", Join: join, Logger: d.cfg.Logger,
	})
	if err != nil {
		return stop, err
	}
	stops = append(stops, func() { _ = d.gossip.Close() })
	d.output, err = cycle.Open(ctx, cycle.Config{
		Dataset: featuregate.Output, Store: d.store, Mapping: d.mappings[featuregate.Output],
		Author: announce.Author{Name: "featuregate"}, SnapshotEvery: 1, Now: time.Now, Logger: d.cfg.Logger,
	})
	return stop, err
}

func (d *demo) sidecarConfig(join []string) sidecar.Config {
	c := sidecar.DefaultConfig()
	c.Listen, c.Admin = "127.0.0.1:0", "127.0.0.1:0"
	c.Gossip = sidecar.GossipConfig{Cluster: "demo", Bind: "127.0.0.1:0", Join: join}
	c.Poll = 30 * time.Second // so that it is gossip that brings the news
	for _, n := range append(featuregate.InputDatasets(), featuregate.Output) {
		c.Datasets = append(c.Datasets, sidecar.DatasetConfig{Name: n, Store: d.dir, Required: true, Owner: sidecar.OwnerHoldfast})
	}
	return c
}

// produce publishes the inputs of each edition and evaluates the logic on them.
func (d *demo) produce(ctx context.Context) error {
	for i, e := range d.editions {
		d.say("\nedition %s\n", e.Name)
		fmt.Fprintf(d.cfg.Progress, "edition %d of %d: %s\n", i+1, len(d.editions), e.Name)
		versions := map[dataset.Name]dataset.Version{}
		for _, n := range featuregate.InputDatasets() {
			r, err := d.publish(ctx, e, n)
			if err != nil {
				return err
			}
			versions[n] = r.Version
		}
		if err := d.evaluate(ctx, versions); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) publish(ctx context.Context, e featuregate.Edition, n dataset.Name) (cycle.Result, error) {
	cfg := producer.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Mapping = n, d.store, d.mappings[n]
	cfg.Author, cfg.Logger = announce.Author{Name: "editions"}, d.cfg.Logger
	cfg.Files = []producer.File{{Name: e.Name + "/" + string(n), Open: func() (io.ReadCloser, error) {
		content, _, err := e.Open(n)
		return content, err
	}}}
	start := time.Now()
	r, err := producer.Publish(ctx, cfg)
	if err != nil {
		return r, err
	}
	d.tell(r, time.Since(start))
	return r, d.spread(ctx, r)
}

func (d *demo) tell(r cycle.Result, took time.Duration) {
	if !r.Published {
		d.say("  %-12s unchanged: still %s, %d records\n", r.Dataset, r.Version, r.Records)
		return
	}
	d.say("  %-12s %s: %6d records, +%d -%d ~%d, %s in %.2f s\n",
		r.Dataset, r.Version, r.Records, r.Added, r.Removed, r.Changed, size(r.Bytes), took.Seconds())
}

// spread tells the cluster of a version and waits until each sidecar answers
// from it.
func (d *demo) spread(ctx context.Context, r cycle.Result) error {
	if !r.Published {
		return nil
	}
	f, err := announce.Open(d.store, r.Dataset).Refresh(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	d.gossip.Announce(announce.Hint{Dataset: r.Dataset, Position: f.Position, Version: r.Version})
	for _, s := range d.sidecars {
		if err := await(ctx, s.Replica(r.Dataset), r.Version); err != nil {
			return err
		}
		d.lags = append(d.lags, time.Since(start))
	}
	return nil
}

// await waits until a replica is at a version or beyond.
func await(ctx context.Context, r *replica.Replica, v dataset.Version) error {
	for {
		changed := r.Changed()
		if view := r.Current(); view != nil && view.Version() >= v {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// evaluate runs PROD's logic on the inputs as the first sidecar has them.
func (d *demo) evaluate(ctx context.Context, versions map[dataset.Name]dataset.Version) error {
	var views []*replica.View
	for _, n := range featuregate.InputDatasets() {
		v, err := d.sidecars[0].Replica(n).At(ctx, versions[n])
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	start := time.Now()
	s := logic.NewSession(views, start, 0)
	_, r, err := d.control.Evaluate(ctx, s, d.output)
	if err != nil {
		return err
	}
	d.tell(r, time.Since(start))
	return d.spread(ctx, r)
}

func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// sum counts what is in the store.
func (d *demo) sum(ctx context.Context) error {
	for n := range d.mappings {
		f, err := announce.Open(d.store, n).Refresh(ctx)
		if err != nil {
			return err
		}
		points, err := replica.NewCatalog(d.store, n).History(ctx, f)
		if err != nil {
			return err
		}
		out := DemoDataset{Versions: len(points)}
		for _, p := range points {
			out.Records = p.Manifest.Records[d.mappings[n].Root()]
			for _, ref := range []*blob.Ref{p.Manifest.Snapshot, p.Manifest.Delta, p.Manifest.ReverseDelta, p.Manifest.Header} {
				if ref != nil {
					out.Bytes += ref.Size
				}
			}
		}
		d.result.Datasets[n] = out
	}
	return nil
}
