package index

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// maxStackKey is the number of parts that a key may have without costing an
// allocation when its record is indexed.
const maxStackKey = 8

// Unique finds the record of a type with a given key. Keys are compared
// exactly: no part is converted, and -0.0 is not 0.0. Keys are not required to
// be unique: of several records with one key the one with the smallest ordinal
// is found. It is immutable and safe for any number of readers.
type Unique struct {
	t      *state.Type
	paths  []string
	steps  [][]state.Step
	parts  []keyPath
	firsts []int // the field of the type that each part begins with
	types  []state.FieldType
	number int  // the field, if the key is one number of the record itself
	direct bool // it is, is no FLOAT or DOUBLE, and no two records have the same
	whole  bool // and an INT or a LONG, and all records are in the index
	table  table
	extra  int // records whose key another one in the table has, too
}

var _ state.Index = (*Unique)(nil)

// NewUnique indexes a type of s by the values at the field paths; nil stands
// for the type's primary key. It fails with ErrKey if there is no such key, with
// state.ErrNotBindable if a type on a path is not loaded.
func NewUnique(s *state.State, typeName string, paths []string) (*Unique, error) {
	x, err := bindUnique(s, typeName, paths)
	if err != nil {
		return nil, err
	}
	if len(x.parts) == 1 && x.parts[0].isNumber() {
		if err := x.fill(x.scanned()); !errors.Is(err, errIncomplete) { // null in some
			return x.unless(err)
		}
	}
	return x.unless(x.fill(listed(x.hashed(x.t.Ordinals(), x.t.Len()))))
}

