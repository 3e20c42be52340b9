package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// tagIllFormed marks a STRING that is not well-formed Unicode; other values are
// marked by their FieldType.
const tagIllFormed = 9

// A Hasher computes content hashes of the records of one state. It remembers
// those of records that others can refer to, in 37 to 66 bytes each; Checksum and Next
// forget the ones that were hardly asked for again. It is for one goroutine.
type Hasher struct {
	state *State
	types map[*Type]*typeHasher
	uses  []memoUse      // of memos, by typeHasher.number
	path  []hashedRecord // the records under way, each referred to by the one before
	buf   []byte         // a stack: what they have written so far
	one   [][sha256.Size]byte
	two   [][2 * sha256.Size]byte
	units []uint16

	asked, then []hashedRecord // scratch of ask
}

// memoUse is how often a hash was asked for that was known, or was not, while so many
// records of the checksum's types were hashed.
type memoUse struct{ hits, misses, records int }

// hardly says whether less than every second hash was asked for again: they are not
// worth their memory.
func (u memoUse) hardly() bool { return u.hits < u.misses }

// many of the records of a type, one of so many, are better remembered in the order
// of their ordinals.
const many = 16

// trial is how many records of a type say what all of them will ask for.
const trial = 1 << 10

// typeHasher is what a Hasher, and those that work for it, know of one type.
type typeHasher struct {
	number int
	t      *Type
	start  []byte // kind and type name
	order  []int  // the fields of an OBJECT by name
	names  [][]byte
	refs   []*typeHasher // per field; nil if it is no reference or the type is not loaded
	parts  [2]*typeHasher
	memo   *memo   // nil if no type refers to this one
	once   bool    // while a whole state is hashed: each hash is asked for once, mostly
	few    float64 // misses for each record of the checksum's types that was hashed; 0 if hashes are asked for again
}

// advance makes h a Hasher of to, to which the changes lead from its state.
// What both have has the same content.
func (h *Hasher) advance(to *State, changes Changes) {
	types := make(map[*Type]*typeHasher, len(h.types))
	for _, th := range h.types {
		name := th.t.schema.Name
		th.t = to.Type(name)
		types[th.t] = th
		if th.memo != nil {
			th.memo.forget(changes[name].Removed)
			th.memo.forget(changes[name].Added)
			th.memo.grow(th.t.Max())
		}
	}
	h.types, h.state = types, to
}

// remember makes room for what hashing n records will find out of types whose hashes
// are hardly asked for again.
func (h *Hasher) remember(n int) {
	for _, th := range h.types {
		few := th.few * float64(n)
		switch {
		case few == 0:
		case few > float64(th.t.Max())/many:
			th.memo.useChunks()
		default:
			th.memo.useTable(int(few))
		}
	}
}

// forget forgets the hashes that were hardly asked for again, when n records have
// been hashed.
func (h *Hasher) forget(n int) {
	for _, th := range h.types {
		use := &h.uses[th.number]
		use.records += n
		switch {
		case th.memo == nil || use.records == 0:
		case use.hardly():
			th.few = float64(use.misses) / float64(use.records)
			th.memo.useTable(0)
			*use = memoUse{}
		case th.few > 0 && use.hits == 0:
			th.memo.useTable(0) // nobody asked
			*use = memoUse{}
		case th.few > 0:
			th.few = 0
			th.memo.useChunks()
		}
	}
}

// MoveTo makes h a Hasher of to, which must be the same as its state in the
// sense of Same.
func (h *Hasher) MoveTo(to *State) { h.advance(to, nil) }

