package logic_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

func (w *world) producing(l *logic.Logic) logic.ProducerConfig {
	cfg := logic.DefaultProducerConfig()
	cfg.Store, cfg.Output, cfg.Logic, cfg.Author = w.store, "out", l, announce.Author{Name: "prod"}
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

func (w *world) producer(cfg logic.ProducerConfig) *logic.Producer {
	w.t.Helper()
	p, err := logic.OpenProducer(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// newest returns the content of a dataset's newest version.
func (w *world) newest(n dataset.Name) map[string]int64 {
	w.t.Helper()
	return w.values(w.cycle(n).Base())
}

// TestProducerOnce evaluates the newest versions, those of a pin, and starts over
// if somebody else was faster.
func TestProducerOnce(t *testing.T) {
	w := newWorld(t)
	p := w.producer(w.producing(w.sum(nil)))
	w.publish("left", map[string]int64{"a": 1})
	if _, _, err := p.Evaluate(t.Context()); !errors.Is(err, replica.ErrEmpty) || !strings.Contains(err.Error(), "right") {
		t.Errorf("without an input: %v, want ErrEmpty", err)
	}
	first := w.publish("right", map[string]int64{"a": 5})
	e, r, err := p.Evaluate(t.Context())
	if err != nil || !r.Published || e.Output != r.Version || len(e.Inputs) != 2 || e.Seed == 0 || !maps.Equal(w.newest("out"), map[string]int64{"a": 6}) {
		t.Fatalf("evaluation %+v, result %+v, error %v, out %v", e, r, err, w.newest("out"))
	}
	w.publish("right", map[string]int64{"a": 7})
	w.publish("out", map[string]int64{"a": 6, "x": 1}) // by somebody else
	if e, r, err = p.Evaluate(t.Context()); err != nil || r.Removed != 1 || !maps.Equal(w.newest("out"), map[string]int64{"a": 8}) {
		t.Errorf("beside another: evaluation %+v, result %+v, error %v", e, r, err)
	}
	slow := w.sum(nil)
	run, runs := slow.Run, 0
	slow.Run = func(ctx context.Context, s *logic.Session, emit func(proto.Message) error) error {
		if runs++; runs == 1 {
			w.publish("out", map[string]int64{"a": 0})
		}
		return run(ctx, s, emit)
	}
	if _, r, err = w.producer(w.producing(slow)).Evaluate(t.Context()); err != nil || runs != 2 || !r.Published || w.newest("out")["a"] != 8 {
		t.Errorf("another was faster: %d runs, result %+v, error %v", runs, r, err)
	}
	if _, err := announce.Open(w.store, "right").Pin(t.Context(), announce.Author{Name: "test"}, first.Version()); err != nil {
		t.Fatal(err)
	}
	if e, _, err = p.Evaluate(t.Context()); err != nil || e.Inputs[1].Version != first.Version() {
		t.Errorf("pinned: evaluation %+v, error %v", e, err)
	}
	all, err := logic.Evaluations(t.Context(), w.store, "out")
	if err != nil || len(all) != 4 {
		t.Errorf("recorded %+v, error %v", all, err)
	}
}

// TestProducerRefuses what publish refuses, and what can never be right.
func TestProducerRefuses(t *testing.T) {
	w := newWorld(t)
	w.publish("left", map[string]int64{"a": 1, "b": 1, "c": 1})
	w.publish("right", nil)
	for name, change := range map[string]func(*logic.ProducerConfig){
		"no author":   func(c *logic.ProducerConfig) { c.Author.Name = "" },
		"own output":  func(c *logic.ProducerConfig) { c.Output = "left" },
		"input twice": func(c *logic.ProducerConfig) { c.Logic.Inputs = []dataset.Name{"left", "left"} },
		"no poll":     func(c *logic.ProducerConfig) { c.Poll = 0 },
	} {
		cfg := w.producing(w.sum(nil))
		change(&cfg)
		if _, err := logic.OpenProducer(t.Context(), cfg); !errors.Is(err, logic.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	p := w.producer(w.producing(w.sum(nil)))
	if _, _, err := p.Evaluate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.publish("left", map[string]int64{"a": 1})
	if _, _, err := p.Evaluate(t.Context()); !errors.Is(err, cycle.ErrTooManyRemoved) {
		t.Errorf("two of three removed: %v, want ErrTooManyRemoved", err)
	}
	other := w.sum(nil)
	other.Output = declare(t, `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; string v = 2; }`)
	cfg := w.producing(other)
	if _, err := logic.OpenProducer(t.Context(), cfg); !errors.Is(err, cycle.ErrBreaking) {
		t.Errorf("another schema: %v, want ErrBreaking", err)
	}
	cfg.Breaking = true
	w.producer(cfg)
	if _, err := announce.Open(w.store, "out").Claim(t.Context(), announce.Author{Name: "other"}, "other", false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Evaluate(t.Context()); !errors.Is(err, announce.ErrClaimed) {
		t.Errorf("claimed: %v, want ErrClaimed", err)
	}
}

// following is a Producer that follows, in virtual time.
type following struct {
	*world
	ran  chan cycle.Result
	stop context.CancelFunc
	end  chan error
}

func (w *world) follow(cfg logic.ProducerConfig) *following {
	ctx, stop := context.WithCancel(w.t.Context())
	f := &following{world: w, ran: make(chan cycle.Result, 1), stop: stop, end: make(chan error, 1)}
	p := w.producer(cfg)
	go func() { f.end <- p.Follow(ctx, func(_ dataset.Evaluation, r cycle.Result) { f.ran <- r }) }()
	return f
}

// within says whether a run ends in time.
func (f *following) within(d time.Duration) (cycle.Result, bool) {
	select {
	case r := <-f.ran:
		return r, true
	case <-time.After(d):
		return cycle.Result{}, false
	}
}

// TestProducerFollows evaluates at the start, when an input moved, and when time
// has passed, and goes on after what can be mended.
func TestProducerFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var away, fails atomic.Bool
		faulty := blobtest.NewFaulty(w.store, func(blobtest.Op) blobtest.Fault {
			if away.Load() {
				return blobtest.Fail
			}
			return blobtest.None
		})
		l := w.sum(nil)
		run := l.Run
		l.Run = func(ctx context.Context, s *logic.Session, emit func(proto.Message) error) error {
			if fails.Load() {
				return errors.New("a bad day")
			}
			return run(ctx, s, emit)
		}
		cfg := w.producing(l)
		cfg.Store, cfg.Every = faulty, time.Hour
		var log strings.Builder
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		w.publish("left", map[string]int64{"a": 1})
		f := w.follow(cfg)
		if r, ok := f.within(time.Minute); ok {
			t.Errorf("without an input it made %+v", r)
		}
		expect := func(what string, d time.Duration, published bool, a int64) {
			t.Helper()
			if r, ok := f.within(d); !ok || r.Published != published || w.newest("out")["a"] != a {
				t.Errorf("%s: %+v in time %v, a is %d, want %d", what, r, ok, w.newest("out")["a"], a)
			}
		}
		w.publish("right", map[string]int64{"a": 5})
		expect("an input appears", 2*time.Minute, true, 6)
		w.publish("right", map[string]int64{"a": 6})
		expect("an input moves", 2*time.Second, true, 7)
		if r, ok := f.within(50 * time.Minute); ok {
			t.Errorf("nothing moved, and it made %+v", r)
		}
		expect("an hour has passed", 11*time.Minute, false, 7)
		fails.Store(true)
		w.publish("left", map[string]int64{"a": 2})
		if r, ok := f.within(5 * time.Minute); ok {
			t.Errorf("the logic fails, and it made %+v", r)
		}
		fails.Store(false)
		expect("the logic recovers", 2*time.Minute, true, 8)
		away.Store(true)
		w.publish("left", map[string]int64{"a": 3})
		if r, ok := f.within(5 * time.Minute); ok {
			t.Errorf("the store is away, and it made %+v", r)
		}
		away.Store(false)
		expect("the store is back", 2*time.Minute, true, 9)
		f.stop()
		if err := <-f.end; err != nil {
			t.Errorf("stopped: %v", err)
		}
		if n := strings.Count(log.String(), "the logic is evaluated again"); n != 3 {
			t.Errorf("it logs %d times that it goes on, want 3:\n%s", n, &log)
		}
	})
}

// TestProducerEnds when its output is another's for good.
func TestProducerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publish("left", map[string]int64{"a": 1})
		w.publish("right", nil)
		f := w.follow(w.producing(w.sum(nil)))
		defer f.stop()
		if _, ok := f.within(time.Second); !ok {
			t.Fatal("it does not run")
		}
		keys, err := w.store.List(t.Context(), "out/")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys { // as when an empty copy takes the store's place
			if err := w.store.Delete(t.Context(), k.Key); err != nil {
				t.Fatal(err)
			}
		}
		w.publish("out", map[string]int64{"x": 1})
		w.publish("left", map[string]int64{"a": 2})
		if err := <-f.end; !errors.Is(err, announce.ErrDiverged) {
			t.Errorf("after the log was replaced: %v, want ErrDiverged", err)
		}
	})
}

