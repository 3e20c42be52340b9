package diff_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

const filmSchema = `
Text { string value; }
Person @PrimaryKey(name) { string name; int born; }
Role { Person person; Text part; boolean lead; }
Roles List<Role>;
Tags Set<Text>;
Prices Map<Text,Role>;
Film @PrimaryKey(id) { int id; Text title; double score; boolean live; Roles roles; Tags tags; Prices prices; Person director; }`

// film is a record in a form that is easy to compare: every field is one, and
// the zero film differs from none in what it does not set.
type film struct {
	title    string
	score    float64
	live     bool
	cast     []string // "name/born/part"
	tags     []string
	prices   map[string]string // tag to role
	director string            // "name/born"; "" for none
}

type films map[int32]film

type maker struct {
	t testing.TB
	b *state.Builder
}

func (m maker) object(name string, values ...state.Value) state.Ordinal {
	m.t.Helper()
	o, err := m.b.AddObject(name, values)
	return m.ok(o, err)
}

func (m maker) ok(o state.Ordinal, err error) state.Ordinal {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

func (m maker) text(s string) state.Ordinal { return m.object("Text", state.StringValue(s)) }

func (m maker) person(s string) state.Value {
	if s == "" {
		return state.Null()
	}
	name, born, _ := strings.Cut(s, "/")
	return state.ReferenceValue(m.object("Person", state.StringValue(name), state.IntValue(int32(len(born)))))
}

func (m maker) role(s string) state.Ordinal {
	at := strings.LastIndexByte(s, '/')
	person, part := s[:at], s[at+1:]
	return m.object("Role", m.person(person), state.ReferenceValue(m.text(part)), state.BoolValue(part == "lead"))
}

func (m maker) film(id int32, f film) {
	var cast, tags []state.Ordinal
	var prices []state.Entry
	for _, s := range f.cast {
		cast = append(cast, m.role(s))
	}
	for _, s := range f.tags {
		tags = append(tags, m.text(s))
	}
	for k, v := range f.prices {
		prices = append(prices, state.Entry{Key: m.text(k), Value: m.role(v)})
	}
	m.object("Film", state.IntValue(id), state.ReferenceValue(m.text(f.title)), state.DoubleValue(f.score), state.BoolValue(f.live),
		state.ReferenceValue(m.ok(m.b.AddList("Roles", cast))), state.ReferenceValue(m.ok(m.b.AddSet("Tags", tags))),
		state.ReferenceValue(m.ok(m.b.AddMap("Prices", prices))), m.person(f.director))
}

// build makes a version on top of base, or one of its own chain if base is nil.
// Records are added in random order.
func build(t testing.TB, base *state.State, text string, tag int64, all films) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for id, f := range all {
		maker{t, b}.film(id, f)
	}
	s, err := b.Finish(state.Header{Tag: tag})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func states(t testing.TB, from, to *state.State, o diff.Options) *diff.Result {
	t.Helper()
	r, err := diff.States(t.Context(), from, to, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counts are what the naive comparison finds.
type counts struct{ Added, Removed, Changed, Unchanged int }

func naive(from, to films) (c counts) {
	for id, f := range to {
		old, ok := from[id]
		switch {
		case !ok:
			c.Added++
		case fmt.Sprintf("%#v", normal(old)) == fmt.Sprintf("%#v", normal(f)):
			c.Unchanged++
		default:
			c.Changed++
		}
	}
	for id := range from {
		if _, ok := to[id]; !ok {
			c.Removed++
		}
	}
	return c
}

func normal(f film) film {
	f.tags = slices.Compact(slices.Sorted(slices.Values(f.tags)))
	if len(f.tags) == 0 {
		f.tags = nil
	}
	return f
}

func randomFilm(rnd *rand.Rand) film {
	person := func() string {
		return fmt.Sprint("p", rnd.IntN(8), "/", strings.Repeat("x", rnd.IntN(2)))
	}
	f := film{title: fmt.Sprint("t", rnd.IntN(5)), score: float64(rnd.IntN(3)), live: rnd.IntN(2) == 0, prices: map[string]string{}}
	for range rnd.IntN(3) {
		f.cast = append(f.cast, person()+"/lead")
		f.tags = append(f.tags, fmt.Sprint("g", rnd.IntN(4)))
		f.prices[fmt.Sprint("m", rnd.IntN(2))] = person() + "/extra"
	}
	if rnd.IntN(3) > 0 {
		f.director = person()
	}
	return f
}

// TestModel compares any two versions of a random history, in both directions,
// within their chain and with copies of chains of their own, and expects what
// a naive comparison finds.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	var all []films
	var chain, alone []*state.State
	var s *state.State
	now := films{}
	for n := range 9 {
		for id := range now {
			switch rnd.IntN(12) {
			case 0:
				delete(now, id)
			case 1:
				now[id] = randomFilm(rnd)
			}
		}
		for range rnd.IntN(120) {
			now[rnd.Int32N(400)] = randomFilm(rnd)
		}
		s = build(t, s, filmSchema, int64(n), now)
		chain = append(chain, s)
		alone = append(alone, build(t, nil, filmSchema, int64(n), now))
		all = append(all, maps.Clone(now))
	}
	o := diff.Options{Examples: 3, Values: []string{"live"}}
	for i := range all {
		for j := range all {
			want := naive(all[i], all[j])
			r := states(t, chain[i], chain[j], o)
			if got := (counts{r.Added, r.Removed, r.Changed, r.Unchanged}); got != want {
				t.Fatalf("versions %d and %d: got %+v, want %+v", i, j, got, want)
			}
			other := states(t, alone[i], alone[j], o)
			if d := cmp.Diff(describe(r), describe(other)); d != "" {
				t.Fatalf("versions %d and %d of one chain and of two differ otherwise:\n%s", i, j, d)
			}
		}
	}
}

// describe returns all of a result as text.
func describe(r *diff.Result) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Type, r.Added, r.Removed, r.Changed, r.Unchanged, r.Fields, r.Transitions)
	for _, e := range r.Examples {
		fmt.Fprintln(&b, e.Kind, e.Key[0].Int(), e.Fields, e.From.Type() != nil, e.To.Type() != nil)
	}
	return b.String()
}

