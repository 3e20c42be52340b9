package replica_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// chain makes manifests 1, 2, … of which each word names the blobs: s, d and r,
// and | in front of those that begin a schema segment.
func chain(words ...string) []*blob.Manifest {
	var out []*blob.Manifest
	for i, word := range words {
		m := &blob.Manifest{Version: dataset.Version(i + 1), Previous: dataset.Version(i), Segment: 1}
		if i > 0 {
			m.Segment = out[i-1].Segment
		}
		for _, c := range word {
			ref := &blob.Ref{Size: int64(m.Version)}
			switch c {
			case '|':
				m.Segment = m.Version
			case 's':
				m.Snapshot = ref
			case 'd':
				m.Delta = ref
			case 'r':
				m.ReverseDelta = ref
			}
		}
		out = append(out, m)
	}
	return out
}

// planned returns a plan in words; 0 is no current version.
func planned(all []*blob.Manifest, current, target int) string {
	var from *blob.Manifest
	if current > 0 {
		from = all[current-1]
	}
	steps, err := replica.Plan(from, all[target-1], func(m *blob.Manifest) (*blob.Manifest, error) {
		if m.Previous == dataset.None {
			return nil, nil
		}
		return all[m.Previous-1], nil
	})
	if errors.Is(err, replica.ErrNoPath) {
		return "no path"
	}
	if err != nil {
		return err.Error()
	}
	var words []string
	for _, s := range steps {
		if s.Blob.Size != int64(s.Of) {
			return fmt.Sprintf("the blob of %d for version %s", s.Blob.Size, s.Of)
		}
		words = append(words, fmt.Sprintf("%s %s → %s", s.Kind, s.Of, s.To.Version))
	}
	return strings.Join(words, ", ")
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		chain           string
		current, target int
		want            string
	}{
		{"s", 0, 1, "snapshot 1 → 1"},
		{"s", 1, 1, ""},
		{"", 0, 1, "no path"},
		{"s dr dr", 0, 3, "snapshot 1 → 1, delta 2 → 2, delta 3 → 3"},
		{"s sdr dr", 0, 3, "snapshot 2 → 2, delta 3 → 3"},
		{"s sdr sdr", 1, 3, "delta 2 → 2, delta 3 → 3"},
		{"s dr dr", 3, 1, "reversedelta 3 → 2, reversedelta 2 → 1"},
		{"s d dr", 3, 1, "snapshot 1 → 1"},
		{"s s dr", 1, 3, "snapshot 2 → 2, delta 3 → 3"},
		{"s r dr", 1, 3, "no path"},
		{"s |sdr dr", 1, 3, "snapshot 2 → 2, delta 3 → 3"},
		{"s |sdr dr", 3, 1, "snapshot 1 → 1"},
		{"s |dr dr", 0, 3, "no path"},
		{"s |dr dr", 2, 3, "delta 3 → 3"},
	} {
		if got := planned(chain(strings.Split(c.chain, " ")...), c.current, c.target); got != c.want {
			t.Errorf("%q from %d to %d: %q, want %q", c.chain, c.current, c.target, got, c.want)
		}
	}
}

// maxDeltas is the number of deltas that are followed at most.
const maxDeltas = 64

func TestPlanIsBounded(t *testing.T) {
	words := slices.Repeat([]string{"sdr"}, maxDeltas+2)
	words[0] = "s"
	all := chain(words...)
	if got := strings.Count(planned(all, 2, len(all)), "delta"); got != maxDeltas {
		t.Errorf("%d versions ahead: %d deltas", maxDeltas, got)
	}
	if got, want := planned(all, 1, len(all)), fmt.Sprintf("snapshot %d → %d", len(all), len(all)); got != want {
		t.Errorf("one more: %q, want %q", got, want)
	}
	if got, want := planned(all, len(all), 1), "snapshot 1 → 1"; got != want {
		t.Errorf("and back: %q, want %q", got, want)
	}
}

// naivePlan tries all there is: deltas, reverse deltas, then each snapshot.
func naivePlan(all []*blob.Manifest, current, target int) string {
	ahead := func(from, to int) ([]string, bool) {
		words := []string{}
		for v := from + 1; v <= to; v++ {
			if all[v-1].Delta == nil || all[v-1].Segment == all[v-1].Version {
				return nil, false
			}
			words = append(words, fmt.Sprintf("delta %d → %d", v, v))
		}
		return words, true
	}
	if current > 0 && all[current-1].Segment == all[target-1].Segment {
		words, ok := ahead(current, target)
		for v := current; v > target && ok; v-- {
			ok = all[v-1].ReverseDelta != nil
			words = append(words, fmt.Sprintf("reversedelta %d → %d", v, v-1))
		}
		if ok && len(words) <= maxDeltas {
			return strings.Join(words, ", ")
		}
	}
	for s := target; s > 0; s-- {
		words, ok := ahead(s, target)
		if !ok {
			break
		}
		if all[s-1].Snapshot != nil {
			return strings.Join(append([]string{fmt.Sprintf("snapshot %d → %d", s, s)}, words...), ", ")
		}
	}
	return "no path"
}

func TestPlanIsNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{
			"dr", "dr", "dr", "dr", "dr", "sdr", "sdr", "d", "r", "|sdr", "|s", "|dr", "s", "",
		}), 1, 12).Draw(t, "chain")
		words[0] = rapid.SampledFrom([]string{"s", "s", ""}).Draw(t, "first")
		all := chain(words...)
		current := rapid.IntRange(0, len(all)).Draw(t, "current")
		target := rapid.IntRange(1, len(all)).Draw(t, "target")
		if got, want := planned(all, current, target), naivePlan(all, current, target); got != want {
			t.Fatalf("%q from %d to %d: %q, want %q", words, current, target, got, want)
		}
	})
}