// NewHasher returns a Hasher of the records of s.
func NewHasher(s *State) *Hasher {
	h := &Hasher{state: s, types: map[*Type]*typeHasher{}, uses: make([]memoUse, len(s.types))}
	for i, t := range s.types {
		h.types[t] = newTypeHasher(t)
		h.types[t].number = i
	}
	for _, t := range h.types {
		t.refs = make([]*typeHasher, len(t.t.schema.Fields))
		for f, field := range t.t.schema.Fields {
			if field.Type == Reference {
				t.refs[f] = h.refer(s, field.Ref)
			}
		}
		if t.t.schema.Kind != Object {
			t.parts[0] = h.refer(s, t.t.schema.Element)
		}
		if t.t.schema.Kind == Map {
			t.parts[1] = h.refer(s, t.t.schema.Value)
		}
	}
	return h
}

func newTypeHasher(t *Type) *typeHasher {
	s := t.schema
	th := &typeHasher{t: t, start: appendText([]byte{byte(s.Kind)}, s.Name)}
	for f := range s.Fields {
		th.order = append(th.order, f)
		th.names = append(th.names, appendText(nil, s.Fields[f].Name))
	}
	slices.SortFunc(th.order, func(a, b int) int { return strings.Compare(s.Fields[a].Name, s.Fields[b].Name) })
	return th
}

func (h *Hasher) refer(s *State, name string) *typeHasher {
	th := h.types[s.Type(name)]
	if th != nil && th.memo == nil {
		th.memo = &memo{}
		th.memo.grow(th.t.Max())
	}
	return th
}

// Checksum returns the checksum of the Hasher's state, see State.Checksum.
func (h *Hasher) Checksum() (dataset.Digest, error) {
	sum, n := dataset.DigestOf([]byte(checksumStart)), 0
	for _, t := range h.state.checksumTypes() {
		d, err := h.sumType(h.types[t])
		if err != nil {
			return dataset.Digest{}, fmt.Errorf("compute checksum: %w", err)
		}
		sum = addDigests(sum, d)
		n += t.Len()
	}
	h.forget(n)
	return sum, nil
}

// sumType returns the sum over all records of a type. Some of them say first which
// hashes are not worth remembering for the others.
func (h *Hasher) sumType(t *typeHasher) (dataset.Digest, error) {
	list := slices.Collect(t.t.Ordinals())
	n := min(trial, len(list))
	before := slices.Clone(h.uses)
	first, err := h.sumEach(t, list[:n])
	if err != nil {
		return dataset.Digest{}, err
	}
	for _, th := range h.types {
		use, was := h.uses[th.number], before[th.number]
		asked := use.hits + use.misses - was.hits - was.misses
		th.once = n < len(list) && use.misses < th.t.Len() && float64(asked)/float64(n)*float64(len(list)) < 2*float64(th.t.Len())
	}
	rest, err := h.sumAll(t, list[n:])
	for _, th := range h.types {
		th.once = false
	}
	return addDigests(first, rest), err
}

// Next returns the checksum of to, given that of the Hasher's state and the
// changes that lead from it to to: it takes away what went and adds what came,
// at a cost in proportion to the changes. The result is that of to.Checksum();
// where the changes do not allow the short way, because the model is another
// one or a record was replaced in place, it is computed in full. It is not noticed if
// changes take away a record that another one refers to still, as no producer's should:
// who takes foreign ones computes the checksum anew. From then on
// the Hasher is one of to; after an error it must not be used. Errors are those
// of Checksum.
func (h *Hasher) Next(prev dataset.Digest, to *State, changes Changes) (dataset.Digest, error) {
	from := h.state
	if !SameModel(from, to) || !plain(from, to, changes) {
		*h = *NewHasher(to)
		return h.Checksum()
	}
	n := 0
	for _, t := range to.checksumTypes() {
		n += len(changes[t.schema.Name].Removed) + len(changes[t.schema.Name].Added)
	}
	h.remember(n)
	removed, err := h.total(from, func(c Change) []Ordinal { return c.Removed }, changes)
	if err != nil {
		return dataset.Digest{}, err
	}
	h.advance(to, changes)
	added, err := h.total(to, func(c Change) []Ordinal { return c.Added }, changes)
	if err != nil {
		return dataset.Digest{}, err
	}
	h.forget(n) // only now: what a changed record refers to is often what it did before
	return addDigests(subtractDigests(prev, removed), added), nil
}

