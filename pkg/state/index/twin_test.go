package index_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// The dataset of these tests: films, with collections of each kind and nulls in
// every place.
const filmSchemas = `
Film @PrimaryKey(id) { int id; String title; float score; long year; Studio studio; ListOfWindow windows; SetOfString tags; MapOfStringToRole roles; }
Studio { String name; int size; }
Window { String country; boolean live; }
Role { string name; int pay; }
String { string value; }
ListOfWindow List<Window>;
SetOfString Set<String> @HashKey(value);
MapOfStringToRole Map<String,Role> @HashKey(value);
`

type window struct {
	country string // "" is null
	live    bool
}

type role struct {
	actor, name string
	pay         int32
}

// film is a record of the naive twin. A nil slice is a null reference.
type film struct {
	title   string // "" is null
	score   float32
	year    int64
	studio  string // "" is null, "-" one without a name
	windows []window
	tags    []string
	roles   []role
}

type films map[int32]film

func text(v string) state.Value { return state.StringValue(v) }

// adder adds films to a Builder.
type adder struct {
	t interface{ Fatal(args ...any) }
	b *state.Builder
}

func (a adder) ref(o state.Ordinal, err error) state.Value {
	if err != nil {
		a.t.Fatal(err)
	}
	return state.ReferenceValue(o)
}

func (a adder) text(v string) state.Value {
	if v == "" {
		return state.Null()
	}
	return a.ref(a.b.AddObject("String", []state.Value{text(v)}))
}

func (a adder) film(id int32, f film) {
	studio, windows, tags, roles := state.Null(), state.Null(), state.Null(), state.Null()
	if f.studio != "" {
		name := state.Null()
		if f.studio != "-" {
			name = a.text(f.studio)
		}
		studio = a.ref(a.b.AddObject("Studio", []state.Value{name, state.IntValue(int32(len(f.studio)))}))
	}
	if f.windows != nil {
		var list []state.Ordinal
		for _, w := range f.windows {
			list = append(list, a.ref(a.b.AddObject("Window", []state.Value{a.text(w.country), state.BoolValue(w.live)})).Reference())
		}
		windows = a.ref(a.b.AddList("ListOfWindow", list))
	}
	if f.tags != nil {
		var list []state.Ordinal
		for _, v := range f.tags {
			list = append(list, a.text(v).Reference())
		}
		tags = a.ref(a.b.AddSet("SetOfString", list))
	}
	if f.roles != nil {
		var list []state.Entry
		for _, r := range f.roles {
			o := a.ref(a.b.AddObject("Role", []state.Value{text(r.name), state.IntValue(r.pay)}))
			list = append(list, state.Entry{Key: a.text(r.actor).Reference(), Value: o.Reference()})
		}
		roles = a.ref(a.b.AddMap("MapOfStringToRole", list))
	}
	a.ref(a.b.AddObject("Film", []state.Value{state.IntValue(id), a.text(f.title), state.FloatValue(f.score), state.LongValue(f.year), studio, windows, tags, roles}))
}

func buildFilms(t interface{ Fatal(args ...any) }, base *state.State, tag int64, all films) *state.State {
	schemas, err := state.ParseSchemas(filmSchemas)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		adder{t, b}.film(id, all[id])
	}
	s, err := b.Finish(state.Header{Tag: tag})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// twin is what an index must answer, by looking at all films.
type twin struct {
	paths  []string
	sorted bool
	keys   func(f film) [][]state.Value
}

func nullable(v string) state.Value {
	if v == "" {
		return state.Null()
	}
	return text(v)
}

func studioName(f film) state.Value {
	if f.studio == "-" {
		return state.Null()
	}
	return nullable(f.studio)
}

func one(v ...state.Value) [][]state.Value { return [][]state.Value{v} }

func tagKeys(f film) (out [][]state.Value) {
	for _, v := range f.tags {
		out = append(out, one(text(v))...)
	}
	return out
}

var twins = map[string]twin{
	"title":  {[]string{"title"}, false, func(f film) [][]state.Value { return one(nullable(f.title)) }},
	"studio": {[]string{"studio.name"}, false, func(f film) [][]state.Value { return one(studioName(f)) }},
	"two parts": {[]string{"studio.name.value", "year"}, false, func(f film) [][]state.Value {
		return one(studioName(f), state.LongValue(f.year))
	}},
	"country": {[]string{"windows.element.country"}, false, func(f film) (out [][]state.Value) {
		for _, w := range f.windows {
			out = append(out, one(nullable(w.country))...)
		}
		return out
	}},
	"country and live": {[]string{"windows.element.country.value", "windows.element.live"}, false, func(f film) (out [][]state.Value) {
		for _, w := range f.windows {
			out = append(out, one(nullable(w.country), state.BoolValue(w.live))...)
		}
		return out
	}},
	"tag": {[]string{"tags.element"}, false, tagKeys},
	"actor and pay": {[]string{"roles.key", "roles.value.pay"}, false, func(f film) (out [][]state.Value) {
		for _, r := range f.roles {
			out = append(out, one(text(r.actor), state.IntValue(r.pay))...)
		}
		return out
	}},
	"every pair": {[]string{"tags.element.value", "windows.element.live", "title"}, false, func(f film) (out [][]state.Value) {
		for _, tag := range f.tags {
			for _, w := range f.windows {
				out = append(out, one(text(tag), state.BoolValue(w.live), nullable(f.title))...)
			}
		}
		return out
	}},
	"by score": {[]string{"score"}, true, func(f film) [][]state.Value { return one(state.FloatValue(f.score)) }},
	"by year":  {[]string{"year"}, true, func(f film) [][]state.Value { return one(state.LongValue(f.year)) }},
	"by title": {[]string{"title.value"}, true, func(f film) [][]state.Value { return one(nullable(f.title)) }},
	"by tag":   {[]string{"tags.element"}, true, tagKeys},
}

