package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// shelfSchemas have a type that only one field leads to, Cover, by way of Picture,
// one that two lead to, and one that nothing leads to.
const shelfSchemas = `
Book @PrimaryKey(id) { long id; string title; int stock; Covers covers; Person author; Person owner; }
Covers List<Cover>;
Cover { string url; Picture picture; }
Picture { bytes data; }
Person { string name; }
Note { string text; }
`

// shelf makes versions of books.
type shelf struct {
	t     *testing.T
	rnd   *rand.Rand
	e     *state.Editor
	books map[int64]state.Ordinal
	tag   int64
	next  *state.State
}

func newShelf(t *testing.T, seed uint64) *shelf {
	schemas, err := state.ParseSchemas(shelfSchemas)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), books: map[int64]state.Ordinal{}}
	if s.e, err = state.NewEditor(nil, schemas); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) object(typeName string, values ...state.Value) state.Ordinal {
	o, err := s.e.AddObject(typeName, values)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *shelf) must(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatal(err)
	}
}

// book adds a book, or puts another one in its place.
func (s *shelf) book(id int64) {
	text := func(n int) state.Value {
		return state.StringValue(strings.Repeat("x", s.rnd.IntN(9)) + fmt.Sprint(s.rnd.IntN(n)))
	}
	var list []state.Ordinal
	for range s.rnd.IntN(4) {
		picture := s.object("Picture", state.BytesValue([]byte(text(500).String())))
		list = append(list, s.object("Cover", text(900), state.ReferenceValue(picture)))
	}
	covers, err := s.e.AddList("Covers", list)
	s.must(err)
	stock := state.IntValue(int32(s.rnd.IntN(6)))
	if s.rnd.IntN(8) == 0 {
		stock = state.Value{}
	}
	author, owner := s.object("Person", text(40)), s.object("Person", text(40))
	o := s.object("Book", state.LongValue(id), text(2), stock, state.ReferenceValue(covers), state.ReferenceValue(author), state.ReferenceValue(owner))
	s.drop(id)
	s.must(s.e.Hold("Book", o))
	s.books[id] = o
}

func (s *shelf) drop(id int64) {
	if old, ok := s.books[id]; ok {
		s.must(s.e.Release("Book", old))
		delete(s.books, id)
	}
}

// version changes so many books and returns the version with both deltas.
func (s *shelf) version(changes int) (delta, reverse []byte) {
	for range changes {
		if id := s.rnd.Int64N(9000); s.rnd.IntN(4) == 0 {
			s.drop(id)
		} else {
			s.book(id)
		}
	}
	s.must(s.e.Hold("Note", s.object("Note", state.StringValue(fmt.Sprint(s.tag)))))
	s.tag++
	prev := s.e.State()
	var err error
	s.next, err = s.e.Build(state.Header{Tag: s.tag})
	s.must(err)
	s.e.Commit(s.next)
	if s.tag == 1 {
		return nil, nil
	}
	t := state.Transition{Prev: prev, Next: s.next}
	var forth, back bytes.Buffer
	s.must(t.WriteDelta(&forth))
	s.must(t.WriteReverseDelta(&back))
	return forth.Bytes(), back.Bytes()
}

// inStock keeps books of which there are some.
func inStock(s *state.Schema) (func(state.Record) bool, error) {
	f := s.FieldIndex("stock")
	if f < 0 {
		return nil, fmt.Errorf("type %s has no stock: %w", s.Name, state.ErrNotBindable)
	}
	return func(r state.Record) bool {
		n, ok := r.Int(f)
		return ok && n > 0
	}, nil
}

// checkShelf compares what was loaded with all that there is.
func checkShelf(t *testing.T, all, got *state.State) {
	t.Helper()
	if names := slices.Sorted(maps.Keys(got.Schemas())); !slices.Equal(names, []string{"Book", "Note", "Person"}) {
		t.Fatalf("there are types %v", names)
	}
	for _, name := range []string{"Person", "Note"} {
		if got.Type(name).Len() != all.Type(name).Len() {
			t.Errorf("there are %d of %s, want %d", got.Type(name).Len(), name, all.Type(name).Len())
		}
	}
	byID := got.Index("id").(*index.Unique)
	want, fields := 0, []string{"id", "stock", "author", "owner"}
	full, some := all.Type("Book"), got.Type("Book")
	for o := range full.Ordinals() {
		r := full.Record(o)
		stock, _ := r.Int(full.Schema().FieldIndex("stock"))
		id, _ := r.Long(0)
		found, ok := byID.Get(state.LongValue(id))
		if kept := stock > 0; kept != some.Populated(o) || kept != ok || ok && found != o {
			t.Fatalf("book %d, of which there are %d, is there: %v, and found: %v", id, stock, some.Populated(o), ok)
		}
		if stock == 0 {
			continue
		}
		want++
		for _, name := range fields {
			x, y := r.Value(full.Schema().FieldIndex(name)), some.Record(o).Value(some.Schema().FieldIndex(name))
			if !x.Equal(y) {
				t.Fatalf("book %d has %s %v, want %v", id, name, y, x)
			}
		}
	}
	if some.Len() != want || byID.Len() != want {
		t.Errorf("%d books are there, %d in the index, want %d", some.Len(), byID.Len(), want)
	}
}

