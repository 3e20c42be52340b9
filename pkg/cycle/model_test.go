package cycle_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

const modelled = `
message Part { string name = 1; int64 size = 2; }
message N {
  option (holdfast.v1.dataset) = {key: ["id", "part"]};
  string id = 1; int32 part = 2; int64 big = 3; double d = 4; bool ok = 5; bytes raw = 6; optional int32 maybe = 7;
  repeated string tags = 8; map<string, int32> sizes = 9; Part one = 10; repeated Part many = 11;
}`

// record draws the members of a record beside its key.
func record(t *rapid.T) map[string]any {
	word := rapid.SampledFrom([]string{"", "a", "b", "héllo", "\x00", "long long long long", "🙂"})
	part := rapid.Custom(func(t *rapid.T) map[string]any {
		return map[string]any{"name": word.Draw(t, "name"), "size": fmt.Sprint(rapid.Int64Range(-3, 3).Draw(t, "size"))}
	})
	r := map[string]any{
		"big":   fmt.Sprint(rapid.SampledFrom([]int64{0, 1, -1, 1<<63 - 1, -1<<63 + 1, 1 << 53}).Draw(t, "big")),
		"d":     json.RawMessage(rapid.SampledFrom([]string{"0", "-0.0", "1.5", "1e300", `"Infinity"`}).Draw(t, "d")),
		"ok":    rapid.Bool().Draw(t, "ok"),
		"raw":   []byte(word.Draw(t, "raw")),
		"tags":  rapid.SliceOfN(word, 0, 4).Draw(t, "tags"),
		"sizes": rapid.MapOfN(word, rapid.Int32Range(-2, 2), 0, 3).Draw(t, "sizes"),
		"many":  rapid.SliceOfN(part, 0, 3).Draw(t, "many"),
	}
	if rapid.Bool().Draw(t, "has one") {
		r["one"] = part.Draw(t, "one")
	}
	if rapid.Bool().Draw(t, "has maybe") {
		r["maybe"] = rapid.Int32Range(-1, 1).Draw(t, "maybe")
	}
	return r
}

// naive is the model: a version's records by key, as the JSON they came from.
type naive map[string]string

// change draws the next content.
func (n naive) change(t *rapid.T) naive {
	next := maps.Clone(n)
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		id := rapid.SampledFrom([]string{"a", "ab", "abc", ""}).Draw(t, "id")
		part := rapid.Int32Range(-1, 3).Draw(t, "part")
		key := fmt.Sprintf("[%s %d]", id, part)
		if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
			delete(next, key)
			continue
		}
		r := record(t)
		r["id"], r["part"] = id, part
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		next[key] = string(line)
	}
	return next
}

// canonical returns a record as a dataset of its own prints it, which no
// transition has touched.
func canonical(t testing.TB, m *protomap.Mapping, line string) string {
	b, err := state.NewBuilder(nil, m.Schemas())
	if err != nil {
		t.Fatal(err)
	}
	if err := lines(m, line)(b); err != nil {
		t.Fatal(err)
	}
	s, err := b.Finish(state.Header{Origin: -1})
	if err != nil {
		t.Fatal(err)
	}
	v, err := replica.NewView(&blob.Manifest{}, s, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range content(t, v) {
		return text
	}
	return ""
}

// TestModel publishes random contents and then reads each version by its
// snapshot, by the deltas from the first and by the reverse deltas from the
// last.
func TestModel(t *testing.T) {
	m := mapping(t, modelled)
	texts := map[string]string{}
	rapid.Check(t, func(rt *rapid.T) {
		store := blob.NewMemory()
		every := rapid.IntRange(1, 4).Draw(rt, "snapshot every")
		c := open(t.Context(), t, config(store, m, every))
		now := naive{}
		published := map[dataset.Version]naive{}
		checksums := map[string]dataset.Digest{} // by content
		for range rapid.IntRange(1, 5).Draw(rt, "cycles") {
			if rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
				c = open(t.Context(), t, config(store, m, every))
			}
			next := now.change(rt)
			r := run(t, c, lines(m, rapid.Permutation(slices.Sorted(maps.Values(next))).Draw(rt, "order")...))
			plain := printed(t, m, texts, next)
			before := printed(t, m, texts, now)
			if want := len(published) == 0 || !maps.Equal(plain, before); r.Published != want {
				rt.Fatalf("published %v, content changed %v", r.Published, want)
			}
			count(rt, r.Added, r.Removed, r.Changed, r.Unchanged, before, plain)
			if r.Published {
				published[r.Version] = next
			}
			id := fmt.Sprint(plain)
			if sum, seen := checksums[id]; seen && sum != r.Checksum {
				rt.Fatalf("the same content has checksums %s and %s", sum, r.Checksum)
			}
			for other, sum := range checksums {
				if other != id && sum == r.Checksum {
					rt.Fatal("two contents have the same checksum")
				}
			}
			checksums[id], now = r.Checksum, next
		}
		points := history(t, store)
		if len(points) != len(published) {
			rt.Fatalf("%d versions, %d were published", len(points), len(published))
		}
		check := func(v *replica.View) {
			want := printed(t, m, texts, published[v.Version()])
			if got := content(t, v); !maps.Equal(got, want) {
				rt.Fatalf("version %s: %v, want %v", v.Version(), got, want)
			}
			if sum, err := v.State.Checksum(); err != nil || sum != v.Manifest.Checksum {
				rt.Fatalf("version %s: checksum %s, error %v", v.Version(), sum, err)
			}
		}
		catalog := replica.NewCatalog(store, "n")
		load := func(from *replica.View, p replica.Point) *replica.View {
			v, err := catalog.Load(t.Context(), from, p)
			if err != nil {
				rt.Fatal(err)
			}
			check(v)
			return v
		}
		var v *replica.View
		for _, p := range points {
			load(nil, p)
			v = load(v, p)
		}
		for _, p := range slices.Backward(points) {
			v = load(v, p)
		}
	})
}

// printed returns the content as views print it.
func printed(t testing.TB, m *protomap.Mapping, texts map[string]string, n naive) map[string]string {
	out := map[string]string{}
	for key, line := range n {
		if texts[line] == "" {
			texts[line] = canonical(t, m, line)
		}
		out[key] = texts[line]
	}
	return out
}

// count compares the counts of a cycle with the model's.
func count(t *rapid.T, added, removed, changed, unchanged int, before, now map[string]string) {
	for key, text := range now {
		switch old, ok := before[key]; {
		case !ok:
			added--
		case old == text:
			unchanged--
		default:
			changed--
		}
	}
	for key := range before {
		if _, ok := now[key]; !ok {
			removed--
		}
	}
	if added != 0 || removed != 0 || changed != 0 || unchanged != 0 {
		t.Fatalf("counts are off by %d added, %d removed, %d changed, %d unchanged", added, removed, changed, unchanged)
	}
}
