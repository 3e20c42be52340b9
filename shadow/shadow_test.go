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
	verdict            compare.Verdict
	ran                []dataset.Version
	fail               dataset.Version // at this one
}

var errFailed = errors.New("failed")

func (f *fake) Candidate() string    { return f.candidate }
func (f *fake) Control() string      { return f.control }
func (f *fake) Rules() compare.Rules { return f.rules }

func (f *fake) Replay(_ context.Context, e dataset.Evaluation) (*compare.Report, error) {
	if e.Output == f.fail {
		return nil, errFailed
	}
	f.ran = append(f.ran, e.Output)
	return &compare.Report{
		Candidate: f.candidate, Control: f.control, Rules: f.rules, Output: e.Output, Evaluation: e,
		Verdict: f.verdict,
		Difference: compare.Difference{
			Changed: int(e.Output), Fields: map[string]int{"a.b": 1},
			Examples: []compare.Example{{Kind: "changed", Key: []string{"k"}, From: []byte(`{"a":1}`)}},
		},
	}, nil
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

// TestFollow runs each evaluation once, goes on after a failure and after
// reopening, and runs again for another candidate, control or rules.
func TestFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	all := evaluations(4)
	f := &fake{candidate: "c1", control: "p1", verdict: compare.Go, fail: 3}
	if _, err := shadow.Follow(t.Context(), f, all, openStore(t, dir), nil); !errors.Is(err, errFailed) {
		t.Errorf("error %v, want that of the run", err)
	}
	f.fail = 0
	var seen []dataset.Version
	reports, err := shadow.Follow(t.Context(), f, all, openStore(t, dir), func(r *compare.Report) { seen = append(seen, r.Output) })
	if err != nil || len(reports) != len(all) {
		t.Fatalf("%d reports, error %v", len(reports), err)
	}
	if want := []dataset.Version{1, 2, 3, 4}; !reflect.DeepEqual(f.ran, want) || !reflect.DeepEqual(seen, want[2:]) {
		t.Errorf("ran %v, seen %v", f.ran, seen)
	}
	for i, r := range reports {
		if r.Output != all[i].Output || r.Changed != i+1 {
			t.Errorf("report %d is of %s", i, r.Output)
		}
	}
	kept, err := openStore(t, dir).All(t.Context())
	if err != nil || !reflect.DeepEqual(kept, reports) {
		t.Errorf("kept %+v, want %+v, error %v", kept, reports, err)
	}
	for name, other := range map[string]*fake{
		"the same":          {candidate: "c1", control: "p1", verdict: compare.Go},
		"another candidate": {candidate: "c2", control: "p1", verdict: compare.Go},
		"another control":   {candidate: "c1", control: "p2", verdict: compare.Go},
		"another gate":      {candidate: "c1", control: "p1", rules: compare.Rules{Gate: compare.Gate{Keys: true}}, verdict: compare.Go},
	} {
		if _, err := shadow.Follow(t.Context(), other, all, openStore(t, dir), nil); err != nil {
			t.Fatal(err)
		}
		if want := len(all); (len(other.ran) == want) != (name != "the same") || len(other.ran)%want != 0 {
			t.Errorf("%s: ran %v", name, other.ran)
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