// TestFilteredChain follows a chain with a filter of fields and records, forwards
// and back, in small steps and in large ones that all processors make.
func TestFilteredChain(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := newShelf(t, seed)
	s.version(6000)
	left, err := state.LeaveOut("Book.title", "Book.covers", "Book.nothing", "Nobody.name")
	s.must(err)
	filter := left.Where("Book", inStock)
	if unknown := filter.Unknown(s.next.Schemas()); !slices.Equal(unknown, []string{"Book.nothing", "Nobody.name"}) {
		t.Errorf("unknown are %v", unknown)
	}
	var snapshot bytes.Buffer
	s.must((state.Transition{Next: s.next}).WriteSnapshot(&snapshot))
	now, err := state.ReadSnapshotFrom(bytes.NewReader(snapshot.Bytes()), int64(snapshot.Len()), filter)
	s.must(err)
	fromMemory, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{Filter: filter})
	s.must(err)
	s.must(state.Same(now, fromMemory))
	x, err := index.NewUnique(now, "Book", nil)
	s.must(err)
	now = now.WithIndex("id", x)
	type step struct {
		all, got *state.State
		reverse  []byte
	}
	steps := []step{{all: s.next, got: now}}
	for _, changes := range []int{3, 5000, 40, 4000, 1, 7} {
		delta, reverse := s.version(changes)
		now, err = now.Apply(delta)
		s.must(err)
		steps = append(steps, step{s.next, now, reverse})
	}
	for i, step := range slices.Backward(steps) {
		checkShelf(t, step.all, step.got)
		checkShelf(t, step.all, now)
		if i > 0 {
			now, err = now.Apply(step.reverse)
			s.must(err)
		}
	}
}

// TestFilteredCollections keeps only some records of a LIST type.
func TestFilteredCollections(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := newShelf(t, seed)
	s.version(5000)
	var snapshot bytes.Buffer
	s.must((state.Transition{Next: s.next}).WriteSnapshot(&snapshot))
	filter := (*state.Filter)(nil).Where("Covers", func(*state.Schema) (func(state.Record) bool, error) {
		return func(r state.Record) bool { return r.Len() < 2 }, nil
	})
	now, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{Filter: filter})
	s.must(err)
	for _, changes := range []int{0, 5, 5000} {
		if changes > 0 {
			delta, _ := s.version(changes)
			now, err = now.Apply(delta)
			s.must(err)
		}
		want := 0
		for o := range s.next.Type("Covers").Ordinals() {
			r := s.next.Type("Covers").Record(o)
			if kept := r.Len() < 2; kept != now.Type("Covers").Populated(o) {
				t.Fatalf("a list of %d is there: %v", r.Len(), !kept)
			} else if !kept {
				continue
			}
			want++
			if got := now.Type("Covers").Record(o); !slices.Equal(got.AppendElements(nil), r.AppendElements(nil)) {
				t.Fatalf("list %d has other elements", o)
			}
		}
		if n := now.Type("Covers").Len(); n != want {
			t.Errorf("there are %d lists, want %d", n, want)
		}
		if some, all := state.UsedBytes(now.Type("Covers")), state.UsedBytes(s.next.Type("Covers")); some > all/2 {
			t.Errorf("short lists take %d bytes, all %d", some, all)
		}
	}
}

