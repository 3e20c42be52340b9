package index

import (
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// batchSize is how many look-ups of a batch wait for memory at the same time.
const batchSize = 16

// Records looks up several keys, as Record does one, and sets found[i] to the
// record of the i'th: a Record without a type if there is none. keys has the
// parts of all keys, one key after the other; len(keys) must be len(found)
// times the number of parts. For keys of one number it is several times as fast
// as Record, because the waits for memory overlap; the columns that the records
// lie in are on their way when it returns.
func (x *Unique) Records(found []state.Record, keys ...state.Value) {
	parts := len(x.parts)
	if !x.direct {
		for i := range found {
			found[i], _ = x.Record(keys[i*parts : (i+1)*parts]...)
		}
		return
	}
	for len(found) > 0 {
		n := min(batchSize, len(found))
		x.records(found[:n], keys[:n])
		found, keys = found[n:], keys[n:]
	}
}

// records is Records for up to batchSize keys of one number. Each loop asks for
// the memory that the next one reads.
func (x *Unique) records(found []state.Record, keys []state.Value) {
	var places [batchSize]place
	var blocks [batchSize]*[blockBytes]byte
	for i, key := range keys {
		p := x.table.placeOf(mix(hashSeed, key.Bits()))
		places[i], blocks[i] = p, blockAt(x.table.group(p.group), p.block)
		prefetch.Line(&blocks[i][0])
	}
	var first [batchSize]state.Ordinal
	for i, p := range places[:len(keys)] {
		first[i] = state.NoOrdinal
		b := blocks[i]
		if m := matches(b, p.tag); m != 0 && entryOf(m) < used(b) {
			first[i] = ordinalAt(b, entryOf(m))
			x.t.Prefetch(first[i : i+1])
		}
	}
	for i, key := range keys {
		found[i] = state.Record{}
		if o := first[i]; o >= 0 {
			if r := x.t.Record(o); key.Type() == x.types[0] && r.Bits(x.number) == key.Bits() {
				found[i] = r
				continue
			}
		}
		found[i], _ = x.Record(key) // another entry has the same tag, or there is none
	}
}
