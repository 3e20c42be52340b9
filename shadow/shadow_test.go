package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/shadow"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Both run as long as the process, whatever databases it opens.
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
	)
}

// fake replays evaluations and counts.
type fake struct {
	candidate, control string
	rules              compare.Rules
	terms              compare.Terms
	verdict            compare.Verdict
	ran                []dataset.Version
	fail               dataset.Version // at this one
}

var errFailed = errors.New("failed")

func (f *fake) Report(e dataset.Evaluation) *compare.Report {
	return &compare.Report{Candidate: f.candidate, Control: f.control, Rules: f.rules, Terms: f.terms, Output: e.Output, Evaluation: e}
}

func (f *fake) Replay(_ context.Context, e dataset.Evaluation) (*compare.Report, error) {
	if e.Output == f.fail {
		return nil, errFailed
	}
	f.ran = append(f.ran, e.Output)
	r := f.Report(e)
	r.At, r.Verdict = time.Date(2026, 1, 2, 3, 4, 5, len(f.ran), time.UTC), f.verdict
	r.Difference = compare.Difference{
		Changed: int(e.Output), Fields: map[string]int{"a.b": 1},
		Examples: []compare.Example{{Kind: "changed", Key: []string{"k"}, From: []byte(`{"a":1}`)}},
	}
	return r, nil
}

func evaluations(n int) []dataset.Evaluation {
	var out []dataset.Evaluation
	for i := range n {
		out = append(out, dataset.Evaluation{
			Logic: "l", Output: dataset.Version(i + 1), Clock: time.Unix(int64(i), 0).UTC(),
			Inputs: []dataset.Input{{Dataset: "in", Version: dataset.Version(i + 1), Checksum: dataset.DigestOf([]byte{byte(i)})}},
		})
	}
	return out
}

func openStore(t testing.TB, dir string) *shadow.Store {
	t.Helper()
	s, err := shadow.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFollow runs each evaluation once, and goes on after a failure and after
// reopening.
func TestFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	all := evaluations(4)
	f := &fake{candidate: "c1", control: "p1", verdict: compare.Go, fail: 3}
	follower := &shadow.Follower{Replayer: f, Runs: openStore(t, dir)}
	if _, err := follower.Follow(t.Context(), all); !errors.Is(err, errFailed) {
		t.Errorf("error %v, want that of the run", err)
	}
	f.fail = 0
	var seen, kept []dataset.Version
	follower = &shadow.Follower{Replayer: f, Runs: openStore(t, dir), Seen: func(r *compare.Report) {
		seen = append(seen, r.Output)
		if r.Kept {
			kept = append(kept, r.Output)
		}
	}}
	reports, err := follower.Follow(t.Context(), all)
	if err != nil || len(reports) != len(all) {
		t.Fatalf("%d reports, error %v", len(reports), err)
	}
	if want := []dataset.Version{1, 2, 3, 4}; !reflect.DeepEqual(f.ran, want) || !reflect.DeepEqual(seen, want) || !reflect.DeepEqual(kept, want[:2]) {
		t.Errorf("ran %v, seen %v, of which kept %v", f.ran, seen, kept)
	}
	if again, err := follower.Follow(t.Context(), all); err != nil || !reflect.DeepEqual(again, reports) || len(seen) != len(all) {
		t.Errorf("followed on: %+v, seen %v, error %v", again, seen, err)
	}
	for i, r := range reports {
		if r.Output != all[i].Output || r.Changed != i+1 {
			t.Errorf("report %d is of %s", i, r.Output)
		}
		r.Kept = false // which is of what followed it, and not kept
	}
	stored, err := openStore(t, dir).All(t.Context())
	if err != nil || !reflect.DeepEqual(stored, reports) {
		t.Errorf("kept %+v, want %+v, error %v", stored, reports, err)
	}
}