// TestLeaveOutInCircles leaves fields out of types that lead to themselves.
func TestLeaveOutInCircles(t *testing.T) {
	schemas, err := state.ParseSchemas(`
Node @PrimaryKey(id) { long id; Nodes children; Image image; Label label; }
Nodes List<Node>;
Image { bytes data; Format format; }
Format { string name; Label label; }
Label { string text; }
Alone { Alone next; Other other; }
Other { Alone back; }
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		out  string
		want string
	}{
		{"Node.image", "Alone Label Node Nodes Other"},
		{"Node.children", "Alone Format Image Label Node Other"},
		{"Node.image Node.label", "Alone Node Nodes Other"},
		{"Node.label", "Alone Format Image Label Node Nodes Other"},
		{"Node.children Alone.other", "Alone Format Image Label Node"},
		{"Other.back", "Alone Format Image Label Node Nodes Other"},
	} {
		f, err := state.LeaveOut(strings.Fields(tc.out)...)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := f.Schemas(schemas)
		if got := strings.Join(slices.Sorted(maps.Keys(loaded)), " "); err != nil || got != tc.want {
			t.Errorf("without %s there are %s, error %v, want %s", tc.out, got, err, tc.want)
		}
		slices.Reverse(schemas)
		again, err := f.Schemas(schemas)
		if got := strings.Join(slices.Sorted(maps.Keys(again)), " "); err != nil || got != tc.want {
			t.Errorf("without %s, with the types in another order, there are %s, error %v, want %s", tc.out, got, err, tc.want)
		}
		if got := len(loaded["Node"].Fields); got != 4-strings.Count(tc.out, "Node.") {
			t.Errorf("without %s a Node has %d fields", tc.out, got)
		}
	}
}

// TestLeaveOutOfManyTypes has more types, one leading to the next, than a stack of
// calls has room for.
func TestLeaveOutOfManyTypes(t *testing.T) {
	const types = 300_000
	schemas := make([]*state.Schema, types)
	for i := range schemas {
		schemas[i] = &state.Schema{Name: fmt.Sprint("T", i), Kind: state.List, Element: fmt.Sprint("T", i+1)}
	}
	defer debug.SetMaxStack(debug.SetMaxStack(8 << 20))
	f, err := state.LeaveOut("T.x")
	if err != nil {
		t.Fatal(err)
	}
	if loaded, err := f.Schemas(schemas); err != nil || len(loaded) != types {
		t.Errorf("%d of %d types are loaded, error %v", len(loaded), types, err)
	}
}

// TestFilterErrors has filters that make no sense, or not of this snapshot.
func TestFilterErrors(t *testing.T) {
	for _, name := range []string{"", "Book", "Book.", ".title", "Book.covers.url"} {
		if _, err := state.LeaveOut("Book.title", name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	s := newShelf(t, 1)
	s.version(10)
	var snapshot bytes.Buffer
	s.must((state.Transition{Next: s.next}).WriteSnapshot(&snapshot))
	filter, err := state.LeaveOut("Book.stock")
	s.must(err)
	filter = filter.Where("Book", inStock)
	if _, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{Filter: filter}); !errors.Is(err, state.ErrNotBindable) {
		t.Errorf("a predicate without its field: %v", err)
	}
	if _, err := state.ReadSnapshotFrom(bytes.NewReader(snapshot.Bytes()), int64(snapshot.Len()), filter); !errors.Is(err, state.ErrNotBindable) {
		t.Errorf("a predicate without its field, from a stream: %v", err)
	}
	all, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{Filter: (*state.Filter)(nil).Where("Nobody", inStock)})
	s.must(err)
	s.must(state.Same(all, s.next))
}

// TestFilteredParts loads a type in parts of which a predicate leaves ends, and one
// whole part, out.
func TestFilteredParts(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	const records = 140_000
	schemas, err := state.ParseSchemas("Item @PrimaryKey(n) { long n; int x; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for n := range records {
		if _, err := b.AddObject("Item", []state.Value{state.LongValue(int64(n)), state.IntValue(int32(n % 7))}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := b.Finish(state.Header{Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	var snapshot bytes.Buffer
	if err := (state.Transition{Next: all}).WriteSnapshot(&snapshot); err != nil {
		t.Fatal(err)
	}
	for name, keep := range map[string]func(n int64) bool{
		"the first few":    func(n int64) bool { return n < 1000 },
		"the last few":     func(n int64) bool { return n > records-1000 },
		"a few in between": func(n int64) bool { return n > 60_000 && n < 61_000 },
		"the outer":        func(n int64) bool { return n < 20_000 || n > 120_000 },
		"some":             func(n int64) bool { return n%5 == 0 },
		"none":             func(int64) bool { return false },
		"all":              func(int64) bool { return true },
	} {
		filter := (*state.Filter)(nil).Where("Item", func(*state.Schema) (func(state.Record) bool, error) {
			return func(r state.Record) bool {
				n, _ := r.Long(0)
				return keep(n)
			}, nil
		})
		got, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{Filter: filter})
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for o := range all.Type("Item").Ordinals() {
			n, _ := all.Type("Item").Record(o).Long(0)
			if keep(n) != got.Type("Item").Populated(o) {
				t.Fatalf("%s: item %d is there: %v", name, n, !keep(n))
			}
			if !keep(n) {
				continue
			}
			want++
			if m, ok := got.Type("Item").Record(o).Long(0); !ok || m != n {
				t.Fatalf("%s: item %d is %d", name, n, m)
			}
		}
		if n := got.Type("Item").Len(); n != want {
			t.Errorf("%s: there are %d, want %d", name, n, want)
		}
	}
}
