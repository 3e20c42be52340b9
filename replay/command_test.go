package replay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	"github.com/holdfast-data/holdfast/replay"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// command is the command of commands with that name.
func command(t testing.TB, name string) *logic.Command {
	t.Helper()
	if commands[name] == nil {
		t.Fatalf("there is no command %s", name)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &logic.Command{Args: []string{self, name}, Timeout: time.Minute}
}

func openCycle(ctx context.Context, dir string, n dataset.Name, who string) (*cycle.Cycle, error) {
	store, err := blob.CreateDir(dir)
	if err != nil {
		return nil, err
	}
	mapping, err := featuregate.Mapping(n)
	if err != nil {
		return nil, err
	}
	return cycle.Open(ctx, cycle.Config{
		Dataset: n, Store: store, Mapping: mapping, Author: announce.Author{Name: who},
		SnapshotEvery: 1, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
}

// publish makes a version of records.
func publish(ctx context.Context, dir string, n dataset.Name, who string, records []proto.Message) error {
	c, err := openCycle(ctx, dir, n, who)
	if err != nil {
		return err
	}
	mapping, err := featuregate.Mapping(n)
	if err != nil {
		return err
	}
	_, err = c.Run(ctx, dataset.Lineage{}, func(sink protomap.Sink) error {
		for _, m := range records {
			if _, err := mapping.Add(sink, m.ProtoReflect()); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// world is a store in which PROD's logic ran.
type world struct {
	t     testing.TB
	dir   string
	store *blob.Dir
}

// newWorld publishes the inputs once per number, with that many regions, and
// runs a logic on each.
func newWorld(t testing.TB, prod string, regions ...int) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	if err := publish(t.Context(), w.dir, featuregate.Browsers, "editions", []proto.Message{&pb.Browser{Id: "b"}}); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.store, err = blob.OpenDir(w.dir); err != nil {
		t.Fatal(err)
	}
	for _, n := range regions {
		w.evaluate(prod, n)
	}
	return w
}

func (w *world) evaluate(prod string, regions int) {
	w.t.Helper()
	var usage []proto.Message
	for i := range regions {
		usage = append(usage, &pb.Usage{Region: fmt.Sprintf("R%d", i), Shares: []*pb.Share{
			{Browser: "b", Version: "1", Percent: float64(i)}, {Browser: "b", Version: "2", Percent: float64(40 + regions)},
		}})
	}
	ctx := w.t.Context()
	if err := publish(ctx, w.dir, featuregate.Usage, "editions", usage); err != nil {
		w.t.Fatal(err)
	}
	c, err := openCycle(ctx, w.dir, featuregate.Output, "featuregate")
	if err != nil {
		w.t.Fatal(err)
	}
	f, err := announce.Open(w.store, featuregate.Usage).Refresh(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	view, err := logic.NewOpener(w.store).View(ctx, featuregate.Usage, f.Head)
	if err != nil {
		w.t.Fatal(err)
	}
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		w.t.Fatal(err)
	}
	l := command(w.t, prod).Logic(featuregate.Output, mapping)
	s := logic.NewSession([]*replica.View{view}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 6)
	if _, _, err := l.Evaluate(ctx, s, c); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) evaluations() []dataset.Evaluation {
	w.t.Helper()
	all, err := logic.Evaluations(w.t.Context(), w.store, featuregate.Output)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// fields returns the names of the output's fields.
func fields() []string {
	var out []string
	list := (&pb.Availability{}).ProtoReflect().Descriptor().Fields()
	for i := range list.Len() {
		out = append(out, string(list.Get(i).Name()))
	}
	return out
}

// config replays a candidate with a control; "" is none.
func (w *world) config(control, candidate string) replay.CommandConfig {
	cfg := replay.CommandConfig{CandidateCommand: command(w.t, candidate), Dir: w.t.TempDir()}
	cfg.Store, cfg.Output, cfg.Examples, cfg.Logger = w.store, featuregate.Output, 1, slog.New(slog.DiscardHandler)
	if control != "" {
		cfg.ControlCommand = command(w.t, control)
	}
	return cfg
}

// replay replays the newest evaluation.
func (w *world) replay(cfg replay.CommandConfig) *compare.Report {
	w.t.Helper()
	r, err := replay.OpenCommands(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	all := w.evaluations()
	report, err := r.Replay(w.t.Context(), all[len(all)-1])
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func wantVerdict(t *testing.T, r *compare.Report, want compare.Verdict, reason string) {
	t.Helper()
	if got := strings.Join(r.Reasons, "; "); r.Verdict != want || !strings.Contains(got, reason) {
		t.Errorf("the verdict is %s (%s), want %s (… %s …)", r.Verdict, got, want, reason)
	}
}

// TestVerdicts plants defects in a candidate.
func TestVerdicts(t *testing.T) {
	w := newWorld(t, "prod", 20)
	gate := compare.Rules{Gate: compare.Gate{Limits: []compare.Limit{{Of: "available"}}, Keys: true}}
	onlyAdded := compare.Rules{Gate: compare.Gate{Limits: []compare.Limit{{Of: "added", Max: 5}}, Keys: true}}
	someChanged := compare.Rules{Gate: compare.Gate{Limits: []compare.Limit{{Of: "added"}, {Of: "changed", Max: 1}}, Keys: true}}
	blind := compare.Rules{}
	for _, f := range fields() {
		if f != "feature" && f != "region" {
			blind.Ignore = append(blind.Ignore, f)
		}
	}
	for _, x := range []struct {
		control, candidate string
		rules              compare.Rules
		want               compare.Verdict
		reason             string
	}{
		{"prod", "prod", compare.Rules{}, compare.Same, ""},
		{"prod", "prod", gate, compare.Go, ""},
		{"prod", "rewritten", compare.Rules{}, compare.Same, ""},
		{"prod", "background", compare.Rules{}, compare.Same, ""},
		{"prod", "one_record", compare.Rules{}, compare.Different, "0 records were added, 1 removed, 0 changed"},
		{"prod", "one_record", gate, compare.NoGo, "1 record was removed"},
		{"prod", "one_field", compare.Rules{}, compare.Different, "1 changed"},
		{"prod", "one_field", gate, compare.NoGo, "available differs in 1 record"},
		{"prod", "one_field", onlyAdded, compare.NoGo, "1 record was changed"},
		{"prod", "one_field", someChanged, compare.Go, ""},
		{"prod", "session_clock", onlyAdded, compare.NoGo, "20 records were changed"},
		{"prod", "one_field", compare.Rules{Ignore: []string{"available"}}, compare.Same, ""},
		{"prod", "one_field", blind, compare.Inconclusive, "nothing was compared but keys"},
		{"prod", "one_record", blind, compare.Different, "1 removed"},
		{"prod", "session_clock", compare.Rules{}, compare.Different, "20 changed"},
		{"prod", "session_clock", gate, compare.Go, ""},
		{"prod", "nothing", compare.Rules{}, compare.Different, "20 removed"},
		{"prod", "clock", gate, compare.Inconclusive, "not deterministic"},
		{"prod", "random", gate, compare.Inconclusive, "not deterministic"},
		{"prod", "map_order", gate, compare.Inconclusive, "not deterministic"},
		{"prod", "not_given", gate, compare.Inconclusive, "not in the session"},
		{"prod", "not_given_generic", gate, compare.Inconclusive, "read dataset browsers: dataset is not in the session"},
		{"prod", "not_given_swallowed", gate, compare.Inconclusive, "not in the session"},
		{"prod", "another_version", gate, compare.Inconclusive, "not in the session"},
		{"prod", "crash", gate, compare.Inconclusive, "exit status 7: no such luck"},
		{"prod", "crash_later", gate, compare.Inconclusive, "exit status 9"},
		{"prod", "panic", gate, compare.Inconclusive, "exit status 2"},
		{"prod", "gives_up", gate, compare.Inconclusive, "I would rather not"},
		{"prod", "no_commit", gate, compare.Inconclusive, "without a commit"},
		{"prod", "silent", gate, compare.Inconclusive, "without a commit"},
		{"prod", "committed_then_crash", gate, compare.Inconclusive, "exit status 1"},
		{"prod", "garbage", gate, compare.Inconclusive, "output is refused: record 21"},
		{"prod", "unknown_fields", gate, compare.Inconclusive, "output is refused: record 21"},
		{"prod", "twice", gate, compare.Inconclusive, "same key"},
		{"prod", "each_twice", compare.Rules{}, compare.Inconclusive, "record 2: Availability [f R"},
		{"prod", "twice_equal", compare.Rules{}, compare.Inconclusive, "record 21: Availability [f R1]: two records have the same key"},
		{"each_twice", "prod", compare.Rules{}, compare.Inconclusive, "two records have the same key"},
		{"prod", "other_output", gate, compare.Inconclusive, "output is refused: the run is for dataset availability"},
		{"prod", "no_session", gate, compare.Inconclusive, "does not name the session"},
		{"", "prod", gate, compare.Inconclusive, "there is no control"},
		{"one_field", "prod", gate, compare.Inconclusive, "the control did not reproduce"},
		{"random", "prod", gate, compare.Inconclusive, "the control did not reproduce"},
		{"crash", "prod", gate, compare.Inconclusive, "the control did not reproduce PROD's output: run logic"},
		{"prod", "prod", compare.Rules{MinRecords: 21}, compare.Inconclusive, "too few records"},
	} {
		t.Run(x.control+"_"+x.candidate, func(t *testing.T) {
			t.Setenv("BACKGROUND_PID", filepath.Join(t.TempDir(), "pid"))
			cfg := w.config(x.control, x.candidate)
			cfg.Rules = x.rules
			wantVerdict(t, w.replay(cfg), x.want, x.reason)
		})
	}
}

// TestWholeSecondsClock needs runs that lie apart.
func TestWholeSecondsClock(t *testing.T) {
	w := newWorld(t, "prod", 5)
	cfg := w.config("prod", "clock_seconds")
	cfg.Apart = 1100 * time.Millisecond
	wantVerdict(t, w.replay(cfg), compare.Inconclusive, "not deterministic")
}

func TestTimeout(t *testing.T) {
	w := newWorld(t, "prod", 5)
	cfg := w.config("prod", "hang")
	cfg.CandidateCommand.Timeout = 300 * time.Millisecond
	wantVerdict(t, w.replay(cfg), compare.Inconclusive, "took too long: more than 300ms")
}

// TestLeftBehind looks for a process that a candidate started and left.
func TestLeftBehind(t *testing.T) {
	w := newWorld(t, "prod", 5)
	file := filepath.Join(t.TempDir(), "pid")
	t.Setenv("BACKGROUND_PID", file)
	wantVerdict(t, w.replay(w.config("prod", "background")), compare.Same, "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("process %d, which the candidate left behind, still runs", pid)
		}
	}
}

// alive says whether a process runs; one that nobody waits for does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(b), ") Z ")
}

// TestIntruder has candidates write to PROD's store by other means than their
// session, and PROD go on meanwhile, which is no intrusion.
func TestIntruder(t *testing.T) {
	for name, reason := range map[string]string{
		"intruder":      "intruder, who never did before, wrote to dataset browsers",
		"pins":          "intruder, who never wrote to dataset browsers, pinned it",
		"prunes":        "intruder, who never wrote to dataset browsers, pruned it",
		"deletes":       "browsers/blobs/",
		"deletes_entry": "browsers/log/00000000000000000000.json is gone",
		"damages":       "was changed",
		"touches":       "was changed",
		"prod_goes_on":  "",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "prod", 5)
			for range 2 { // so that the first version is needed by nobody
				if err := publish(t.Context(), w.dir, featuregate.Browsers, "editions", browser()); err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(t.TempDir())
			if err := os.WriteFile(name+".store", []byte(w.dir), 0o600); err != nil {
				t.Fatal(err)
			}
			want := compare.Inconclusive
			if reason == "" {
				want = compare.Same
			}
			wantVerdict(t, w.replay(w.config("prod", name)), want, reason)
		})
	}
}

// TestMissing takes an input's version, then PROD's output, from the store.
func TestMissing(t *testing.T) {
	for _, n := range []dataset.Name{featuregate.Usage, featuregate.Output} {
		for _, kind := range []string{"blobs", "versions"} {
			t.Run(string(n)+"_"+kind, func(t *testing.T) {
				w := newWorld(t, "prod", 5)
				e := w.evaluations()[0]
				cfg := w.config("prod", "prod")
				if err := os.RemoveAll(filepath.Join(w.dir, string(n), kind)); err != nil {
					t.Fatal(err)
				}
				r, err := replay.OpenCommands(cfg)
				if err != nil {
					t.Fatal(err)
				}
				report, err := r.Replay(t.Context(), e)
				if err != nil {
					t.Fatal(err)
				}
				wantVerdict(t, report, compare.Inconclusive, "a version is missing")
			})
		}
	}
}

func TestCommandsFail(t *testing.T) {
	w := newWorld(t, "prod", 5)
	cfg := w.config("prod", "prod")
	cfg.CandidateCommand = &logic.Command{Args: []string{"/no/such/program"}}
	if _, err := replay.OpenCommands(cfg); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a candidate that is not there: error %v", err)
	}
	var r *replay.Commands
	for name, limit := range map[string]string{"does not exist": "avail", "is ignored": "available", "is of the key": "region"} {
		cfg = w.config("prod", "one_field")
		cfg.Rules = compare.Rules{Ignore: []string{"available"}, Gate: compare.Gate{Limits: []compare.Limit{{Of: limit}}}}
		var err error
		if r, err = replay.OpenCommands(cfg); err != nil {
			t.Fatal(err)
		}
		if report, err := r.Replay(t.Context(), w.evaluations()[0]); !errors.Is(err, compare.ErrRule) {
			t.Errorf("a gate on a field that %s: report %+v, error %v", name, report, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Replay(ctx, w.evaluations()[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted replay: error %v", err)
	}
}

func TestSelect(t *testing.T) {
	var all []logic.Past
	for i, output := range []dataset.Version{1, 2, 2, 3, 4} {
		all = append(all, logic.Past{Evaluation: dataset.Evaluation{Output: output, Seed: dataset.Seed(i + 1)}})
	}
	all[0].Lost, all[3].Lost, all[4].Lost = replica.ErrPruned, blob.ErrNotFound, replica.ErrPruned
	for _, x := range []struct {
		all  []logic.Past
		v    dataset.Version
		n    int
		want []dataset.Seed
	}{
		{all, dataset.None, 1, []dataset.Seed{4}}, // which is damaged
		{all, dataset.None, 9, []dataset.Seed{1, 2, 3, 4}},
		{all, 2, 1, []dataset.Seed{2}},
		{all, 2, 2, []dataset.Seed{1, 2}},
		{all, 1, 2, []dataset.Seed{1}},
		{all, 4, 1, []dataset.Seed{5}},
		{all, 5, 1, nil},
		{all[:1], dataset.None, 1, nil},
		{nil, dataset.None, 1, nil},
	} {
		got, err := replay.Select(x.all, x.v, x.n)
		var seeds []dataset.Seed
		for _, e := range got {
			seeds = append(seeds, e.Seed)
		}
		if fmt.Sprint(seeds) != fmt.Sprint(x.want) || (x.want == nil) != errors.Is(err, replay.ErrNoEvaluation) {
			t.Errorf("Select(%s, %d) is %v, error %v; want %v", x.v, x.n, seeds, err, x.want)
		}
	}
}

// TestDoubtsAreShown says where the outputs differ that make a comparison
// worthless, also in fields that the rules ignore.
func TestDoubtsAreShown(t *testing.T) {
	w := newWorld(t, "prod", 20)
	cfg := w.config("one_field", "clock")
	cfg.Rules.Ignore = []string{"available", "total_percent"}
	r := w.replay(cfg)
	wantVerdict(t, r, compare.Inconclusive, "the control did not reproduce PROD's output: 0 records were added, 0 removed, 1 changed "+
		"(PROD's build was "+r.Evaluation.Build+", the control's is "+r.Control+"); "+
		"the candidate is not deterministic: it made another output of the same session: 0 records were added, 0 removed, 20 changed")
	if r.Check == nil || r.Check.Difference == nil || r.Repeat == nil {
		t.Fatalf("check %+v, repeat %+v", r.Check, r.Repeat)
	}
	if d := r.Check.Difference; d.Changed != 1 || d.Unchanged != 19 || d.Fields["available"] != 1 || len(d.Examples) != 1 || d.Examples[0].Key[1] != "R3" ||
		string(d.Examples[0].From) == string(d.Examples[0].To) {
		t.Errorf("the control differs by %+v", d)
	}
	if d := r.Repeat; d.Changed != 20 || d.Fields["total_percent"] != 20 || len(d.Examples) != 1 {
		t.Errorf("the candidate's outputs differ by %+v", d)
	}
	if r.Changed != 0 || r.Unchanged != 20 {
		t.Errorf("the candidate differs by %+v", r.Difference)
	}
}
