package state

import "github.com/holdfast-data/holdfast/pkg/state/internal/wire"

// RawStringValue returns the STRING that a state holds for a blob's data, also
// if it is ill-formed.
func RawStringValue(data []byte) Value {
	return Value{kind: String, data: string(wire.AppendText(nil, data))}
}

// UsedBytes returns how many bytes the pages of a type have.
func UsedBytes(t *Type) int64 { return t.blocks.Used() }

// SetShards gives a type another number of shards for the blobs that are
// written of it.
func SetShards(t *Type, n int) { t.shards, t.counts = n, new(lazyTally) }

// Verify says what is wrong with a type's pages, if anything is.
func Verify(t *Type) error { return t.verify() }
