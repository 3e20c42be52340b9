package state_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
)

const personSchemas = `
Person @PrimaryKey(id) { int id; String name; ListOfString tags; SetOfString words; MapOfStringToAge ages; Person friend; }
String { string value; }
Age { int years; }
ListOfString List<String>;
SetOfString Set<String> @HashKey(value);
MapOfStringToAge Map<String,Age> @HashKey(value);
`

// person is a record of the naive twin: a value of its own.
type person struct {
	id     int
	name   string
	tags   []string
	words  []string
	ages   map[string]int
	friend *person // a Person within a Person
}

// sink is what both a Builder and an Editor are.
type sink interface {
	AddObject(typeName string, values []state.Value) (state.Ordinal, error)
	AddList(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddSet(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddMap(typeName string, entries []state.Entry) (state.Ordinal, error)
}

func addPerson(t rapid.TB, s sink, p *person) state.Ordinal {
	must := func(o state.Ordinal, err error) state.Ordinal {
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	text := func(v string) state.Ordinal { return must(s.AddObject("String", []state.Value{state.StringValue(v)})) }
	var tags, words []state.Ordinal
	for _, x := range p.tags {
		tags = append(tags, text(x))
	}
	for _, x := range p.words {
		words = append(words, text(x))
	}
	var ages []state.Entry
	for k, v := range p.ages {
		ages = append(ages, state.Entry{Key: text(k), Value: must(s.AddObject("Age", []state.Value{state.IntValue(int32(v))}))})
	}
	friend := state.Null()
	if p.friend != nil {
		friend = state.ReferenceValue(addPerson(t, s, p.friend))
	}
	return must(s.AddObject("Person", []state.Value{
		state.IntValue(int32(p.id)), state.ReferenceValue(text(p.name)),
		state.ReferenceValue(must(s.AddList("ListOfString", tags))), state.ReferenceValue(must(s.AddSet("SetOfString", words))),
		state.ReferenceValue(must(s.AddMap("MapOfStringToAge", ages))), friend,
	}))
}

func drawPerson(t *rapid.T, id, depth int) *person {
	word := rapid.SampledFrom([]string{"a", "b", "c", "d", "é", ""})
	p := &person{id: id, name: word.Draw(t, "name"), ages: map[string]int{}}
	p.tags = rapid.SliceOfN(word, 0, 3).Draw(t, "tags")
	p.words = rapid.SliceOfNDistinct(word, 0, 4, rapid.ID).Draw(t, "words")
	for _, k := range rapid.SliceOfNDistinct(word, 0, 3, rapid.ID).Draw(t, "ages") {
		p.ages[k] = rapid.IntRange(0, 3).Draw(t, "years")
	}
	if depth > 0 && rapid.Bool().Draw(t, "befriended") {
		p.friend = drawPerson(t, 100+rapid.IntRange(0, 2).Draw(t, "friend"), depth-1)
	}
	return p
}

// TestEditorAgainstBuilder makes versions of random changes, aborts some, and
// compares each with a Builder's of all records.
func TestEditorAgainstBuilder(t *testing.T) {
	schemas, err := state.ParseSchemas(personSchemas)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		e, err := state.NewEditor(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		all, roots := map[int]*person{}, map[int]state.Ordinal{}
		var base *state.State
		for version := range rapid.IntRange(1, 6).Draw(t, "versions") {
			if version > 0 && rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				if e, err = state.NewEditor(base, schemas); err != nil {
					t.Fatal(err)
				}
			}
			next, nextRoots := cloneMap(all), cloneMap(roots)
			for range rapid.IntRange(0, 6).Draw(t, "changes") {
				id := rapid.IntRange(0, 5).Draw(t, "id")
				if rapid.IntRange(0, 5).Draw(t, "stray") == 0 {
					addPerson(t, e, drawPerson(t, id, 1)) // nobody holds it
					continue
				}
				changePerson(t, e, next, nextRoots, id)
			}
			s, err := e.Build(state.Header{Origin: -1, Tag: int64(version + 1)})
			if err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(t, "abort") == 0 {
				e.Abort()
				continue
			}
			checkVersion(t, schemas, base, s, next)
			e.Commit(s)
			base, all, roots = s, next, nextRoots
		}
	})
}

func changePerson(t *rapid.T, e *state.Editor, all map[int]*person, roots map[int]state.Ordinal, id int) {
	old, had := roots[id]
	if had && rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
		delete(all, id)
		delete(roots, id)
	} else {
		all[id] = drawPerson(t, id, 2)
		roots[id] = addPerson(t, e, all[id])
		if err := e.Hold("Person", roots[id]); err != nil {
			t.Fatal(err)
		}
	}
	if now, ok := roots[id]; had && (!ok || now != old) {
		if err := e.Release("Person", old); err != nil {
			t.Fatal(err)
		}
	}
}

func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	out := map[K]V{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// checkVersion compares s with a state built of all records at once, and the
// blobs that lead to it and back with their states.
func checkVersion(t *rapid.T, schemas []*state.Schema, base, s *state.State, all map[int]*person) {
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		addPerson(t, b, p)
	}
	want, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, s), contents(t, want); got != want {
		t.Fatalf("the editor's state is\n%s\nbuilt at once it is\n%s", got, want)
	}
	if base == nil {
		return
	}
	step := state.Transition{Prev: base, Next: s}
	var snapshot, delta, reverse bytes.Buffer
	for _, err := range []error{step.WriteSnapshot(&snapshot), step.WriteDelta(&delta), step.WriteReverseDelta(&reverse)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	fresh, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{})
	if err != nil || fresh.HollowChecksum() != s.HollowChecksum() {
		t.Fatalf("snapshot: error %v", err)
	}
	if next, err := base.Apply(delta.Bytes()); err != nil || next.HollowChecksum() != s.HollowChecksum() {
		t.Fatalf("delta: error %v", err)
	}
	if prev, err := s.Apply(reverse.Bytes()); err != nil || prev.HollowChecksum() != base.HollowChecksum() {
		t.Fatalf("reverse delta: error %v", err)
	}
}

// contents lists the content hashes of all records, by type: what is nowhere
// referred to shows too.
func contents(t rapid.TB, s *state.State) string {
	h := state.NewHasher(s)
	var lines []string
	for _, typ := range s.Types() {
		for o := range typ.Ordinals() {
			sum, err := h.Sum(typ.Record(o))
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("%s %.12s", typ.Schema().Name, sum))
		}
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

func TestEditorRefuses(t *testing.T) {
	schemas, err := state.ParseSchemas(personSchemas)
	if err != nil {
		t.Fatal(err)
	}
	e, err := state.NewEditor(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Hold("Person", 0); err == nil {
		t.Error("held a record that is not there")
	}
	if err := e.Release("Nobody", 0); err == nil {
		t.Error("released a record of no type")
	}
	o := addPerson(t, e, &person{id: 1})
	if err := e.Hold("Person", o); err != nil {
		t.Fatal(err)
	}
	s, err := e.Build(state.Header{Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.AddObject("Age", []state.Value{state.IntValue(1)}); err == nil {
		t.Error("added to a version that is built")
	}
	e.Commit(s)
	other, err := state.ParseSchemas("Person { int id; }")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.NewEditor(s, other); err == nil {
		t.Error("edits a state with other schemas")
	}
}