// total returns the sum over some of the changed records of s.
func (h *Hasher) total(s *State, which func(Change) []Ordinal, changes Changes) (sum dataset.Digest, err error) {
	for _, t := range s.checksumTypes() {
		d, err := h.sumAll(h.types[t], which(changes[t.schema.Name]))
		if err != nil {
			return dataset.Digest{}, fmt.Errorf("compute checksum: %w", err)
		}
		sum = addDigests(sum, d)
	}
	return sum, nil
}

// sumEach returns the sum over records of a type.
func (h *Hasher) sumEach(t *typeHasher, list []Ordinal) (sum dataset.Digest, err error) {
	for part := range slices.Chunk(list, 16) {
		h.ask(t, part)
		for _, o := range part {
			d, err := h.Sum(t.t.Record(o))
			if err != nil {
				return dataset.Digest{}, err
			}
			sum = addDigests(sum, d)
		}
	}
	return sum, nil
}

// Sum returns the content hash of a record, which must be of the Hasher's
// state. Two records, also of different states, have the same hash exactly if
// their types have the same name and they say the same; a null field is as good
// as none. Errors wrap ErrDangling, ErrCycle or ErrTooDeep.
func (h *Hasher) Sum(r Record) (dataset.Digest, error) {
	h.buf = h.buf[:0]
	sum, _, err := h.sum(h.types[r.t], r.Ordinal(), 1)
	return sum, err
}

// sum returns the hash of record o and its height, the number of records on
// the longest chain of references from it. depth is the number of records on
// the chain under way.
func (h *Hasher) sum(t *typeHasher, o Ordinal, depth int) (dataset.Digest, uint8, error) {
	keep := t.memo != nil
	if keep {
		use := &h.uses[t.number]
		if sum, height, ok := t.memo.find(o); ok {
			use.hits++
			return sum, height, nil
		}
		use.misses++
		keep = !t.once || use.misses > t.t.Len() // else what was no trial could take for ever
	}
	r := hashedRecord{t, o}
	if slices.Contains(h.path, r) {
		return dataset.Digest{}, 0, fmt.Errorf("hash %s ordinal %d: %w", t.t.schema.Name, o, ErrCycle)
	}
	mark := len(h.buf)
	h.path = append(h.path, r)
	height, err := h.write(t, t.t.Record(o), depth)
	h.path = h.path[:len(h.path)-1]
	if err == nil && height > MaxDepth {
		err = fmt.Errorf("hash %s ordinal %d: %w: more than %d", t.t.schema.Name, o, ErrTooDeep, MaxDepth)
	}
	if err != nil {
		h.buf = h.buf[:mark]
		return dataset.Digest{}, 0, err
	}
	sum := dataset.Digest(sha256.Sum256(h.buf[mark:]))
	h.buf = h.buf[:mark]
	if keep {
		t.memo.keep(o, sum, height)
	}
	return sum, height, nil
}

// known says whether the hash of o is known.
func (t *typeHasher) known(o Ordinal) bool { return t.memo != nil && t.memo.known(o) }

// ask asks for the memory of what is known of o.
func (t *typeHasher) ask(o Ordinal) {
	if t.memo != nil {
		t.memo.ask(o)
	}
}

// write appends what the hash of r is computed over and returns r's height.
func (h *Hasher) write(t *typeHasher, r Record, depth int) (height uint8, err error) {
	h.buf = append(h.buf, t.start...)
	if t.t.schema.Kind == Object {
		return h.writeFields(t, r, depth)
	}
	n := r.Len()
	h.buf = binary.AppendUvarint(h.buf, uint64(n))
	mark := len(h.buf)
	for i := range n {
		if height, err = h.writeChild(t, t.parts[0], r.Element(i), depth, height); err != nil {
			return 0, err
		}
		if t.t.schema.Kind != Map {
			continue
		}
		_, value := r.Entry(i)
		if height, err = h.writeChild(t, t.parts[1], value, depth, height); err != nil {
			return 0, err
		}
	}
	h.sortEntries(t.t.schema.Kind, mark)
	return height + 1, nil
}