func withTwins(t interface{ Fatal(args ...any) }, s *state.State) *state.State {
	for name, w := range twins {
		var x state.Index
		var err error
		if w.sorted {
			x, err = index.NewSorted(s, "Film", w.paths[0])
		} else {
			x, err = index.NewMulti(s, "Film", w.paths...)
		}
		if err != nil {
			t.Fatal(err)
		}
		s = s.WithIndex(name, x)
	}
	return s
}

// posted is one key of the twin and the records that have it.
type posted struct {
	key  []state.Value
	ords []state.Ordinal
}

// naive returns what a twin finds in a state, by text of the key.
func (w twin) naive(s *state.State, all films) map[string]*posted {
	t := s.Type("Film")
	out := map[string]*posted{}
	for o := range t.Ordinals() {
		id, _ := t.Record(o).Int(0)
		for _, key := range w.keys(all[id]) {
			if w.sorted && key[0].IsNull() {
				continue
			}
			name := fmt.Sprintf("%q", key)
			if out[name] == nil {
				out[name] = &posted{key: key}
			}
			p := out[name]
			if n := len(p.ords); n == 0 || p.ords[n-1] != o {
				p.ords = append(p.ords, o)
			}
		}
	}
	return out
}

// checkTwins compares all indexes of a state with their twins.
func checkTwins(t rapid.TB, s *state.State, all films) {
	t.Helper()
	for name, w := range twins {
		want := w.naive(s, all)
		pairs := 0
		for _, p := range want {
			pairs += len(p.ords)
		}
		switch x := s.Index(name).(type) {
		case *index.Multi:
			if x.Keys() != len(want) || x.Len() != pairs || x.Type() != s.Type("Film") {
				t.Fatalf("%s: %d keys and %d pairs, want %d and %d", name, x.Keys(), x.Len(), len(want), pairs)
			}
			for k, p := range want {
				got := x.Get(p.key...)
				if list := slices.Collect(got.All()); !slices.Equal(list, p.ords) || got.Len() != len(p.ords) {
					t.Fatalf("%s of %s: %v, want %v", name, k, list, p.ords)
				}
			}
		case *index.Sorted:
			if x.Keys() != len(want) || x.Len() != pairs || x.Type() != s.Type("Film") {
				t.Fatalf("%s: %d keys and %d pairs, want %d and %d", name, x.Keys(), x.Len(), len(want), pairs)
			}
			checkOrder(t, name, x, slices.Collect(maps.Values(want)))
		}
	}
}

func less(a, b state.Value) int {
	switch a.Type() {
	case state.Float:
		switch x, y := float64(a.Float()), float64(b.Float()); {
		case x == 0 && y == 0:
			return cmp.Compare(math.Copysign(1, x), math.Copysign(1, y))
		default:
			return cmp.Compare(x, y)
		}
	case state.Long:
		return cmp.Compare(a.Long(), b.Long())
	}
	return bytes.Compare(a.Data(), b.Data())
}

// checkOrder asks for everything, and for ranges between values that are there.
func checkOrder(t rapid.TB, name string, x *index.Sorted, want []*posted) {
	t.Helper()
	slices.SortFunc(want, func(a, b *posted) int { return less(a.key[0], b.key[0]) })
	bounds := [][2]int{{0, len(want)}}
	for i := 0; i < len(want); i += 1 + len(want)/20 {
		bounds = append(bounds, [2]int{i, min(len(want), i+3)})
	}
	for _, b := range bounds {
		from, to := state.Null(), state.Null()
		if b[0] > 0 {
			from = want[b[0]].key[0]
		}
		if b[1] < len(want) {
			to = want[b[1]].key[0]
		}
		var up, down []state.Ordinal
		for _, p := range want {
			v := p.key[0]
			if (from.IsNull() || inOrder(from, v)) && (to.IsNull() || !inOrder(to, v)) {
				up = append(up, p.ords...)
				down = append(slices.Clone(p.ords), down...)
			}
		}
		r := x.Range(from, to)
		if got := slices.Collect(r.All()); !slices.Equal(got, up) || r.Len() != len(up) {
			t.Fatalf("%s from %v to %v: %v, want %v", name, from, to, got, up)
		}
		if got := slices.Collect(r.Backward()); !slices.Equal(got, down) {
			t.Fatalf("%s from %v to %v, backward: %v, want %v", name, from, to, got, down)
		}
	}
}