func TestFields(t *testing.T) {
	base := film{title: "a", score: 1, live: true, cast: []string{"p/x/lead", "q/x/b"}, tags: []string{"g", "h"},
		prices: map[string]string{"k": "p/x/lead", "l": "q/x/b"}, director: "d/x"}
	for _, c := range []struct {
		name   string
		change func(*film)
		want   string
	}{
		{"nothing", func(*film) {}, ""},
		{"scalar", func(f *film) { f.score = 2 }, "score"},
		{"wrapped text", func(f *film) { f.title = "b" }, "title"},
		{"below a reference", func(f *film) { f.director = "d/xx" }, "director.born"},
		{"lost reference", func(f *film) { f.director = "" }, "director"},
		{"in a list", func(f *film) { f.cast = []string{"p/x/lead", "q/x/c"} }, "roles[].part"},
		{"twice in a list", func(f *film) { f.cast = []string{"p/xx/lead", "q/xx/c"} }, "roles[].part roles[].person.born"},
		{"longer list", func(f *film) { f.cast = []string{"p/x/lead"} }, "roles[]"},
		{"set", func(f *film) { f.tags = []string{"g", "i"} }, "tags[]"},
		{"order of a set", func(f *film) { f.tags = []string{"h", "g"} }, ""},
		{"map value", func(f *film) { f.prices = map[string]string{"k": "p/x/lead", "l": "q/x/c"} }, "prices[].part"},
		{"map key", func(f *film) { f.prices = map[string]string{"k": "p/x/lead", "m": "q/x/b"} }, "prices[]"},
		{"several", func(f *film) { f.live, f.score = false, 3 }, "live score"},
	} {
		other := base
		c.change(&other)
		from, to := build(t, nil, filmSchema, 1, films{7: base}), build(t, nil, filmSchema, 2, films{7: other})
		r := states(t, from, to, diff.Options{Examples: 1})
		if got := strings.Join(slices.Sorted(maps.Keys(r.Fields)), " "); got != c.want {
			t.Errorf("%s: fields %q, want %q", c.name, got, c.want)
		}
		if r.Changed != min(1, len(c.want)) || r.Changed+r.Unchanged != 1 {
			t.Errorf("%s: %d changed and %d unchanged", c.name, r.Changed, r.Unchanged)
		}
		if len(r.Examples) != r.Changed || r.Changed == 1 && strings.Join(r.Examples[0].Fields, " ") != c.want {
			t.Errorf("%s: examples %+v", c.name, r.Examples)
		}
	}
}

