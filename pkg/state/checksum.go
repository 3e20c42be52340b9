package state

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Reasons why content has no checksum.
var (
	// ErrDangling says that a record refers to one that the state, or the part
	// of it that is loaded, does not have.
	ErrDangling = errors.New("reference to a record that is not there")
	// ErrCycle says that a record reaches itself through references.
	ErrCycle = errors.New("records refer to each other in a cycle")
	// ErrTooDeep says that a chain of references is longer than MaxDepth.
	ErrTooDeep = errors.New("records are nested too deeply")
)

// MaxDepth is the greatest number of records, itself included, on a chain of
// references from a record that has a content hash.
const MaxDepth = 64

// checksumStart is what the sum starts from, so that an empty state has a
// checksum other than none.
const checksumStart = "holdfast content checksum 1"

// Checksum returns the content checksum (docs/format/checksum.md): it depends
// on what the records say, not on ordinals, layout or the path taken. It is a
// sum, so it tells contents apart but does not withstand somebody who looks for
// two with the same one. It is that of what is loaded: a filter that leaves fields
// out makes it another. Errors wrap ErrDangling, ErrCycle or ErrTooDeep.
func (s *State) Checksum() (dataset.Digest, error) { return NewHasher(s).Checksum() }

// plain says whether changes only remove what was there and only add what was
// not.
func plain(from, to *State, changes Changes) bool {
	for name, c := range changes {
		old, now := from.Type(name), to.Type(name)
		if old == nil || now == nil || now.count != old.count+len(c.Added)-len(c.Removed) {
			return false
		}
		for _, o := range c.Removed {
			if !old.Populated(o) || now.Populated(o) {
				return false
			}
		}
		for _, o := range c.Added {
			if old.Populated(o) || !now.Populated(o) {
				return false
			}
		}
	}
	return true
}

// checksumTypes returns the types that have a primary key, or all types if
// none has one.
func (s *State) checksumTypes() []*Type {
	var keyed []*Type
	for _, t := range s.types {
		if t.schema.Kind == Object && len(t.schema.Key) > 0 {
			keyed = append(keyed, t)
		}
	}
	if keyed == nil {
		return s.types
	}
	return keyed
}

// Fingerprint names the schemas: the SHA-256 of their printed forms by name,
// each ended by a line feed.
func (s *State) Fingerprint() dataset.Digest { return Fingerprint(s.Schemas()) }

// Fingerprint names schemas as State.Fingerprint does.
func Fingerprint(schemas map[string]*Schema) dataset.Digest {
	var list []*Schema
	for _, s := range schemas {
		list = append(list, s)
	}
	var text []byte
	for _, s := range SortSchemas(list) {
		text = append(append(text, s.String()...), '\n')
	}
	return dataset.DigestOf(text)
}

// addDigests adds two digests as big-endian numbers mod 2^256.
func addDigests(a, b dataset.Digest) (sum dataset.Digest) {
	var carry uint64
	for i := len(a) - 8; i >= 0; i -= 8 {
		var x uint64
		x, carry = bits.Add64(binary.BigEndian.Uint64(a[i:]), binary.BigEndian.Uint64(b[i:]), carry)
		binary.BigEndian.PutUint64(sum[i:], x)
	}
	return sum
}

// subtractDigests is the inverse of addDigests.
func subtractDigests(a, b dataset.Digest) (difference dataset.Digest) {
	var borrow uint64
	for i := len(a) - 8; i >= 0; i -= 8 {
		var x uint64
		x, borrow = bits.Sub64(binary.BigEndian.Uint64(a[i:]), binary.BigEndian.Uint64(b[i:]), borrow)
		binary.BigEndian.PutUint64(difference[i:], x)
	}
	return difference
}
