package index

import (
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// batchSize is how many look-ups of a batch wait for memory at the same time.
const batchSize = 16

const errRoom = "index: room for another number of records than keys"

// Records looks up several keys, as Record does one, and sets found[i] to the
// record of the i'th: a Record without a type if there is none. keys has the
// parts of all keys, one key after the other; it panics unless len(keys) is
// len(found) times the number of parts. For keys of one number it is several times
// as fast as Record, because the waits for memory overlap; the columns that the
// records lie in are on their way when it returns.
func (x *Unique) Records(found []state.Record, keys ...state.Value) {
	parts := len(x.parts)
	if len(found)*parts != len(keys) {
		panic(errRoom)
	}
	if !x.direct {
		for i := range found {
			found[i], _ = x.Record(keys[i*parts : (i+1)*parts]...)
		}
		return
	}
	var room [batchSize]uint64
	for len(found) > 0 {
		n := min(batchSize, len(found))
		for i := range n {
			room[i] = keys[i].Bits()
		}
		x.findNumbers(found[:n], room[:n], nil)
		for i := range n {
			if keys[i].Type() != x.types[0] {
				found[i] = state.Record{}
			}
		}
		found, keys = found[n:], keys[n:]
	}
}

// Longs is Records for keys of one INT or LONG, and faster; a uint64 is looked up
// by its bits, and an index by other keys has none. It panics unless len(keys) is
// len(found). fields are those that will be read of the records: only their columns
// are on their way when it returns, or all columns if there are none.
func (x *Unique) Longs(found []state.Record, keys []int64, fields ...int) {
	if len(found) != len(keys) {
		panic(errRoom)
	}
	if !x.whole {
		for i, key := range keys {
			found[i], _ = x.Long(key)
		}
		return
	}
	var few [batchSize]int
	if len(fields) > 0 {
		fields = append(append(few[:0], fields...), x.number)
	}
	var room [batchSize]uint64
	for len(found) > 0 {
		n := min(batchSize, len(found))
		for i, key := range keys[:n] {
			room[i] = wire.ZigZag64(key) + 1
		}
		x.findNumbers(found[:n], room[:n], fields)
		found, keys = found[n:], keys[n:]
	}
}

// findNumbers is findNumber for up to batchSize keys. Each loop asks for the
// memory that the next one reads.
func (x *Unique) findNumbers(found []state.Record, keys []uint64, fields []int) {
	var tags [batchSize]byte
	var blocks [batchSize]*[blockBytes]byte
	for i, key := range keys {
		p := x.table.placeOf(mix(hashSeed, key))
		tags[i], blocks[i] = p.tag, blockAt(x.table.group(p.group), p.block)
	}
	prefetch.Lines(blocks[:len(keys)])
	var room [batchSize]state.Ordinal
	for i, b := range blocks[:len(keys)] {
		m := matches(b, tags[i])
		if room[i] = ordinalAt(b, entryOf(m)); m == 0 || entryOf(m) >= used(b) {
			room[i] = state.NoOrdinal
		}
	}
	x.t.Locate(found, room[:len(keys)], fields...)
	for others := state.Unmatched(found, x.number, keys); others != 0; others &= others - 1 {
		i := bits.TrailingZeros64(others)
		found[i], _ = x.findNumber(keys[i]) // another entry has the same tag, or there is none
	}
}