// TestFollowAnew runs again for whatever a verdict depends on.
func TestFollowAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	all := evaluations(4)
	one := fake{candidate: "c1", control: "p1", verdict: compare.Go, terms: compare.Terms{Judging: 1, Dataset: "d", Runs: 2}}
	run := func(f *fake, again bool) []*compare.Report {
		t.Helper()
		follower := &shadow.Follower{Replayer: f, Runs: openStore(t, dir), Again: again}
		var reports []*compare.Report
		for range 2 { // the second time there is nothing to do
			var err error
			if reports, err = follower.Follow(t.Context(), all); err != nil {
				t.Fatal(err)
			}
		}
		return reports
	}
	run(&one, false)
	for name, change := range map[string]func(*fake){
		"the same":                  func(*fake) {},
		"another candidate":         func(f *fake) { f.candidate = "c2" },
		"another control":           func(f *fake) { f.control = "p2" },
		"another gate":              func(f *fake) { f.rules.Gate.Keys = true },
		"another judge":             func(f *fake) { f.terms.Judging++ },
		"another dataset":           func(f *fake) { f.terms.Dataset = "e" },
		"another schema":            func(f *fake) { f.terms.Schema = dataset.DigestOf([]byte("s")) },
		"another program":           func(f *fake) { f.terms.Program = "p" },
		"another control's program": func(f *fake) { f.terms.ControlProgram = "p" },
		"more runs":                 func(f *fake) { f.terms.Runs++ },
		"more time":                 func(f *fake) { f.terms.TimeoutSeconds = 0.5 },
		"breaking is meant":         func(f *fake) { f.terms.Breaking = true },
	} {
		other := one
		other.ran = nil
		change(&other)
		run(&other, false)
		if want := len(all); (len(other.ran) == want) != (name != "the same") || len(other.ran)%want != 0 {
			t.Errorf("%s: ran %v", name, other.ran)
		}
	}
	again := one
	again.ran, again.verdict = nil, compare.NoGo
	if reports := run(&again, true); len(again.ran) != len(all) || reports[0].Verdict != compare.NoGo {
		t.Errorf("again: ran %v, verdict %s", again.ran, reports[0].Verdict)
	}
	if reports := run(&one, false); reports[0].Verdict != compare.NoGo {
		t.Errorf("after it ran again, what was kept is %s", reports[0].Verdict)
	}
}

// TestGone finds the kept runs of evaluations that are not there any more, and none of
// another candidate.
func TestGone(t *testing.T) {
	runs := openStore(t, filepath.Join(t.TempDir(), "runs"))
	all := evaluations(4)
	for _, candidate := range []string{"c1", "c2"} {
		follower := &shadow.Follower{Replayer: &fake{candidate: candidate, verdict: compare.Go}, Runs: runs}
		if _, err := follower.Follow(t.Context(), all[:3]); err != nil {
			t.Fatal(err)
		}
	}
	follower := &shadow.Follower{Replayer: &fake{candidate: "c1"}, Runs: runs}
	for first, want := range [][]dataset.Version{nil, {1}, {1, 2}, {1, 2, 3}} {
		gone, err := follower.Gone(t.Context(), all[first:])
		var got []dataset.Version
		for _, r := range gone {
			if got = append(got, r.Output); !r.Kept || !r.Gone || r.Candidate != "c1" {
				t.Errorf("from %d on: %+v", first, r)
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("from %d on: runs of %v are gone, want %v, error %v", first, got, want, err)
		}
	}
}

func TestStoreFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := shadow.OpenStore(t.Context(), file); err == nil {
		t.Error("a file as the folder: no error")
	}
	s := openStore(t, t.TempDir())
	for i := range 3 {
		if err := s.Put(t.Context(), &compare.Report{Candidate: fmt.Sprint(i), Evaluation: evaluations(1)[0]}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := s.All(t.Context()); err != nil || len(all) != 3 {
		t.Errorf("%d reports, error %v", len(all), err)
	}
}
