package replica_test

import (
	"cmp"
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
			ref := &blob.Ref{Digest: dataset.DigestOf(fmt.Append(nil, m.Version, string(c))), Size: 1}
			if c == 's' {
				ref.Size = 3
			}
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
	steps, err := replica.Plan(from, all[target-1], replica.Chain{
		Before: func(m *blob.Manifest) (*blob.Manifest, error) {
			if m.Previous == dataset.None {
				return nil, nil
			}
			return all[m.Previous-1], nil
		},
		After: func(m *blob.Manifest, most int) ([]*blob.Manifest, error) {
			if after := all[m.Version:]; len(after) <= most {
				return after, nil
			}
			return nil, nil
		},
	})
	if errors.Is(err, replica.ErrNoPath) {
		return "no path"
	}
	if err != nil {
		return err.Error()
	}
	var words []string
	for _, s := range steps {
		if letter := [...]string{"s", "d", "r"}[s.Kind]; s.Blob.Digest != dataset.DigestOf(fmt.Append(nil, s.Of, letter)) {
			return fmt.Sprintf("another blob than the %s of version %s", s.Kind, s.Of)
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
		{" sdr", 0, 1, "snapshot 2 → 2, reversedelta 2 → 1"},
		{" dr sdr", 0, 1, "snapshot 3 → 3, reversedelta 3 → 2, reversedelta 2 → 1"},
		{" dr sdr", 0, 2, "snapshot 3 → 3, reversedelta 3 → 2"},
		{" |sdr", 0, 1, "no path"},
		{" d sdr", 0, 1, "no path"},
		{" sdr sdr", 0, 1, "snapshot 2 → 2, reversedelta 2 → 1"},
		{"s sdr", 0, 1, "snapshot 1 → 1"},
		{"s dr dr dr sdr", 0, 4, "snapshot 5 → 5, reversedelta 5 → 4"},
		{"s dr sdr", 0, 2, "snapshot 1 → 1, delta 2 → 2"},
		{" d dr sdr", 2, 1, "no path"},
		{" dr d sdr", 3, 1, "no path"},
		{" dr dr sdr", 3, 1, "reversedelta 3 → 2, reversedelta 2 → 1"},
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

// naivePlan tries all there is: deltas, reverse deltas, then each snapshot, of
// which the version's own goes first, then what takes the fewest bytes.
func naivePlan(all []*blob.Manifest, current, target int) string {
	at := func(v int) *blob.Manifest { return all[v-1] }
	type way struct {
		words []string
		bytes int64
	}
	walk := func(from, to int) (w way, ok bool) {
		for v := from + 1; v <= to; v++ {
			if at(v).Delta == nil || at(v).Segment == at(v).Version {
				return way{}, false
			}
			w.words = append(w.words, fmt.Sprintf("delta %d → %d", v, v))
			w.bytes += at(v).Delta.Size
		}
		for v := from; v > to; v-- {
			if at(v).ReverseDelta == nil || at(v).Segment == at(v).Version {
				return way{}, false
			}
			w.words = append(w.words, fmt.Sprintf("reversedelta %d → %d", v, v-1))
			w.bytes += at(v).ReverseDelta.Size
		}
		return w, true
	}
	if current > 0 {
		if w, ok := walk(current, target); ok && len(w.words) <= maxDeltas {
			return strings.Join(w.words, ", ")
		}
	}
	var ways []way
	for s := target; s > 0; s-- { // the nearest one before it
		if w, ok := walk(s, target); ok && at(s).Snapshot != nil {
			ways = append(ways, way{append([]string{fmt.Sprintf("snapshot %d → %d", s, s)}, w.words...), w.bytes + at(s).Snapshot.Size})
			break
		}
	}
	for s := target + 1; s <= len(all) && at(target).Snapshot == nil; s++ { // all after it
		if w, ok := walk(s, target); ok && at(s).Snapshot != nil {
			ways = append(ways, way{append([]string{fmt.Sprintf("snapshot %d → %d", s, s)}, w.words...), w.bytes + at(s).Snapshot.Size})
		}
	}
	if len(ways) == 0 {
		return "no path"
	}
	return strings.Join(slices.MinFunc(ways, func(a, b way) int { return cmp.Compare(a.bytes, b.bytes) }).words, ", ")
}

func TestPlanIsNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{
			"dr", "dr", "dr", "dr", "dr", "sdr", "sdr", "d", "r", "|sdr", "|s", "|dr", "s", "",
		}), 1, 12).Draw(t, "chain")
		words[0] = rapid.SampledFrom([]string{"s", "s", ""}).Draw(t, "first")
		all := chain(words...)
		for _, m := range all {
			for _, ref := range []*blob.Ref{m.Snapshot, m.Delta, m.ReverseDelta} {
				if ref != nil {
					ref.Size = int64(rapid.IntRange(1, 9).Draw(t, "size"))
				}
			}
		}
		current := rapid.IntRange(0, len(all)).Draw(t, "current")
		target := rapid.IntRange(1, len(all)).Draw(t, "target")
		if got, want := planned(all, current, target), naivePlan(all, current, target); got != want {
			t.Fatalf("%q from %d to %d: %q, want %q", words, current, target, got, want)
		}
	})
}
