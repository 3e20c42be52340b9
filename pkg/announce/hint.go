package announce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrBadHint says that received bytes are no hint.
var ErrBadHint = errors.New("bad hint")

// hintFormat is the first byte of every hint.
const hintFormat = 1

// Hint says that the log of a dataset has reached a position, at which a
// version is effective. It is a reason to look at the log, never a fact.
type Hint struct {
	Dataset  dataset.Name
	Position int64
	Version  dataset.Version
}

// newer says whether h is worth more than other: it orders all hints of one
// dataset, so that merging does not depend on the order of arrival.
func (h Hint) newer(other Hint) bool {
	if h.Position != other.Position {
		return h.Position > other.Position
	}
	return h.Version > other.Version
}

// Append appends the wire form of h, at most 83 bytes: the format 1, length
// and bytes of the name, position and version as unsigned varints.
func (h Hint) Append(b []byte) []byte {
	b = append(b, hintFormat, byte(len(h.Dataset)))
	b = append(b, h.Dataset...)
	b = binary.AppendUvarint(b, uint64(h.Position))
	return binary.AppendUvarint(b, uint64(h.Version))
}

// DecodeHint reads one hint from the beginning of b and returns what follows
// it. The bytes may be anyone's.
func DecodeHint(b []byte) (h Hint, rest []byte, err error) {
	if len(b) < 2 || b[0] != hintFormat || len(b)-2 < int(b[1]) {
		return Hint{}, nil, fmt.Errorf("decode hint: %w: its head or name is wrong", ErrBadHint)
	}
	name, rest := b[2:2+int(b[1])], b[2+int(b[1]):]
	if h.Dataset, err = dataset.ParseName(string(name)); err != nil {
		return Hint{}, nil, fmt.Errorf("decode hint: %w: %w", ErrBadHint, err)
	}
	position, n := binary.Uvarint(rest)
	if n <= 0 || int64(position) < 0 {
		return Hint{}, nil, fmt.Errorf("decode hint: %w: its position is wrong", ErrBadHint)
	}
	version, m := binary.Uvarint(rest[n:])
	if m <= 0 || int64(version) < 0 {
		return Hint{}, nil, fmt.Errorf("decode hint: %w: its version is wrong", ErrBadHint)
	}
	h.Position, h.Version = int64(position), dataset.Version(version)
	return h, rest[n+m:], nil
}

// Table holds the newest hint of each dataset. Merging is idempotent,
// commutative and associative. The nil Table is empty and read-only.
type Table map[dataset.Name]Hint

// Add merges h and says whether the table changed.
func (t Table) Add(h Hint) bool {
	if old, ok := t[h.Dataset]; ok && !h.newer(old) {
		return false
	}
	t[h.Dataset] = h
	return true
}

// Merge adds all hints of other.
func (t Table) Merge(other Table) {
	for _, h := range other {
		t.Add(h)
	}
}

// Append appends the wire form of all hints, sorted by dataset.
func (t Table) Append(b []byte) []byte {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		b = t[name].Append(b)
	}
	return b
}
