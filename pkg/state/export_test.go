package state

import (
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

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

// SetTrail makes all frames be given back behind their decoders, after each block and in
// steps of step bytes, until restore is called.
func SetTrail(step uint64) (restore func()) {
	least, was, blocks := leastTrail, trailStep, trailBlocks
	leastTrail, trailStep, trailBlocks = 0, step, 1
	return func() { leastTrail, trailStep, trailBlocks = least, was, blocks }
}

// Trailing decodes the records of a type of a snapshot as if so much of each array had
// been given back.
func Trailing(data []byte, typeName string, passed uint64) error {
	_, frames, err := readBlob(data, nil, false, nil)
	if err != nil {
		return err
	}
	f := frames[slices.IndexFunc(frames, func(f *frame) bool { return f.schema.Name == typeName })]
	d, err := newDecoder(f, f.schema)
	if err != nil {
		return err
	}
	d = d.clone()
	d.trail = make(trail, len(f.shards))
	for i := range d.trail {
		d.trail[i].items = values{stretch{passed, passed, true}, passed, passed}
		for range f.shards[i].ranges {
			d.trail[i].ranges = append(d.trail[i].ranges, values{stretch{passed, passed, true}, passed, passed})
		}
	}
	d.begin(maxBlock)
	for e := range min(f.shards[0].entries, maxBlock) {
		d.next(0, e)
	}
	d.group()
	return d.decode()
}
