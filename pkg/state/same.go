package state

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// ErrDiffers says that two states do not have the same records at the same
// ordinals.
var ErrDiffers = errors.New("states differ")

// Same fails with ErrDiffers unless both states have the same model and shard
// counts, and the same records at the same ordinals. Between versions of one chain it costs what
// is not shared. It says where the first difference is.
func Same(a, b *State) error {
	if !SameModel(a, b) {
		return fmt.Errorf("compare states: the models are not the same: %w", ErrDiffers)
	}
	for i, t := range a.types {
		if err := t.same(b.types[i]); err != nil {
			return fmt.Errorf("compare states: %w", err)
		}
	}
	return nil
}

// same compares two types of one schema.
func (t *Type) same(other *Type) error {
	if t.shards != other.shards {
		return fmt.Errorf("type %s has %d and %d shards: %w", t.schema.Name, t.shards, other.shards, ErrDiffers)
	}
	for i := range max(len(t.table), len(other.table)) {
		x, y := t.table.get(i), other.table.get(i)
		if x == y {
			continue
		}
		for p := range x {
			if o := t.differ(x[p], other, y[p]); o >= 0 {
				return fmt.Errorf("type %s, ordinal %d: %w", t.schema.Name, i<<chunkShift|p<<pageShift|o, ErrDiffers)
			}
		}
	}
	return nil
}

// differ returns the first slot in which the pages of two entries differ, or -1.
func (t *Type) differ(x entry, other *Type, y entry) int {
	if x.live() != y.live() {
		return bits.TrailingZeros16(x.live() ^ y.live())
	}
	if x == 0 || arena.Same(&t.blocks, x.handle(), &other.blocks, y.handle()) {
		return -1
	}
	p, q := t.pageAt(x), other.pageAt(y)
	if p.lay == q.lay && bytes.Equal(p.bytes(), q.bytes()) {
		return -1
	}
	for live := x.live(); live != 0; live &= live - 1 {
		i := bits.TrailingZeros16(live)
		if !t.sameRecord(p, q, i) {
			return i
		}
	}
	return -1
}

// sameRecord compares the i'th records of two pages of the type.
func (t *Type) sameRecord(p, q page, i int) bool {
	if t.schema.Kind != Object {
		return samePageEntries(p, q, i)
	}
	for f := range t.schema.Fields {
		if !t.schema.Fields[f].Type.variable() {
			if p.at(&p.lay.cols[f], i) != q.at(&q.lay.cols[f], i) {
				return false
			}
			continue
		}
		x, xNull := p.span(f, i)
		y, yNull := q.span(f, i)
		if xNull != yNull || !bytes.Equal(x, y) {
			return false
		}
	}
	return true
}

func samePageEntries(p, q page, i int) bool {
	start, end := p.entries(i)
	other, otherEnd := q.entries(i)
	if end-start != otherEnd-other {
		return false
	}
	for ; start < end; start, other = start+1, other+1 {
		for k := range 3 {
			if p.entry(start, k) != q.entry(other, k) {
				return false
			}
		}
	}
	return true
}
