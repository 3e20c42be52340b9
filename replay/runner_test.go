package replay_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/replay"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// inProcess is the honest logic with a change, in this process.
func inProcess(t testing.TB, build string, change func(*pb.Availability) error) *logic.Logic {
	t.Helper()
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		t.Fatal(err)
	}
	return &logic.Logic{
		Name: "featuregate", Build: build, Inputs: []dataset.Name{featuregate.Usage}, Output: mapping,
		Run: func(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
			for u, err := range logic.Records[pb.Usage](s, featuregate.Usage) {
				if err != nil {
					return err
				}
				a := honest(u)
				if err := change(a); err != nil {
					return err
				}
				if err := emit(a); err != nil {
					return err
				}
			}
			return nil
		},
		Sources: func(key []state.Value) []logic.Source {
			return []logic.Source{{Dataset: featuregate.Usage, Key: key[1:]}}
		},
	}
}

// TestRunner judges logic in this process: verdicts, transitions, and examples
// with the records that they were made of.
func TestRunner(t *testing.T) {
	w := newWorld(t, "prod", 4, 5)
	all := w.evaluations()
	same := func(*pb.Availability) error { return nil }
	flip := func(a *pb.Availability) error {
		if a.GetRegion() == "R3" {
			a.Available = !a.Available
		}
		return nil
	}
	boom := errors.New("boom")
	fails := func(*pb.Availability) error { return boom }
	for name, c := range map[string]struct {
		control, candidate func(*pb.Availability) error
		want               compare.Verdict
		reason             string
	}{
		"same":                   {same, same, compare.Go, ""},
		"changed":                {same, flip, compare.NoGo, "available differs in 1 record"},
		"no control":             {nil, same, compare.Inconclusive, "no control"},
		"control not reproduced": {flip, same, compare.Inconclusive, "did not reproduce"},
		"control fails":          {fails, same, compare.Inconclusive, "boom"},
		"candidate fails":        {same, fails, compare.Inconclusive, "the candidate failed"},
	} {
		t.Run(name, func(t *testing.T) {
			outputs := blob.NewMemory()
			cfg := replay.Config{
				Store: w.store, Output: featuregate.Output, Outputs: outputs,
				Candidate: inProcess(t, "candidate", c.candidate),
				Rules:     compare.Rules{Gate: compare.Gate{Fields: []string{"available"}, Keys: true}, Values: []string{"available"}},
				Examples:  2, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			}
			if c.control != nil {
				cfg.Control = inProcess(t, "control", c.control)
			}
			r, err := replay.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all { // the second on the candidate's own first output
				report, err := r.Replay(t.Context(), e)
				if err != nil {
					t.Fatal(err)
				}
				wantVerdict(t, report, c.want, c.reason)
				if name == "changed" {
					wantExample(t, report)
				}
			}
		})
	}
	before := w.evaluations()
	if len(before) != len(all) {
		t.Errorf("replays left %d evaluations in PROD's log, there were %d", len(before), len(all))
	}
}

// TestRunnerDistrusts configurations under which everything would be good.
func TestRunnerDistrusts(t *testing.T) {
	w := newWorld(t, "prod", 4)
	e := w.evaluations()[0]
	n := 0
	counts := func(a *pb.Availability) error { n++; a.TotalPercent = float64(n); return nil }
	same := func(*pb.Availability) error { return nil }
	run := func(candidate func(*pb.Availability) error, runs int, rules compare.Rules) (*compare.Report, error) {
		t.Helper()
		r, err := replay.Open(t.Context(), replay.Config{
			Store: w.store, Output: featuregate.Output, Outputs: blob.NewMemory(), Control: inProcess(t, "control", same),
			Candidate: inProcess(t, "candidate", candidate), Rules: rules, Runs: runs, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Replay(t.Context(), e)
	}
	for _, runs := range []int{-1, 0, 1, 2} {
		report, err := run(counts, runs, compare.Rules{Ignore: []string{"total_percent"}})
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, report, compare.Inconclusive, "not deterministic")
	}
	for _, rules := range []compare.Rules{
		{Gate: compare.Gate{Fields: []string{"avail"}}}, {Gate: compare.Gate{Fields: []string{"region"}}},
		{Gate: compare.Gate{Fields: []string{"available"}}, Ignore: []string{"available"}},
	} {
		if report, err := run(same, 2, rules); !errors.Is(err, compare.ErrRule) {
			t.Errorf("%+v: report %+v, error %v", rules, report, err)
		}
	}
}

func wantExample(t *testing.T, r *compare.Report) {
	t.Helper()
	n := 0
	for _, times := range r.Transitions["available"] {
		n += times
	}
	if n != 1 || r.Changed != 1 || r.Added+r.Removed != 0 || r.Fields["available"] != 1 || len(r.Examples) != 1 {
		t.Fatalf("report %+v", r)
	}
	x := r.Examples[0]
	if x.Kind != "changed" || x.Key[1] != "R3" || x.From == nil || x.To == nil || string(x.From) == string(x.To) {
		t.Errorf("example %+v", x)
	}
	if len(x.Sources) != 1 || x.Sources[0].Dataset != featuregate.Usage || x.Sources[0].Version != r.Evaluation.Inputs[len(r.Evaluation.Inputs)-1].Version || x.Sources[0].Record == nil {
		t.Errorf("sources %+v, inputs %+v", x.Sources, r.Evaluation.Inputs)
	}
}