// sortEntries orders what a SET or MAP has written from mark on.
func (h *Hasher) sortEntries(k Kind, mark int) {
	switch k {
	case Set:
		h.one = h.one[:0]
		for b := range slices.Chunk(h.buf[mark:], sha256.Size) {
			h.one = append(h.one, [sha256.Size]byte(b))
		}
		slices.SortFunc(h.one, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
		h.buf = h.buf[:mark]
		for i := range h.one {
			h.buf = append(h.buf, h.one[i][:]...)
		}
	case Map:
		h.two = h.two[:0]
		for b := range slices.Chunk(h.buf[mark:], 2*sha256.Size) {
			h.two = append(h.two, [2 * sha256.Size]byte(b))
		}
		slices.SortFunc(h.two, func(a, b [2 * sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
		h.buf = h.buf[:mark]
		for i := range h.two {
			h.buf = append(h.buf, h.two[i][:]...)
		}
	}
}

// writeChild appends the hash of a record that one of type t refers to and
// returns the greater of its height and height.
func (h *Hasher) writeChild(t, child *typeHasher, o Ordinal, depth int, height uint8) (uint8, error) {
	if child == nil || !child.known(o) && !child.t.Populated(o) {
		return 0, fmt.Errorf("hash record of type %s: ordinal %d: %w", t.t.schema.Name, o, ErrDangling)
	}
	if depth >= MaxDepth {
		return 0, fmt.Errorf("hash record of type %s: %w: more than %d", t.t.schema.Name, ErrTooDeep, MaxDepth)
	}
	sum, own, err := h.sum(child, o, depth+1)
	if err != nil {
		return 0, err
	}
	h.buf = append(h.buf, sum[:]...)
	return max(own, height), nil
}

func (h *Hasher) writeFields(t *typeHasher, r Record, depth int) (height uint8, err error) {
	for _, f := range t.order {
		v := r.Value(f)
		if v.IsNull() {
			continue
		}
		h.buf = append(h.buf, t.names[f]...)
		if v.kind == Reference {
			h.buf = append(h.buf, byte(Reference))
			if height, err = h.writeChild(t, t.refs[f], v.Reference(), depth, height); err != nil {
				return 0, err
			}
			continue
		}
		h.writeValue(v)
	}
	return height + 1, nil
}

// writeValue appends the tag and the bytes of a value that is no reference.
func (h *Hasher) writeValue(v Value) {
	if v.kind == String && wire.IsRaw(v.Data()) {
		h.writeUnits(v)
		return
	}
	h.buf = append(h.buf, byte(v.kind))
	switch v.kind {
	case Int, Float:
		h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(v.num))
	case Long, Double:
		h.buf = binary.BigEndian.AppendUint64(h.buf, v.num)
	case Boolean:
		h.buf = append(h.buf, byte(v.num))
	default:
		h.buf = binary.AppendUvarint(h.buf, uint64(len(v.data)))
		h.buf = append(h.buf, v.data...)
	}
}

// writeUnits appends text that is not held as UTF-8. Some of it is well-formed
// all the same, only oddly encoded.
func (h *Hasher) writeUnits(v Value) {
	h.units = wire.AppendUnits(h.units[:0], v.Data())
	if wellFormedUnits(h.units) {
		h.buf = append(h.buf, byte(String))
		h.buf = appendText(h.buf, string(utf16.Decode(h.units)))
		return
	}
	h.buf = append(h.buf, tagIllFormed)
	h.buf = binary.AppendUvarint(h.buf, uint64(len(h.units)))
	for _, c := range h.units {
		h.buf = binary.BigEndian.AppendUint16(h.buf, c)
	}
}

// appendText appends a length in bytes and the text.
func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}