func TestIgnore(t *testing.T) {
	from := build(t, nil, filmSchema, 1, films{1: {score: 1, cast: []string{"p/x/a"}}, 2: {score: 1}})
	to := build(t, nil, filmSchema, 2, films{1: {score: 2, cast: []string{"p/xx/a"}}, 2: {score: 2, live: true}})
	r := states(t, from, to, diff.Options{Ignore: []string{"score", "roles[].person"}})
	if r.Changed != 1 || r.Unchanged != 1 || len(r.Fields) != 1 || r.Fields["live"] != 1 {
		t.Errorf("got %+v, want one changed record, in live alone", r)
	}
	r = states(t, from, to, diff.Options{Ignore: []string{"sco", "roles[].per", "live"}})
	if r.Changed != 2 || r.Fields["score"] != 2 || r.Fields["roles[].person.born"] != 1 {
		t.Errorf("got %+v: a path that begins like an ignored one was ignored", r)
	}
}

func TestTransitions(t *testing.T) {
	from, to := films{}, films{}
	for id := range int32(10) {
		from[id] = film{title: "old", live: id < 3, cast: []string{"a/x/b", "c/x/b"}}
		to[id] = film{title: "new", live: id >= 8, cast: []string{"a/x/z", "c/x/z"}}
	}
	r := states(t, build(t, nil, filmSchema, 1, from), build(t, nil, filmSchema, 2, to),
		diff.Options{Values: []string{"live", "title", "roles[].part", "score"}})
	want := map[string]map[string]int{
		"live": {"true → false": 3, "false → true": 2}, "title": {"old → new": 10}, "roles[].part": {"b → z": 10}, "score": {},
	}
	if d := cmp.Diff(want, r.Transitions); d != "" {
		t.Errorf("transitions (-want +got):\n%s", d)
	}
}

// TestGroups counts a record once for a group, in however many of its paths it
// differs, and also if it differs above the group.
func TestGroups(t *testing.T) {
	from := films{
		1: {title: "a", cast: []string{"p/x/a", "q/x/a"}, director: "d/x"}, 2: {cast: []string{"p/x/a"}, director: "d/x"},
		3: {cast: []string{"p/x/a"}}, 4: {title: "a"}, 5: {},
	}
	to := films{
		1: {title: "b", cast: []string{"p/xx/b", "r/x/c"}, director: "e/xx"}, // in all fields of both, and in the title
		2: {cast: []string{"p/x/a", "p/x/a"}},                                // a longer list, and no director
		3: {cast: []string{"p/xx/a"}}, 4: {title: "b"}, 6: {director: "d/x"},
	}
	groups := []string{"roles", "roles[]", "roles[].part", "roles[].person", "director", "director.born", "title", "role", "live"}
	want := map[string]int{
		"roles": 3, "roles[]": 3, "roles[].part": 2, "roles[].person": 3, "director": 2, "director.born": 2, "title": 2, "role": 0, "live": 0,
	}
	a, b := build(t, nil, filmSchema, 1, from), build(t, nil, filmSchema, 2, to)
	r := states(t, a, b, diff.Options{Groups: groups})
	if d := cmp.Diff(want, r.Groups); d != "" || r.Changed != 4 {
		t.Errorf("groups of %d changed records (-want +got):\n%s", r.Changed, d)
	}
	r = states(t, a, b, diff.Options{Groups: []string{"roles[]"}, Ignore: []string{"roles[].part", "roles[].person"}})
	if r.Groups["roles[]"] != 1 {
		t.Errorf("with what is ignored: %v, want the longer list alone", r.Groups)
	}
}

// TestExamples holds that the sample depends on the keys alone: a chain that
// reached the same contents on another way gives the same one.
func TestExamples(t *testing.T) {
	from, to := films{}, films{}
	for id := range int32(200) {
		from[id], to[id+50] = film{score: 1}, film{score: float64(id % 2)}
	}
	a := build(t, nil, filmSchema, 1, from)
	b := build(t, a, filmSchema, 2, to)
	want := describe(states(t, a, b, diff.Options{Examples: 4}))
	detour := build(t, build(t, a, filmSchema, 3, films{}), filmSchema, 4, to)
	if got := describe(states(t, a, detour, diff.Options{Examples: 4})); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if n := len(states(t, a, b, diff.Options{Examples: 4}).Examples); n != 12 {
		t.Errorf("%d examples, want 4 of each kind", n)
	}
}

