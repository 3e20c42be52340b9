package diff

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// walker finds where two records differ. It is for one goroutine.
type walker struct {
	ctx      context.Context
	match    *state.Matcher // nil if there is but one state
	from, to *state.Hasher  // know what match does not
	ignore   []string
	values   []string

	path    []byte
	paths   map[string]bool // differences of the record under way
	bytes   int             // of paths
	cut     bool            // there are more
	changes []valueChange   // at the paths of values
	found   int             // differences so far, ignored ones included
	pairs   int             // of records that were compared for it
	seen    map[pair]bool   // which, once they are many
	seed    maphash.Seed
	err     error
}

// pair is two unequal records at a path, which differ in the same way however often
// they stand there.
type pair struct {
	from, to   *state.Type
	x, y       state.Ordinal
	pathHashed uint64
}

const (
	// fewPairs is how many pairs are compared before it is noted which: of most
	// records there are no more. Records that share what they refer to can have
	// exponentially many.
	fewPairs = 1 << 10
	// pairsLooked is the number of pairs between two looks at the context.
	pairsLooked = 1 << 6
	// mostSeen is how many pairs are noted at a time.
	mostSeen = 1 << 16
	// maxPaths is how many paths are told apart, of two records and of a result:
	// records of types that refer to themselves can have exponentially many.
	maxPaths = 1 << 16
	// maxPathBytes is how many bytes these have together at most.
	maxPathBytes = 4 << 20
)

type valueChange struct {
	path     string
	from, to state.Value
}

func newWalker(ctx context.Context, from, to *state.State, o Options) *walker {
	w := &walker{ctx: ctx, ignore: o.Ignore, values: o.Values, paths: map[string]bool{}, seen: map[pair]bool{}, seed: maphash.MakeSeed()}
	if from != nil {
		w.from = state.NewHasher(from)
	}
	if to != nil {
		w.to = state.NewHasher(to)
	}
	if from != nil && to != nil {
		w.match = state.NewMatcher(from, to)
	}
	return w
}

// same says whether two records differ nowhere, but for what is ignored.
func (w *walker) same(from, to state.Record) (bool, error) {
	if w.equal(from, to) || w.err != nil {
		return true, w.err
	}
	if len(w.ignore) == 0 {
		return false, nil
	}
	paths, err := w.fields(from, to)
	return len(paths) == 0 && !w.cut, err
}

// fields returns the paths at which two unequal records differ, sorted, and
// leaves the changes at the paths of values in w.changes. If w.cut is true after it,
// they are not all.
func (w *walker) fields(from, to state.Record) ([]string, error) {
	w.path, w.changes, w.pairs, w.bytes, w.cut = w.path[:0], w.changes[:0], 0, 0, false
	w.paths, w.seen = emptied(w.paths), emptied(w.seen)
	w.object(from, to)
	return slices.Sorted(maps.Keys(w.paths)), w.err
}

// emptied returns a map without entries: m, or a new one if m was so large that to
// clear it would cost much more than the next record.
func emptied[K comparable](m map[K]bool) map[K]bool {
	if len(m) > fewPairs {
		return map[K]bool{}
	}
	clear(m)
	return m
}

func (w *walker) equal(from, to state.Record) bool {
	if w.match != nil {
		if same, known := w.match.Same(from, to); known {
			return same
		}
	}
	return w.sum(w.from, from) == w.sum(w.to, to)
}

func (w *walker) sum(h *state.Hasher, r state.Record) dataset.Digest {
	d, err := h.Sum(r)
	if err != nil {
		w.fail(err)
	}
	return d
}

// differ notes a difference at the present path.
func (w *walker) differ() {
	w.found++
	if w.cut || w.paths[string(w.path)] || w.ignored(string(w.path)) {
		return
	}
	if w.cut = len(w.paths) == maxPaths || w.bytes+len(w.path) > maxPathBytes; w.cut {
		return
	}
	w.paths[string(w.path)] = true
	w.bytes += len(w.path)
}

// fail ends the walk with err, unless it has failed already.
func (w *walker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *walker) ignored(path string) bool {
	return slices.ContainsFunc(w.ignore, func(p string) bool { return contains(p, path) })
}

