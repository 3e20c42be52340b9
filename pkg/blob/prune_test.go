package blob_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// prunable makes versions 1, 2, …, each of which a word describes: s, d and r
// are its blobs, | in front begins a schema segment; version i was made i hours
// after noon. All files are there.
func prunable(words ...string) blob.Prunable {
	p := blob.Prunable{Inputs: map[dataset.Version][]string{}}
	for i, word := range words {
		v := dataset.Version(i + 1)
		m := &blob.Manifest{Dataset: "n", Version: v, Previous: v - 1, Segment: 1, Created: noon.Add(time.Duration(v) * time.Hour)}
		if i > 0 {
			m.Segment = p.Chain[i-1].Segment
		}
		for _, c := range word {
			ref := blob.RefOf([]byte(fmt.Sprint(v, string(c))))
			switch c {
			case '|':
				m.Segment = v
				continue
			case 's':
				m.Snapshot = &ref
			case 'd':
				m.Delta = &ref
			case 'r':
				m.ReverseDelta = &ref
			}
			p.Files = append(p.Files, blob.Info{Key: blob.BlobKey("n", v, ref.Digest), Size: 10, Modified: m.Created})
		}
		digest := dataset.DigestOf([]byte(v.String()))
		p.Chain = append(p.Chain, blob.Chained{Manifest: m, Digest: digest})
		p.Files = append(p.Files, blob.Info{Key: blob.ManifestKey("n", v, digest), Size: 1, Modified: m.Created})
	}
	return p
}

// told says in words what a plan deletes: of each version the letters of its
// blobs, and m for its manifest.
func told(p blob.Prunable, plan blob.PrunePlan) string {
	goes := map[string]bool{}
	for _, f := range plan.Files {
		goes["n/"+f.Key] = true
	}
	var out []string
	for _, m := range p.Chain {
		word := m.Version.String()
		for c, ref := range map[string]*blob.Ref{"s": m.Snapshot, "d": m.Delta, "r": m.ReverseDelta} {
			if ref != nil && goes[blob.BlobKey("n", m.Version, ref.Digest)] {
				word += c
			}
		}
		if goes[blob.ManifestKey("n", m.Version, m.Digest)] {
			word += "m"
		}
		if letters := []byte(word[len(m.Version.String()):]); len(letters) > 0 {
			slices.Sort(letters)
			out = append(out, m.Version.String()+string(letters))
		}
	}
	return strings.Join(out, " ")
}

// damagedSnapshot makes the snapshot of version v one that is not what its digest
// says.
func damagedSnapshot(v int) func(*blob.Prunable, *blob.PrunePolicy) {
	return func(p *blob.Prunable, _ *blob.PrunePolicy) {
		if p.Damaged == nil {
			p.Damaged = map[string]bool{}
		}
		p.Damaged[blob.BlobKey("n", dataset.Version(v), p.Chain[v-1].Snapshot.Digest)] = true
	}
}