// TestHistoryWithAGap fails where an entry of the log is gone that no reader needs: the
// runs behind it would be passed over, as if they had not been.
func TestHistoryWithAGap(t *testing.T) {
	w := newWorld(t)
	p := w.producer(w.producing(w.sum(nil)))
	w.publish("left", map[string]int64{"a": 1})
	for i := range int64(6) {
		w.publish("right", map[string]int64{"a": i})
		if _, _, err := p.Evaluate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.store.Delete(t.Context(), blob.LogKey("out", 4)); err != nil {
		t.Fatal(err)
	}
	if _, err := announce.Open(w.store, "out").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := logic.Evaluations(t.Context(), w.store, "out"); !errors.Is(err, announce.ErrGap) {
		t.Errorf("%d runs, error %v, want ErrGap", len(all), err)
	}
}

// TestProducerAfterLosses goes on where it is told to, though an earlier entry of the
// output's log or a file of its newest version is lost.
func TestProducerAfterLosses(t *testing.T) {
	w := newWorld(t)
	w.publish("left", map[string]int64{"a": 1})
	input := int64(0)
	evaluate := func(change func(*logic.ProducerConfig)) error {
		w.publish("right", map[string]int64{"a": input})
		input++
		cfg := w.producing(w.sum(nil))
		cfg.SnapshotEvery = 100
		change(&cfg)
		p, err := logic.OpenProducer(t.Context(), cfg)
		if err != nil {
			return err
		}
		_, r, err := p.Evaluate(t.Context())
		if err == nil && (!r.Published || r.Records != 1) {
			t.Errorf("it made %+v", r)
		}
		return err
	}
	as := func(*logic.ProducerConfig) {}
	lose := func(key string) {
		t.Helper()
		if err := w.store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 {
		if err := evaluate(as); err != nil {
			t.Fatal(err)
		}
	}
	lose(blob.LogKey("out", 4))
	if err := evaluate(as); !errors.Is(err, announce.ErrCorrupt) {
		t.Errorf("an entry is lost: error %v, want ErrCorrupt", err)
	}
	accept := func(c *logic.ProducerConfig) { c.AcceptDamagedLog = true }
	if err := evaluate(accept); err != nil {
		t.Errorf("an entry is lost, and that is accepted: %v", err)
	}
	f, err := announce.Open(w.store, "out").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := w.store.List(t.Context(), "out/blobs/"+f.Head.String())
	if err != nil || len(files) == 0 {
		t.Fatalf("the newest version has files %v, error %v", files, err)
	}
	for _, file := range files {
		lose(file.Key)
	}
	if err := evaluate(accept); err == nil {
		t.Errorf("the newest version is lost, and it goes on")
	}
	if err := evaluate(func(c *logic.ProducerConfig) { c.AcceptDamagedLog, c.FromScratch = true, true }); err != nil {
		t.Errorf("from scratch: %v", err)
	}
}