// contains says whether a path is another one, or below it.
func contains(above, path string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// object compares two OBJECTs field by field; a field that one of them does
// not have is null there.
func (w *walker) object(from, to state.Record) {
	a, b := from.Type().Schema(), to.Type().Schema()
	for f, field := range a.Fields {
		w.field(field.Name, from, f, to, b.FieldIndex(field.Name))
	}
	for f, field := range b.Fields {
		if a.FieldIndex(field.Name) < 0 {
			w.field(field.Name, from, -1, to, f)
		}
	}
}

func (w *walker) field(name string, from state.Record, f int, to state.Record, g int) {
	mark := len(w.path)
	if mark > 0 {
		w.path = append(w.path, '.')
	}
	w.path = append(w.path, name...)
	defer func() { w.path = w.path[:mark] }()
	var a, b state.Value
	if f >= 0 {
		a = from.Value(f)
	}
	if g >= 0 {
		b = to.Value(g)
	}
	if a.IsNull() && b.IsNull() {
		return
	}
	if a.Type() == state.Reference && b.Type() == state.Reference {
		x, okX := target(from, from.Type().Schema().Fields[f].Ref, a.Reference())
		y, okY := target(to, to.Type().Schema().Fields[g].Ref, b.Reference())
		if okX && okY {
			w.child(x, y)
			return
		}
		w.dangling(from, to)
	}
	if a.Type() == state.Reference || !index.Same(a, b) {
		w.differ()
		w.changed(through(from, f, a), through(to, g, b))
	}
}

func target(r state.Record, typeName string, o state.Ordinal) (state.Record, bool) {
	t := r.Type().State().Type(typeName)
	if t == nil || !t.Populated(o) {
		return state.Record{}, false
	}
	return t.Record(o), true
}

// through returns the value of field f of r, and that of the one field of the
// record that it refers to if that is passed over.
func through(r state.Record, f int, v state.Value) state.Value {
	if v.Type() != state.Reference {
		return v
	}
	t, ok := target(r, r.Type().Schema().Fields[f].Ref, v.Reference())
	if ok && isWrapper(t.Type().Schema()) {
		return t.Value(0)
	}
	return v
}

// changed notes a change of value at the present path if it is asked for.
func (w *walker) changed(from, to state.Value) {
	if slices.Contains(w.values, string(w.path)) && !w.ignored(string(w.path)) {
		w.changes = append(w.changes, valueChange{string(w.path), from, to})
	}
}

// child compares two records that stand at the same path.
func (w *walker) child(x, y state.Record) {
	if w.err != nil || w.cut || w.equal(x, y) || w.err != nil {
		return
	}
	before := w.found
	if w.ignored(string(w.path)) || w.before(x, y) {
		w.found++
		return
	}
	a, b := x.Type().Schema(), y.Type().Schema()
	switch {
	case a.Kind != b.Kind:
		w.differ()
		return
	case a.Kind == state.Object && isWrapper(a) && isWrapper(b):
		if v, u := x.Value(0), y.Value(0); !index.Same(v, u) {
			w.differ()
			w.changed(v, u)
		}
	case a.Kind == state.Object:
		w.object(x, y)
	default:
		w.path = append(w.path, "[]"...)
		w.collection(x, y, a.Kind)
		w.path = w.path[:len(w.path)-2]
	}
	if w.found == before { // only the names of types differ
		w.differ()
	}
}

// before says whether the two were compared before at the present path, as far as
// that is noted.
func (w *walker) before(x, y state.Record) bool {
	if w.pairs++; w.pairs%pairsLooked == 0 {
		if err := w.ctx.Err(); err != nil {
			w.fail(err)
		}
	}
	if w.pairs < fewPairs {
		return false
	}
	p := pair{x.Type(), y.Type(), x.Ordinal(), y.Ordinal(), maphash.Bytes(w.seed, w.path)}
	if w.seen[p] {
		return true
	}
	if len(w.seen) == mostSeen {
		clear(w.seen)
	}
	w.seen[p] = true
	return false
}

// isWrapper says whether a type only wraps a scalar.
func isWrapper(s *state.Schema) bool {
	return len(s.Fields) == 1 && s.Fields[0].Name == "value" && s.Fields[0].Type != state.Reference
}

// collection compares two collections of one kind at the path of their
// elements.
func (w *walker) collection(x, y state.Record, k state.Kind) {
	switch {
	case k == state.Map:
		w.entries(x, y)
	case k == state.List && x.Len() == y.Len():
		for i := range x.Len() {
			w.element(x, x.Element(i), y, y.Element(i))
		}
	default:
		w.differ()
	}
}

func (w *walker) element(x state.Record, i state.Ordinal, y state.Record, j state.Ordinal) {
	a, okA := target(x, x.Type().Schema().Element, i)
	b, okB := target(y, y.Type().Schema().Element, j)
	if !okA || !okB {
		w.dangling(x, y)
		w.differ()
		return
	}
	w.child(a, b)
}

// dangling notes why one of two records cannot be compared.
func (w *walker) dangling(from, to state.Record) {
	w.sum(w.from, from)
	w.sum(w.to, to)
}

// entries compares the values of equal keys; a key that only one of two MAPs
// has is a difference of its own.
func (w *walker) entries(x, y state.Record) {
	values := map[dataset.Digest]state.Record{}
	for i := range x.Len() {
		if key, value, ok := w.entry(w.from, x, i); ok {
			values[key] = value
		}
	}
	paired := 0
	for i := range y.Len() {
		key, value, ok := w.entry(w.to, y, i)
		if old, found := values[key]; ok && found {
			paired++
			w.child(old, value)
		}
	}
	if paired != x.Len() || paired != y.Len() {
		w.differ()
	}
}

// entry returns the hash of the i'th key of a MAP and its value.
func (w *walker) entry(h *state.Hasher, m state.Record, i int) (dataset.Digest, state.Record, bool) {
	k, v := m.Entry(i)
	key, okK := target(m, m.Type().Schema().Element, k)
	value, okV := target(m, m.Type().Schema().Value, v)
	if !okK || !okV {
		return dataset.Digest{}, state.Record{}, false
	}
	return w.sum(h, key), value, true
}

// formatValue returns a value for a person. Which record a reference leads to
// is not said: ordinals mean nothing outside their state.
func formatValue(v state.Value) string {
	if v.Type() == state.Reference {
		return "record"
	}
	return v.String()
}
