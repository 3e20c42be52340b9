package state_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// batchSchemas have all kinds and field types; in the second, types refer to each
// other in a circle, and others to those.
var batchSchemas = []string{
	`Leaf { int i; string s; } Pair { string key; Leaf leaf; Num num; } Num { long l; float f; double d; boolean b; bytes y; }
List List<Pair>; Set Set<Leaf> @HashKey(s); Map Map<Leaf,Set>; Root { Map map; int id; List list; Set set; Leaf leaf; }`,
	`Own { int i; Own own; } A { B b; int i; } B { A a; List list; Leaf leaf; } List List<A>; Set Set<B>; Leaf { string s; } Map Map<Own,List>; Far { Set set; Map map; Leaf leaf; }`,
}

// batched is what a Builder and an Editor are.
type batched interface {
	sink
	NewBatch() *state.Batch
	AddBatch(*state.Batch) error
}

// twins adds the same records to a Batch for one side, and one by one to another.
type twins struct {
	t       testing.TB
	r       *rand.Rand
	schemas []*state.Schema
	alone   sink
	many    batched
	batch   *state.Batch
	pairs   map[string][][2]state.Ordinal // alone, in the batch
}

// some returns records of the batch under way, one of them dangling now and then.
func (w *twins) some(typeName string, n int) (alone, batch []state.Ordinal) {
	list := w.pairs[typeName]
	for range n {
		p := [2]state.Ordinal{state.MaxOrdinal, state.MaxOrdinal}
		if len(list) > 0 && w.r.IntN(200) > 0 {
			p = list[w.r.IntN(len(list))]
		}
		alone, batch = append(alone, p[0]), append(batch, p[1])
	}
	return alone, batch
}

func (w *twins) value(f state.Field) (alone, batch state.Value) {
	if f.Name != "s" && w.r.IntN(6) == 0 { // s is a hash key
		return state.Null(), state.Null()
	}
	n := w.r.IntN(8)
	switch f.Type {
	case state.Reference:
		x, y := w.some(f.Ref, 1)
		return state.ReferenceValue(x[0]), state.ReferenceValue(y[0])
	case state.Int:
		alone = state.IntValue(int32(w.r.IntN(100)))
	case state.Long:
		alone = state.LongValue([]int64{math.MaxInt64, -1, 0, 5, 6, 7, 8, 9}[n])
	case state.Float:
		alone = state.FloatValue(float32(n))
	case state.Double:
		alone = state.DoubleValue(float64(n))
	case state.Boolean:
		alone = state.BoolValue(n < 4)
	case state.String:
		if alone = state.StringValue(fmt.Sprint(w.r.IntN(300))); w.r.IntN(300) == 0 {
			alone = state.StringValue("\xc3")
		}
	case state.Bytes:
		alone = state.BytesValue(make([]byte, n))
	}
	if w.r.IntN(300) == 0 {
		alone = state.FloatValue(float32(math.NaN())) // of another type, or not to be stored
	}
	return alone, alone
}

// add adds one random record to both.
func (w *twins) add() {
	s := w.schemas[w.r.IntN(len(w.schemas))]
	var a, b state.Ordinal
	var errA, errB error
	switch s.Kind {
	case state.Object:
		var x, y []state.Value
		for _, f := range s.Fields {
			v, u := w.value(f)
			x, y = append(x, v), append(y, u)
		}
		a, errA = w.alone.AddObject(s.Name, x)
		b, errB = w.batch.AddObject(s.Name, y)
	case state.Map:
		n := w.r.IntN(5)
		keys, keysOf := w.some(s.Element, n)
		values, valuesOf := w.some(s.Value, n)
		var x, y []state.Entry
		for i := range keys {
			x = append(x, state.Entry{Key: keys[i], Value: values[i]})
			y = append(y, state.Entry{Key: keysOf[i], Value: valuesOf[i]})
		}
		a, errA = w.alone.AddMap(s.Name, x)
		b, errB = w.batch.AddMap(s.Name, y)
	default:
		x, y := w.some(s.Element, w.r.IntN(7)*w.r.IntN(7))
		add, addOf := w.alone.AddSet, w.batch.AddSet
		if s.Kind == state.List {
			add, addOf = w.alone.AddList, w.batch.AddList
		}
		a, errA = add(s.Name, x)
		b, errB = addOf(s.Name, y)
	}
	for _, cause := range []error{state.ErrNotStorable, state.ErrIllFormed, state.ErrDangling} {
		if errors.Is(errA, cause) != errors.Is(errB, cause) {
			w.t.Fatalf("add %s: error %v, in a batch %v", s.Name, errA, errB)
		}
	}
	if errA == nil {
		w.pairs[s.Name] = append(w.pairs[s.Name], [2]state.Ordinal{a, b})
	}
}

// flush adds the batch, and compares the ordinals.
func (w *twins) flush() {
	if err := w.many.AddBatch(w.batch); err != nil {
		w.t.Fatal(err)
	}
	for name, list := range w.pairs {
		for _, p := range list {
			if got := w.batch.Ordinal(name, p[1]); got != p[0] {
				w.t.Fatalf("%s %d of the batch has become %d, want %d", name, p[1], got, p[0])
			}
		}
	}
}

