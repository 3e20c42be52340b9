package state_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// filmSchemas are those of the examples, in Hollow's text form.
const filmSchemas = `
Film @PrimaryKey(id) { long id; string title; Studio studio; }
Studio { string name; }
`

// film adds a film and its studio, children first.
func film(to *state.Editor, id int64, title, studio string) state.Ordinal {
	s, err := to.AddObject("Studio", []state.Value{state.StringValue(studio)})
	if err != nil {
		log.Fatal(err)
	}
	o, err := to.AddObject("Film", []state.Value{state.LongValue(id), state.StringValue(title), state.ReferenceValue(s)})
	if err != nil {
		log.Fatal(err)
	}
	if err := to.Hold("Film", o); err != nil { // nothing else refers to it
		log.Fatal(err)
	}
	return o
}

// commit ends a version.
func commit(e *state.Editor, tag int64) *state.State {
	s, err := e.Build(state.Header{Origin: -1, Tag: tag})
	if err != nil {
		log.Fatal(err)
	}
	e.Commit(s)
	return s
}

// A producer makes versions out of changes and writes a snapshot and deltas. A
// consumer reads them; what it holds of the first version stays as it is.
func Example() {
	schemas, err := state.ParseSchemas(filmSchemas)
	if err != nil {
		log.Fatal(err)
	}
	e, err := state.NewEditor(nil, schemas)
	if err != nil {
		log.Fatal(err)
	}
	alien := film(e, 1, "Alien", "Fox")
	film(e, 2, "Brazil", "Fox")
	first := commit(e, 1)

	film(e, 1, "Alien (1979)", "Fox")
	if err := e.Release("Film", alien); err != nil { // the one it takes the place of
		log.Fatal(err)
	}
	second := commit(e, 2)

	var snapshot, delta bytes.Buffer
	if err := (state.Transition{Next: first}).WriteSnapshot(&snapshot); err != nil {
		log.Fatal(err)
	}
	if err := (state.Transition{Prev: first, Next: second}).WriteDelta(&delta); err != nil {
		log.Fatal(err)
	}

	before, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	byID, err := index.NewUnique(before, "Film", nil) // nil is the primary key
	if err != nil {
		log.Fatal(err)
	}
	before = before.WithIndex("id", byID)
	after, err := before.Apply(delta.Bytes()) // with its indexes
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range []*state.State{before, after} {
		r, ok := s.Index("id").(*index.Unique).Long(1)
		title, _ := r.AppendString(nil, 1)
		fmt.Println(ok, string(title))
	}
	// Output:
	// true Alien
	// true Alien (1979)
}

// A Scan reads one number of all records, a chunk at a time.
func ExampleType_Scan() {
	schemas, err := state.ParseSchemas(`City { string name; int people; }`)
	if err != nil {
		log.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		log.Fatal(err)
	}
	for name, people := range map[string]int32{"Bergen": 291_940, "Oslo": 709_037, "Tromsø": 77_992} {
		if _, err := b.AddObject("City", []state.Value{state.StringValue(name), state.IntValue(people)}); err != nil {
			log.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{Origin: -1, Tag: 1})
	if err != nil {
		log.Fatal(err)
	}
	sum := int64(0)
	for scan := s.Type("City").Scan(1); scan.Next(); {
		for _, people := range scan.Longs() {
			sum += people
		}
	}
	fmt.Println(sum)
	// Output: 1078969
}