func TestPlanPrune(t *testing.T) {
	for _, c := range []struct {
		name  string
		chain string
		edit  func(*blob.Prunable, *blob.PrunePolicy)
		want  string // what goes
	}{
		{"nothing but the head is kept", "s sdr sdr sdr", nil, "1ms 2dmrs 3dmrs"},
		{"the way to the head", "s dr sdr dr dr", nil, "1ms 2dmr 3dr 4r"},
		{"two are kept", "s sdr sdr sdr", func(_ *blob.Prunable, o *blob.PrunePolicy) { o.Keep = 2 }, "1ms 2dmrs"},
		{"more are kept than there are", "s sdr", func(_ *blob.Prunable, o *blob.PrunePolicy) { o.Keep = 9 }, ""},
		{"none is not possible", "s sdr", func(_ *blob.Prunable, o *blob.PrunePolicy) { o.Keep = 0 }, "1ms"},
		{"in use until the next", "s sdr sdr sdr sdr", func(_ *blob.Prunable, o *blob.PrunePolicy) {
			o.Now, o.KeepFor = noon.Add(5*time.Hour), 90*time.Minute // version 4 came an hour ago, until then 3 was in use
		}, "1ms 2dmrs"},
		{"a pin bounds the horizon", "s sdr sdr sdr sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Pin = 3 }, "1ms 2dmrs"},
		{"a pin and the way to it", "s dr dr sdr sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Pin = 3 }, "2r"},
		{"an input keeps itself and the manifests", "s sdr sdr sdr sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Inputs[2] = []string{"out@9"} }, "1ms 3drs 4drs"},
		{"an input that is gone", "s sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Inputs[7] = []string{"out@9"} }, "1ms"},
		{"segments are crossed by snapshot", "s |sdr dr", nil, "1ms 2dr"},
		{"a snapshot that is lost is no way", "s sdr dr", func(p *blob.Prunable, _ *blob.PrunePolicy) {
			key := blob.BlobKey("n", 2, p.Chain[1].Snapshot.Digest)
			p.Files = slices.DeleteFunc(p.Files, func(f blob.Info) bool { return f.Key == key })
		}, "2r"},
		{"the newest snapshot of the log", "s dr |sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) {
			p.Snapshot = blob.BlobKey("n", 1, p.Chain[0].Snapshot.Digest)
		}, "1m 2dmr"},
		{"a snapshot that is damaged is no way", "s sdr dr", damagedSnapshot(2), "2rs"},
		{"a head that is lost keeps the one before", "s sdr |s", damagedSnapshot(3), "1ms"},
		{"nothing can be had", "s |s", func(p *blob.Prunable, o *blob.PrunePolicy) {
			damagedSnapshot(1)(p, o)
			damagedSnapshot(2)(p, o)
		}, ""},
		{"a manifest that is lost", "s sdr dr dr", func(p *blob.Prunable, _ *blob.PrunePolicy) {
			p.Chain, p.Lost = append(p.Chain[:2:2], p.Chain[3]), []dataset.Version{3}
		}, "1ms"},
		{"files that were written late", "s sdr sdr", func(p *blob.Prunable, o *blob.PrunePolicy) {
			o.Now, o.KeepFor = noon.Add(100*time.Hour), time.Hour
			p.Files[0].Modified = o.Now
		}, "1m 2dmrs"},
		{"a horizon does not sink", "s sdr sdr sdr", func(p *blob.Prunable, o *blob.PrunePolicy) { p.Horizon, o.Keep = 4, 2 }, "1ms 2dmrs"},
	} {
		p := prunable(strings.Split(c.chain, " ")...)
		policy := blob.PrunePolicy{Keep: 1, Now: noon.Add(100 * time.Hour)}
		if c.edit != nil {
			c.edit(&p, &policy)
		}
		plan := blob.PlanPrune(p, policy)
		if got := told(p, plan); got != c.want {
			t.Errorf("%s: %q loses %q, want %q", c.name, c.chain, got, c.want)
		}
	}
	if plan := blob.PlanPrune(blob.Prunable{}, blob.PrunePolicy{}); len(plan.Files) != 0 || plan.Horizon != dataset.None {
		t.Errorf("an empty dataset: %+v", plan)
	}
}

// TestPlanPruneWhy gives a reason for each version that stays.
func TestPlanPruneWhy(t *testing.T) {
	for _, c := range []struct {
		name  string
		chain string
		edit  func(*blob.Prunable, *blob.PrunePolicy)
		want  string
	}{
		{"the newest", "s sdr sdr sdr", func(_ *blob.Prunable, o *blob.PrunePolicy) { o.Keep = 2 }, "3 newest, 4 newest"},
		{"a pin", "s sdr sdr sdr sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Pin = 2 }, "2 pinned, 3 after the pin, 4 after the pin, 5 newest"},
		{"a pin of the newest", "s sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Pin = 2 }, "2 newest + pinned"},
		{"an input", "s sdr sdr sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Inputs[2] = []string{"out@8"} }, "2 input of out@8, 4 newest"},
		{"inputs", "s sdr sdr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Inputs[1] = []string{"out@8", "out@9", "x@3"} }, "1 input of out@8 and 2 more, 3 newest"},
		{"young", "s sdr sdr sdr", func(_ *blob.Prunable, o *blob.PrunePolicy) {
			o.Now, o.KeepFor = noon.Add(4*time.Hour), 90*time.Minute // version 3 came an hour ago, until then 2 was in use
		}, "2 in use recently, 3 in use recently, 4 newest"},
		{"the way", "s dr sdr dr dr", func(p *blob.Prunable, _ *blob.PrunePolicy) { p.Inputs[2] = []string{"out@8"} }, "1 leads to 2, 2 input of out@8, 3 leads to 5, 4 leads to 5, 5 newest"},
		{"the newest is lost", "s sdr |s", damagedSnapshot(3), "2 newest readable"},
		{"nothing can be had", "s", damagedSnapshot(1), ""},
	} {
		p := prunable(strings.Split(c.chain, " ")...)
		policy := blob.PrunePolicy{Keep: 1, Now: noon.Add(100 * time.Hour)}
		c.edit(&p, &policy)
		plan := blob.PlanPrune(p, policy)
		var got []string
		for _, v := range plan.Kept {
			var why []string
			for _, r := range plan.Why[v] {
				why = append(why, r.String())
			}
			got = append(got, strings.TrimLeft(v.String(), "0")+" "+strings.Join(why, " + "))
		}
		if got := strings.Join(got, ", "); got != c.want || len(plan.Why) != len(plan.Kept) {
			t.Errorf("%s: %q keeps %q, want %q", c.name, c.chain, got, c.want)
		}
	}
}

// TestPlanPruneOrphans deletes what no announced version names, below the
// horizon only.
func TestPlanPruneOrphans(t *testing.T) {
	p := prunable("s", "sdr", "sdr")
	orphan := dataset.DigestOf([]byte("orphan"))
	for _, key := range []string{
		blob.BlobKey("n", 1, orphan), blob.ManifestKey("n", 2, orphan), blob.BlobKey("n", 3, orphan), blob.BlobKey("n", 4, orphan),
		"n/blobs/1-short", "n/blobs/x-" + orphan.String(), "n/versions/", "n/schemas/" + orphan.String(), "n/log/1.json",
	} {
		p.Files = append(p.Files, blob.Info{Key: key})
	}
	var got []string
	for _, f := range blob.PlanPrune(p, blob.PrunePolicy{Keep: 2, Now: noon}).Files {
		if strings.Contains(f.Key, orphan.String()) || len(f.Key) < 60 {
			got = append(got, "n/"+f.Key)
		}
	}
	if want := []string{blob.BlobKey("n", 1, orphan)}; !slices.Equal(got, want) {
		t.Errorf("orphans %q go, want %q", got, want)
	}
}

// TestPlanPruneModel compares plans with what a replica needs, found by trying.
func TestPlanPruneModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"dr", "dr", "sdr", "sdr", "|sdr", "s", "d"}), 0, 12).Draw(t, "chain")
		p := prunable(append([]string{"s"}, words...)...)
		n := len(p.Chain)
		policy := blob.PrunePolicy{
			Keep:    rapid.IntRange(0, n+1).Draw(t, "keep"),
			KeepFor: time.Duration(rapid.IntRange(0, 6).Draw(t, "hours")) * time.Hour,
			Now:     noon.Add(time.Duration(n)*time.Hour + time.Minute),
		}
		p.Pin = dataset.Version(rapid.IntRange(0, n).Draw(t, "pin"))
		for _, v := range rapid.SliceOf(rapid.IntRange(1, n)).Draw(t, "inputs") {
			p.Inputs[dataset.Version(v)] = []string{"out@9"}
		}
		p.Files = slices.DeleteFunc(p.Files, func(blob.Info) bool { return rapid.IntRange(0, 9).Draw(t, "lost") == 0 })
		plan := blob.PlanPrune(p, policy)
		checkPlan(t, p, policy, plan)

		// What is left is pruned no further.
		for _, f := range plan.Files {
			p.Files = slices.DeleteFunc(p.Files, func(g blob.Info) bool { return g.Key == "n/"+f.Key })
		}
		p.Horizon = plan.Horizon
		if again := blob.PlanPrune(p, policy); len(again.Files) > 0 || again.Horizon != plan.Horizon {
			t.Fatalf("a second prune deletes %v", again.Files)
		}
	})
}

func checkPlan(t *rapid.T, p blob.Prunable, policy blob.PrunePolicy, plan blob.PrunePlan) {
	head := p.Chain[len(p.Chain)-1].Version
	effective := head
	if p.Pin != dataset.None {
		effective = p.Pin
	}
	if len(plan.Kept) == 0 && len(plan.Files) == 0 && plan.Horizon == p.Horizon {
		return // nothing can be had, so nothing goes
	}
	if plan.Horizon > effective || plan.Horizon < p.Horizon || plan.Horizon == dataset.None {
		t.Fatalf("horizon %s, effective %s", plan.Horizon, effective)
	}
	before, after := map[string]bool{}, map[string]bool{}
	for _, f := range p.Files {
		before[f.Key], after[f.Key] = true, true
	}
	for _, f := range plan.Files {
		if !before["n/"+f.Key] || policy.Now.Sub(f.Modified) < policy.KeepFor {
			t.Fatalf("%s goes, written %s", f.Key, f.Modified)
		}
		delete(after, "n/"+f.Key)
	}
	blobs := map[string]bool{} // that some kept version needs
	for _, m := range p.Chain {
		if !naiveKept(p, policy, m.Version) && m.Version < plan.Horizon {
			continue
		}
		was, is := reachable(p, before, m), reachable(p, after, m)
		if was != nil && !slices.Equal(was, is) {
			t.Fatalf("version %s: the way was %q, is %q", m.Version, was, is)
		}
		if (is != nil) != slices.Contains(plan.Kept, m.Version) {
			t.Fatalf("version %s: reachable by %q, kept are %v", m.Version, is, plan.Kept)
		}
		for _, key := range is {
			blobs[key] = true
		}
		for _, ref := range []*blob.Ref{m.Snapshot, m.Delta, m.ReverseDelta} {
			if ref != nil && is != nil {
				blobs[blob.BlobKey("n", m.Version, ref.Digest)] = true
			}
		}
	}
	for _, m := range p.Chain {
		if m.Version >= plan.Horizon {
			continue
		}
		for _, ref := range []*blob.Ref{m.Snapshot, m.Delta, m.ReverseDelta} {
			if ref == nil {
				continue
			}
			key := blob.BlobKey("n", m.Version, ref.Digest)
			young := policy.Now.Sub(m.Created) < policy.KeepFor
			if after[key] && !blobs[key] && !young {
				t.Fatalf("version %s: %s stays for nothing", m.Version, key)
			}
		}
	}
}

// naiveKept says whether the policy or somebody else keeps v.
func naiveKept(p blob.Prunable, policy blob.PrunePolicy, v dataset.Version) bool {
	head := p.Chain[len(p.Chain)-1].Version
	if v == head || v > head-dataset.Version(policy.Keep) || v == p.Pin || p.Inputs[v] != nil {
		return true
	}
	next := p.Chain[v] // the one after v
	return policy.Now.Sub(next.Created) < policy.KeepFor
}

// reachable returns the keys that a replica without any state needs to get to
// m, its manifests included; nil if it cannot.
func reachable(p blob.Prunable, there map[string]bool, m blob.Chained) []string {
	with := func(m *blob.Manifest) *blob.Manifest {
		out := *m
		for _, ref := range []**blob.Ref{&out.Snapshot, &out.Delta, &out.ReverseDelta} {
			if *ref != nil && !there[blob.BlobKey("n", m.Version, (*ref).Digest)] {
				*ref = nil
			}
		}
		return &out
	}
	before := func(m *blob.Manifest) (*blob.Manifest, error) {
		if m.Previous == dataset.None {
			return nil, nil
		}
		return with(p.Chain[m.Previous-1].Manifest), nil
	}
	after := func(*blob.Manifest, int) ([]*blob.Manifest, error) { return nil, nil } // what leads back goes
	steps, err := replica.Plan(nil, with(m.Manifest), replica.Chain{Before: before, After: after})
	if err != nil {
		return nil
	}
	var keys []string
	for _, s := range steps {
		keys = append(keys, blob.BlobKey("n", s.Of, s.Blob.Digest))
	}
	for v := steps[0].Of; v <= p.Chain[len(p.Chain)-1].Version; v++ { // walked back from the head
		if key := blob.ManifestKey("n", v, p.Chain[v-1].Digest); there[key] {
			keys = append(keys, key)
		}
	}
	return keys
}