// version adds batches of various sizes, and records one by one between them. It
// returns the ordinals of the last batch.
func (w *twins) version() map[string][][2]state.Ordinal {
	w.batch = w.many.NewBatch()
	for range 1 + w.r.IntN(4) {
		w.batch.Reset()
		w.pairs = map[string][][2]state.Ordinal{}
		for range w.r.IntN(20) << w.r.IntN(9) {
			w.add()
		}
		w.flush()
		if w.r.IntN(2) == 0 {
			continue
		}
		for _, s := range w.schemas {
			if s.Name != "Leaf" {
				continue
			}
			for i := range 3 {
				values := make([]state.Value, len(s.Fields))
				values[len(values)-1] = state.StringValue(fmt.Sprint("own ", i))
				x, errX := w.alone.AddObject(s.Name, values)
				y, errY := w.many.AddObject(s.Name, values)
				if errX != nil || errY != nil || x != y {
					w.t.Fatalf("record between batches is %d, %v, want %d, %v", y, errY, x, errX)
				}
			}
		}
	}
	return w.pairs
}

func eachBatchSeed(t *testing.T, f func(t *testing.T, w *twins)) {
	t.Helper()
	for i, text := range batchSchemas {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("schemas %d seed %d", i, seed), func(t *testing.T) {
				schemas, err := state.ParseSchemas(text)
				if err != nil {
					t.Fatal(err)
				}
				f(t, &twins{t: t, r: rand.New(rand.NewPCG(seed, uint64(i))), schemas: schemas})
			})
		}
	}
}