// unless returns x, or an error if there is one.
func (x *Unique) unless(err error) (*Unique, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

// NewPartial is NewUnique for some of the records only: those that ordinals
// yields, each populated and yielded once. Next must not be called on it.
func NewPartial(s *state.State, typeName string, paths []string, ordinals iter.Seq[state.Ordinal]) (*Unique, error) {
	x, err := bindUnique(s, typeName, paths)
	if err != nil {
		return nil, err
	}
	if err := x.fill(listed(x.hashed(ordinals, 0))); err != nil {
		return nil, err
	}
	x.whole = false
	return x, nil
}

func bindUnique(s *state.State, typeName string, paths []string) (*Unique, error) {
	paths, steps, err := resolveKey(s, typeName, paths)
	if err != nil {
		return nil, fmt.Errorf("index type %s: %w", typeName, err)
	}
	x := &Unique{paths: slices.Clone(paths), steps: steps}
	x.bind(s, typeName)
	for _, p := range x.parts {
		x.types, x.firsts = append(x.types, p.last), append(x.firsts, p.first)
	}
	return x, nil
}

// through returns the types that the key's paths lead through.
func (x *Unique) through() []string {
	var names []string
	for _, path := range x.steps {
		for _, step := range path {
			names = append(names, step.Type)
		}
	}
	return names
}

func (x *Unique) bind(s *state.State, typeName string) {
	x.t = s.Type(typeName)
	x.parts = bindKey(s, x.steps)
}

// scanned is a source of all records with the hashes of their keys, which are
// numbers of the record itself. It has not those in which the number is null. To scan
// twice takes less time than memory for a list.
func (x *Unique) scanned() source {
	return source{x.t.Len(), split(int(x.t.Max())+1, 1<<16), func(from, to int, f func([]hashed)) {
		var list []hashed
		for s := x.t.ScanRange(x.parts[0].first, state.Ordinal(from), state.Ordinal(to)); s.Next(); {
			list = list[:0]
			ordinals := s.Ordinals()
			for i, number := range s.Bits() {
				list = append(list, hashed{mix(hashSeed, number), ordinals[i]})
			}
			f(list)
		}
	}}
}

// hashed returns the ordinals, about n, with the hashes of their keys.
func (x *Unique) hashed(ordinals iter.Seq[state.Ordinal], n int) []hashed {
	entries := make([]hashed, 0, n)
	for o := range ordinals {
		entries = append(entries, hashed{o: o})
	}
	inParts(split(len(entries), 1<<14), func(_, from, to int) {
		for i := range entries[from:to] {
			e := &entries[from+i]
			e.hash = x.hashOf(e.o)
		}
	})
	return entries
}

// fill makes the table of the entries.
func (x *Unique) fill(entries source) (err error) {
	if x.table, x.extra, err = build(entries, x.sameKey); err != nil {
		return fmt.Errorf("index type %s: %w", x.t.Schema().Name, err)
	}
	x.choose()
	return nil
}

// choose decides whether findNumber can be used.
func (x *Unique) choose() {
	p := &x.parts[0]
	x.number = p.first
	x.direct = len(x.parts) == 1 && p.isNumber() && p.last != state.Float && p.last != state.Double && x.extra == 0 && x.table.groups > 0
	x.whole = x.direct && (p.last == state.Int || p.last == state.Long)
}

// Type returns the indexed type, in the index's state.
func (x *Unique) Type() *state.Type { return x.t }

// Paths returns the field paths of the key. The slice must not be changed.
func (x *Unique) Paths() []string { return x.paths }

// Fields returns the types of the key's parts. The slice must not be changed.
func (x *Unique) Fields() []state.FieldType { return x.types }

// Len returns the number of indexed records.
func (x *Unique) Len() int { return x.table.count }

// Check fails with ErrKey unless a look-up by that key makes sense: it has as
// many values as the index has parts, each null or of the part's type.
func (x *Unique) Check(key ...state.Value) error { return checkKey(x.t, x.paths, x.types, key) }

// Get returns the ordinal of the record with that key, or NoOrdinal and false:
// no record has a key with a null or a NaN in it, nor one of other types.
func (x *Unique) Get(key ...state.Value) (state.Ordinal, bool) {
	r, ok := x.Record(key...)
	if !ok {
		return state.NoOrdinal, false
	}
	return r.Ordinal(), true
}

// Record is Get, and the record itself.
func (x *Unique) Record(key ...state.Value) (state.Record, bool) {
	if n, ok := x.numberKey(key); ok {
		if x.whole {
			return x.Long(key[0].Long())
		}
		return x.findNumber(n)
	}
	for _, v := range key {
		if v.IsNull() || !v.Equal(v) {
			return state.Record{}, false
		}
	}
	o, ok := x.Find(key)
	if !ok {
		return state.Record{}, false
	}
	return x.t.Record(o), true
}

// Long is Record for a key of one INT or LONG, and faster. Nearly always the first
// candidate is the one. Each instruction less lets a processor begin with the
// next look-up sooner, while this one waits for memory.
func (x *Unique) Long(key int64) (state.Record, bool) {
	if !x.whole {
		return x.longKey(key)
	}
	// This is so of an INT, too. math.MinInt64, which no LONG is, becomes 0, as null
	// is, but a null's hash has another tag.
	n := wire.ZigZag64(key) + 1
	p := x.table.placeOf(mix(hashSeed, n))
	b := blockAt(x.table.group(p.group), p.block)
	if m := matches(b, p.tag); m != 0 {
		// What is found may not be an entry of the block, but what is left of one, or
		// zero. A record with the key is the one in any case, as all are in the index.
		if r, ok := x.t.Match(ordinalAt(b, entryOf(m)), x.number, n); ok {
			return r, ok
		}
	}
	return x.findNumber(n)
}

// longKey is Long for all other indexes.
func (x *Unique) longKey(key int64) (state.Record, bool) {
	if len(x.types) == 1 && x.types[0] == state.Int {
		if key != int64(int32(key)) {
			return state.Record{}, false
		}
		return x.Record(state.IntValue(int32(key)))
	}
	return x.Record(state.LongValue(key))
}

// numberKey returns the key as a number, if findNumber can look it up.
func (x *Unique) numberKey(key []state.Value) (n uint64, ok bool) {
	if !x.direct || len(key) != 1 || key[0].Type() != x.types[0] {
		return 0, false
	}
	return key[0].Bits(), true
}

// Find is Get for programs that compare records: a null matches a null and a
// NaN the same NaN.
func (x *Unique) Find(key []state.Value) (state.Ordinal, bool) {
	if n, ok := x.numberKey(key); ok {
		r, ok := x.findNumber(n)
		if !ok {
			return state.NoOrdinal, false
		}
		return r.Ordinal(), true
	}
	found := state.NoOrdinal
	p := x.probe(key)
	for o := p.next(); o != state.NoOrdinal; o = p.next() {
		if (found == state.NoOrdinal || o < found) && x.has(o, key) {
			found = o
			if x.extra == 0 {
				break
			}
		}
	}
	return found, found != state.NoOrdinal
}

// findNumber finds the record whose key is one number of its own, if no two
// records have the same.
func (x *Unique) findNumber(n uint64) (state.Record, bool) {
	p := x.table.probe(mix(hashSeed, n))
	for o := p.next(); o != state.NoOrdinal; o = p.next() {
		if r, ok := x.t.Match(o, x.number, n); ok {
			return r, true
		}
	}
	return state.Record{}, false
}

// probe yields the records that may have that key.
func (x *Unique) probe(key []state.Value) probe {
	if len(key) != len(x.parts) {
		return probe{}
	}
	return x.table.probe(Hash(key))
}

// Each yields all records with that key, matched as Find does, in no order.
func (x *Unique) Each(key []state.Value) iter.Seq[state.Ordinal] {
	return func(yield func(state.Ordinal) bool) {
		p := x.probe(key)
		for o := p.next(); o != state.NoOrdinal; o = p.next() {
			if x.has(o, key) && !yield(o) {
				return
			}
		}
	}
}

// has says whether record o has that key.
func (x *Unique) has(o state.Ordinal, key []state.Value) bool {
	r := x.t.Record(o)
	for i := range x.parts {
		if !samePart(x.parts[i].value(r), key[i]) {
			return false
		}
	}
	return true
}

// AppendKey appends the key of a record, which must be of the index's state.
// Its texts and bytes are views.
func (x *Unique) AppendKey(dst []state.Value, r state.Record) []state.Value {
	for i := range x.parts {
		dst = append(dst, x.parts[i].value(r))
	}
	return dst
}

// KeyOf returns the key of a record, which must be of the index's state. Its
// texts and bytes are views.
func (x *Unique) KeyOf(r state.Record) []state.Value {
	return x.AppendKey(make([]state.Value, 0, len(x.parts)), r)
}

func (x *Unique) hashOf(o state.Ordinal) uint64 { return x.hash(x.t.Record(o)) }

func (x *Unique) hash(r state.Record) uint64 {
	h := uint64(hashSeed)
	for i := range x.parts {
		h = x.parts[i].hash(h, r)
	}
	return h
}

// sameKey says whether two records other than each other have one key.
func (x *Unique) sameKey(o, other state.Ordinal) bool {
	if p := &x.parts[0]; len(x.parts) == 1 && p.isNumber() {
		return o != other && x.t.Record(o).Bits(p.first) == x.t.Record(other).Bits(p.first)
	}
	var room [maxStackKey]state.Value
	return o != other && x.has(other, x.AppendKey(room[:0], x.t.Record(o)))
}

// Next returns the index of next at a cost in proportion to the changes of the
// indexed type. It shares with x what did not change. The changes are those of one
// transition: over several, an ordinal may have become another record's, which no
// list of ordinals shows.
func (x *Unique) Next(next *state.State, changes state.Changes) (state.Index, error) {
	name := x.t.Schema().Name
	if next.Type(name) == nil || !followable(x.t.State(), next, x.through(), changes) {
		return x.anew(next)
	}
	n := *x
	n.bind(next, name)
	c := changes[name]
	if len(c.Removed)+len(c.Added) == 0 {
		return &n, nil
	}
	changed := x.changes(&n, c)
	t, extra, ok := x.table.update(changed, x.sameKey, n.sameKey)
	if !ok { // it has outgrown its table, or a key had changed: not regular
		return x.anew(next)
	}
	n.table, n.extra = t, x.extra+extra
	n.choose()
	return &n, nil
}

// anew is Next without what x knows. It returns no index that is a nil *Unique.
func (x *Unique) anew(next *state.State) (state.Index, error) {
	n, err := NewUnique(next, x.t.Schema().Name, x.paths)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// changes returns which entries go, and which come with the index n.
func (x *Unique) changes(n *Unique, c state.Change) []tableChange {
	list := make([]tableChange, len(c.Removed)+len(c.Added))
	var missing atomic.Bool
	inParts(split(len(list), 1<<12), func(_, from, to int) {
		all := true
		if gone := min(to, len(c.Removed)); from < gone {
			all = x.hashChanges(list[from:gone], c.Removed[from:], false)
			from = gone
		}
		if from < to {
			all = n.hashChanges(list[from:to], c.Added[from-len(c.Removed):], true) && all
		}
		if !all {
			missing.Store(true)
		}
	})
	if missing.Load() {
		list = slices.DeleteFunc(list, func(c tableChange) bool { return c.o == state.NoOrdinal })
	}
	return list
}

// hashChanges sets the changes to that these records come or go, and says whether
// they all are records; those of others have no ordinal.
func (x *Unique) hashChanges(list []tableChange, ordinals []state.Ordinal, add bool) (all bool) {
	const ahead = 16
	var records [ahead]state.Record
	all = true
	for i := 0; i < len(list); i += ahead {
		part := ordinals[i:min(i+ahead, len(list))]
		x.t.Locate(records[:], part, x.firsts...)
		for k, o := range part {
			c := &list[i+k]
			if c.o, c.add = o, add; records[k].Type() == nil {
				c.o, all = state.NoOrdinal, false
				continue
			}
			c.hash = x.hash(records[k])
		}
	}
	return all
}

// Memory yields the memory that most of the index lies in. Nobody may write to
// it, and nobody but state.Settle has a use for it.
func (x *Unique) Memory() iter.Seq[[]byte] { return x.table.blocks.Segments() }

// Duplicates yields pairs of records with equal keys: the one with the smallest
// ordinal, and each of the others. It costs little if there are none.
func (x *Unique) Duplicates() iter.Seq2[state.Ordinal, state.Ordinal] {
	return func(yield func(first, other state.Ordinal) bool) {
		if x.extra == 0 {
			return
		}
		x.table.eachGroup(func(list []state.Ordinal) bool { return x.duplicatesIn(list, yield) })
	}
}

// duplicatesIn yields the pairs of a group of the table.
func (x *Unique) duplicatesIn(ordinals []state.Ordinal, yield func(first, other state.Ordinal) bool) bool {
	var list []hashed
	for _, o := range ordinals {
		list = append(list, hashed{x.hashOf(o), o})
	}
	slices.SortFunc(list, func(a, b hashed) int {
		if a.hash != b.hash {
			if a.hash < b.hash {
				return -1
			}
			return 1
		}
		return int(a.o) - int(b.o)
	})
	var firsts []hashed // of distinct keys with the hash under way
	for _, e := range list {
		if len(firsts) > 0 && firsts[0].hash != e.hash {
			firsts = firsts[:0]
		}
		key := x.KeyOf(x.t.Record(e.o))
		i := slices.IndexFunc(firsts, func(f hashed) bool { return x.has(f.o, key) })
		if i < 0 {
			firsts = append(firsts, e)
			continue
		}
		if !yield(firsts[i].o, e.o) {
			return false
		}
	}
	return true
}
