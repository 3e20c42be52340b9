package state

import (
	"iter"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// Probe yields the positions of the entries of a SET or MAP that a look-up by
// hash has to try, in the order of the hash table from the hash's place to the
// next free one.
func (r Record) Probe(hash int32) iter.Seq[int] {
	return func(yield func(int) bool) {
		n := r.Len()
		if n == 0 {
			return
		}
		size := uint32(wire.TableSize(uint64(n)))
		place := uint32(hash) & (size - 1)
		i, end := 0, n
		for i < end { // the first entry at place or behind it
			if mid := (i + end) / 2; r.bucket(mid) < place {
				i = mid + 1
			} else {
				end = mid
			}
		}
		for range n {
			if i == n || r.bucket(i) != place || !yield(i) {
				return
			}
			i, place = i+1, place+1
			if place == size {
				i, place = 0, 0
			}
		}
	}
}

// definedHashCodes is the header tag of old producers that placed entries by
// hash codes of their own.
const definedHashCodes = "DEFINED_HASH_CODES"

// Find returns the position of an element of a SET or of a key of a MAP, or
// false. Without a hash key it costs one probe, with one it looks at all.
func (r Record) Find(o Ordinal) (i int, ok bool) {
	if len(r.t.schema.Key) == 0 && r.t.state.header.Tags[definedHashCodes] == "" {
		for i := range r.Probe(wire.HashInt(int32(o))) {
			if r.Element(i) == o {
				return i, true
			}
		}
		return 0, false
	}
	for i := range r.Len() {
		if r.Element(i) == o {
			return i, true
		}
	}
	return 0, false
}

// KeyHash returns the hash by which SETs and MAPs with a hash key place their
// entries, for Probe. It is false if a part of the key is null: such a key is
// not looked up.
func KeyHash(key []Value) (hash int32, ok bool) {
	for _, v := range key {
		if v.IsNull() {
			return 0, false
		}
		part, err := hashInput(Field{Type: v.kind}, v)
		if err != nil {
			return 0, false
		}
		hash = hash*31 ^ wire.HashInt(part)
	}
	return hash, true
}