// TestBatchInBuilder makes versions with batches, and the same ones by one.
func TestBatchInBuilder(t *testing.T) {
	eachBatchSeed(t, func(t *testing.T, w *twins) {
		var base [2]*state.State
		for v := range int64(4) {
			var b [2]*state.Builder
			for i := range b {
				var err error
				if b[i], err = state.NewBuilder(base[i], w.schemas); err != nil {
					t.Fatal(err)
				}
			}
			w.alone, w.many = b[0], b[1]
			w.version()
			for i := range b {
				var err error
				if base[i], err = b[i].Finish(state.Header{Origin: -1, Tag: v}); err != nil {
					t.Fatal(err)
				}
			}
			if err := state.Same(base[0], base[1]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestBatchInEditor holds and releases records of batches, aborts some versions,
// and compares with an Editor that gets the records one by one.
func TestBatchInEditor(t *testing.T) {
	eachBatchSeed(t, func(t *testing.T, w *twins) {
		var e [2]*state.Editor
		for i := range e {
			var err error
			if e[i], err = state.NewEditor(nil, w.schemas); err != nil {
				t.Fatal(err)
			}
		}
		w.alone, w.many = e[0], e[1]
		held := map[string][]state.Ordinal{}
		for v := range int64(8) {
			now, gone, next := map[string][]state.Ordinal{}, map[string][]state.Ordinal{}, map[string][]state.Ordinal{}
			for name, list := range w.version() {
				for _, p := range list {
					if w.r.IntN(3) == 0 {
						now[name] = append(now[name], p[0])
					}
				}
				next[name] = slices.Clone(now[name])
			}
			for name, list := range held {
				for _, o := range list {
					if w.r.IntN(3) == 0 && !slices.Contains(now[name], o) {
						gone[name] = append(gone[name], o)
						continue
					}
					next[name] = append(next[name], o)
				}
			}
			var s [2]*state.State
			for i := range e {
				each(t, now, e[i].Hold)
				each(t, gone, e[i].Release)
				var err error
				if s[i], err = e[i].Build(state.Header{Origin: -1, Tag: v}); err != nil {
					t.Fatal(err)
				}
			}
			if err := state.Same(s[0], s[1]); err != nil {
				t.Fatal(err)
			}
			if w.r.IntN(4) == 0 {
				e[0].Abort()
				e[1].Abort()
				continue
			}
			e[0].Commit(s[0])
			e[1].Commit(s[1])
			for name := range next {
				slices.Sort(next[name])
				next[name] = slices.Compact(next[name])
			}
			held = next
		}
	})
}

func each(t *testing.T, lists map[string][]state.Ordinal, f func(string, state.Ordinal) error) {
	t.Helper()
	for name, list := range lists {
		for _, o := range list {
			if err := f(name, o); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestBatchRefuses mixes what must not be mixed.
func TestBatchRefuses(t *testing.T) {
	schemas, err := state.ParseSchemas("E { int i; E2 e; } E2 { int i; } L List<E2>;")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	batch := b.NewBatch()
	real, err := b.AddObject("E2", []state.Value{state.IntValue(1)})
	if err != nil {
		t.Fatal(err)
	}
	pending, err := batch.AddObject("E2", []state.Value{state.IntValue(1)})
	if err != nil {
		t.Fatal(err)
	}
	if got := batch.Ordinal("E2", pending); got != state.NoOrdinal {
		t.Errorf("before it is added, a record is %d", got)
	}
	if _, err := batch.AddList("L", []state.Ordinal{real}); !errors.Is(err, state.ErrDangling) {
		t.Errorf("a state's ordinal in a batch: error %v", err)
	}
	if _, err := b.AddList("L", []state.Ordinal{pending}); !errors.Is(err, state.ErrDangling) {
		t.Errorf("a batch's ordinal in a builder: error %v", err)
	}
	if err := b.AddBatch(batch); err != nil {
		t.Fatal(err)
	}
	if got := batch.Ordinal("E2", pending); got != real {
		t.Errorf("the record has become %d, want %d", got, real)
	}
	if err := b.AddBatch(batch); err == nil {
		t.Error("a batch was added twice")
	}
	if _, err := batch.AddObject("E2", []state.Value{state.IntValue(2)}); err == nil {
		t.Error("a batch takes records after it was added")
	}
	batch.Reset()
	if _, err := batch.AddList("L", []state.Ordinal{pending}); !errors.Is(err, state.ErrDangling) {
		t.Errorf("an ordinal of before the reset: error %v", err)
	}
	other, err := state.NewBuilder(nil, schemas[1:2:2])
	if err != nil {
		t.Fatal(err)
	}
	if err := other.AddBatch(batch); err == nil {
		t.Error("a builder takes the batch of another one")
	}
}

// TestBatchOfNewRecords adds records of which few are equal, so that a Batch stops
// looking for these, besides elements of SETs and keys of MAPs: some are in one
// twice. In the second schema, these are in a circle.
func TestBatchOfNewRecords(t *testing.T) {
	testNewRecords(t, "Part { int n; } Leaf { Part part; } Set Set<Leaf>; Map Map<Leaf,Part>; List List<Part>; Root { Set set; Map map; List list; Part part; }")
	testNewRecords(t, "Part { int n; } Leaf { Part part; Set set; } Set Set<Leaf>; Map Map<Leaf,Part>; List List<Part>; Root { Set set; Map map; List list; Part part; }")
}

func testNewRecords(t *testing.T, text string) {
	t.Helper()
	schemas, err := state.ParseSchemas(text)
	if err != nil {
		t.Fatal(err)
	}
	var builders [2]*state.Builder
	for i := range builders {
		if builders[i], err = state.NewBuilder(nil, schemas); err != nil {
			t.Fatal(err)
		}
	}
	batch := builders[1].NewBatch()
	circle := strings.Contains(text, "Leaf { Part part; Set set; }")
	if err := errors.Join(addNewRecords(builders[0], circle), addNewRecords(batch, circle), builders[1].AddBatch(batch)); err != nil {
		t.Fatal(err)
	}
	var versions [2]*state.State
	for i, b := range builders {
		if versions[i], err = b.Finish(state.Header{Origin: -1, Tag: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.Same(versions[0], versions[1]); err != nil {
		t.Error(err)
	}
}

// addNewRecords adds records of which few are equal. A leaf of a circle has a set.
func addNewRecords(to sink, circle bool) (err error) {
	must := func(o state.Ordinal, e error) state.Ordinal {
		if err == nil {
			err = e
		}
		return o
	}
	part := func(n int) state.Ordinal {
		return must(to.AddObject("Part", []state.Value{state.IntValue(int32(n))}))
	}
	leaf := func(n int) state.Ordinal {
		values := []state.Value{state.ReferenceValue(part(n))}
		if circle {
			values = append(values, state.Null())
		}
		return must(to.AddObject("Leaf", values))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		for k := range 40 {
			leaf(100_000 + 40*i + k)
		}
		n := r.IntN(50_000)
		if _, e := to.AddMap("Map", []state.Entry{{Key: leaf(n), Value: part(1)}, {Key: leaf(n), Value: part(2)}}); !errors.Is(e, state.ErrNotStorable) {
			return fmt.Errorf("a key that is there twice is not refused as not storable: %w", cmp.Or(e, errors.New("it is taken")))
		}
		set := must(to.AddSet("Set", []state.Ordinal{leaf(n), leaf(n), leaf(n + 1)}))
		m := must(to.AddMap("Map", []state.Entry{{Key: leaf(n), Value: part(n + 2)}}))
		list := must(to.AddList("List", []state.Ordinal{part(n), part(n)}))
		must(to.AddObject("Root", []state.Value{state.ReferenceValue(set), state.ReferenceValue(m), state.ReferenceValue(list), state.ReferenceValue(part(n))}))
	}
	return err
}

// TestBatchStaysSmall adds equal records after different ones: a Batch that has
// stopped looking for equal ones begins again.
func TestBatchStaysSmall(t *testing.T) {
	schemas, err := state.ParseSchemas("Part { string s; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	batch := b.NewBatch()
	ordinals := map[state.Ordinal]bool{}
	for n := range 100_000 {
		o, err := batch.AddObject("Part", []state.Value{state.StringValue(fmt.Sprint(min(n, 1000)))})
		if err != nil {
			t.Fatal(err)
		}
		ordinals[o] = true
	}
	if len(ordinals) > 10_000 {
		t.Errorf("%d records are kept, of which 1001 are different", len(ordinals))
	}
}