// TestEmpty compares with states that are nil or have no records.
func TestEmpty(t *testing.T) {
	s := build(t, nil, filmSchema, 1, films{1: {}, 2: {}})
	for _, c := range []struct {
		from, to *state.State
		want     counts
	}{
		{nil, s, counts{Added: 2}},
		{s, nil, counts{Removed: 2}},
		{build(t, nil, filmSchema, 1, nil), s, counts{Added: 2}},
		{s, s, counts{Unchanged: 2}},
	} {
		r := states(t, c.from, c.to, diff.Options{})
		if got := (counts{r.Added, r.Removed, r.Changed, r.Unchanged}); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
	if _, err := diff.States(t.Context(), nil, nil, diff.Options{}); !errors.Is(err, diff.ErrNoRoot) {
		t.Errorf("two nil states: %v, want ErrNoRoot", err)
	}
}

func simple(t *testing.T, text string, rows ...[]state.Value) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if _, err := b.AddObject(schemas[0].Name, row); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemas compares across schemas: fields are matched by name, a field that
// one side does not have is null there, and keys must agree.
func TestSchemas(t *testing.T) {
	one, two := state.IntValue(1), state.IntValue(2)
	from := simple(t, "T @PrimaryKey(id) { int id; int a; }", []state.Value{one, one}, []state.Value{two, two})
	to := simple(t, "T @PrimaryKey(id) { int b; int id; int a; }", []state.Value{state.Null(), one, one}, []state.Value{one, two, two})
	r := states(t, from, to, diff.Options{})
	if r.Unchanged != 1 || r.Changed != 1 || r.Fields["b"] != 1 || len(r.Fields) != 1 {
		t.Errorf("got %+v, want one record changed, in b", r)
	}
	for _, text := range []string{"T @PrimaryKey(a) { int id; int a; }", "T @PrimaryKey(id) { long id; int a; }"} {
		other := simple(t, text)
		if _, err := diff.States(t.Context(), from, other, diff.Options{}); !errors.Is(err, diff.ErrKeysDiffer) {
			t.Errorf("%s: %v, want ErrKeysDiffer", text, err)
		}
	}
	if _, err := diff.States(t.Context(), from, simple(t, "U @PrimaryKey(id) { int id; }"), diff.Options{}); !errors.Is(err, diff.ErrNoRoot) {
		t.Errorf("another root: %v, want ErrNoRoot", err)
	}
}

// TestDuplicateKeys holds what Result promises of records with one key.
func TestDuplicateKeys(t *testing.T) {
	row := func(id, v int32) []state.Value { return []state.Value{state.IntValue(id), state.IntValue(v)} }
	const text = "T @PrimaryKey(id) { int id; int v; }"
	from := simple(t, text, row(1, 1), row(1, 2), row(1, 3), row(2, 1))
	to := simple(t, text, row(1, 4), row(1, 3), row(2, 1), row(2, 2), row(2, 3))
	for range 2 {
		r := states(t, from, to, diff.Options{})
		if got := (counts{r.Added, r.Removed, r.Changed, r.Unchanged}); got != (counts{2, 1, 1, 2}) {
			t.Errorf("got %+v, want {2 1 1 2}", got)
		}
	}
	r := states(t, to, from, diff.Options{})
	if got := (counts{r.Added, r.Removed, r.Changed, r.Unchanged}); got != (counts{1, 2, 1, 2}) {
		t.Errorf("backwards: got %+v, want {1 2 1 2}", got)
	}
}

// countdown is a context that ends when it has been looked at so many times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestGivenUp ends comparisons at every look at their context, of one chain and
// of two.
func TestGivenUp(t *testing.T) {
	from, to := films{}, films{}
	for id := range int32(5000) {
		from[id], to[id+2000] = film{title: "a"}, film{title: "b"}
	}
	a := build(t, nil, filmSchema, 1, from)
	for name, b := range map[string]*state.State{"one chain": build(t, a, filmSchema, 2, to), "two": build(t, nil, filmSchema, 2, to)} {
		for looks := 0; ; looks++ {
			r, err := diff.States(&countdown{t.Context(), looks}, a, b, diff.Options{})
			if err == nil {
				if looks < 10 || r.Added != 2000 || r.Removed != 2000 || r.Changed != 3000 {
					t.Errorf("%s: %+v after %d looks", name, r, looks)
				}
				break
			}
			if !errors.Is(err, context.Canceled) || r != nil {
				t.Fatalf("%s, given up at look %d: %+v, error %v", name, looks, r, err)
			}
		}
	}
}