// inOrder says a <= b, as numbers.
func inOrder(a, b state.Value) bool { return less(a, b) <= 0 || a.Equal(b) }

func drawText(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{"", "a", "b", "ab", "abc", "é", "\U0001F600", "a title that is longer than sixteen bytes", "a title that is longer than sixteen bytes, too"}).Draw(t, label)
}

func drawFilm(t *rapid.T) film {
	f := film{
		title:  drawText(t, "title"),
		score:  rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1)), 1.5, -1.5, -300, 1e9, float32(math.Inf(1)), float32(math.Inf(-1))}).Draw(t, "score"),
		year:   rapid.SampledFrom([]int64{0, 1, -1, 255, 256, -256, -257, 1999, math.MaxInt64, -math.MaxInt64}).Draw(t, "year"),
		studio: rapid.SampledFrom([]string{"", "-", "MGM", "UFA", "Toho", "a studio with quite a long name"}).Draw(t, "studio"),
	}
	kinds := rapid.IntRange(0, 7).Draw(t, "collections")
	if kinds&1 != 0 {
		f.windows = []window{}
		for range rapid.IntRange(0, 4).Draw(t, "windows") {
			f.windows = append(f.windows, window{drawText(t, "country"), rapid.Bool().Draw(t, "live")})
		}
	}
	if kinds&2 != 0 {
		f.tags = []string{}
		for range rapid.IntRange(0, 4).Draw(t, "tags") {
			if v := drawText(t, "tag"); v != "" {
				f.tags = append(f.tags, v)
			}
		}
	}
	if kinds&4 != 0 {
		f.roles = []role{}
		for i := range rapid.IntRange(0, 3).Draw(t, "roles") {
			f.roles = append(f.roles, role{fmt.Sprint("actor ", i), "x", rapid.Int32Range(0, 2).Draw(t, "pay")})
		}
	}
	return f
}

// follow returns the next version as a replica gets it: by the delta, or anew from
// a snapshot.
func follow(t rapid.TB, have, made, before *state.State, snapshot bool) *state.State {
	var b bytes.Buffer
	transition := state.Transition{Prev: before, Next: made}
	if snapshot {
		if err := transition.WriteSnapshot(&b); err != nil {
			t.Fatal(err)
		}
		s, err := state.ReadSnapshot(b.Bytes(), state.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return withTwins(t, s)
	}
	if err := transition.WriteDelta(&b); err != nil {
		t.Fatal(err)
	}
	s, err := have.Apply(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTwins follows random histories over deltas and snapshots.
func TestTwins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			s   *state.State
			all films
		}
		all := films{}
		made := buildFilms(t, nil, 1, all)
		have := withTwins(t, made)
		versions := []version{{have, films{}}}
		for n := range rapid.IntRange(1, 8).Draw(t, "versions") {
			for range rapid.IntRange(0, 12).Draw(t, "changes") {
				id := rapid.Int32Range(0, 40).Draw(t, "id")
				if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
					delete(all, id)
				} else {
					all[id] = drawFilm(t)
				}
			}
			next := buildFilms(t, made, int64(n+2), all)
			have = follow(t, have, next, made, rapid.IntRange(0, 3).Draw(t, "snapshot") == 0)
			made = next
			versions = append(versions, version{have, maps.Clone(all)})
		}
		for _, v := range versions {
			checkTwins(t, v.s, v.all)
		}
	})
}

// TestManyTwins has lists that are long, short and in between, and changes of
// every size, and readers of the first version while new ones are made.
func TestManyTwins(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	all := films{}
	change := func(share, ids int) {
		for id := range int32(ids) {
			if r.IntN(1000) >= share {
				continue
			}
			if all[id] = manyFilm(r.Uint64()); r.IntN(4) == 0 {
				delete(all, id)
			}
		}
	}
	change(1000, 2000)
	made := buildFilms(t, nil, 1, all)
	have := withTwins(t, made)
	first, firstFilms := have, maps.Clone(all)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { checkTwins(t, first, firstFilms) })
	}
	for i := range 12 {
		change([]int{2, 20, 300, 1000}[r.IntN(4)], []int{2000, 2500, 300}[r.IntN(3)])
		next := buildFilms(t, made, int64(i+2), all)
		have = follow(t, have, next, made, false)
		made = next
		checkTwins(t, have, all)
	}
	all = films{}
	have = follow(t, have, buildFilms(t, made, 99, all), made, false)
	checkTwins(t, have, all)
	readers.Wait()
	checkTwins(t, first, firstFilms)
}

// manyFilm has few countries, many tags and nearly as many titles as films.
func manyFilm(r uint64) film {
	f := film{title: fmt.Sprint("title ", r%2000), score: float32(r % 700), year: int64(1950 + r%70), studio: fmt.Sprint("s", r%300)}
	for k := range r % 4 {
		f.windows = append(f.windows, window{string(rune('a' + (r>>3+k)%3)), r>>(4+k)%2 == 0})
		f.tags = append(f.tags, fmt.Sprint("tag ", (r>>5+k)%40))
	}
	return f
}
