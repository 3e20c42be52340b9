package state

import (
	"cmp"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// maxBlock is how many records are decoded together, those of some pages.
const maxBlock = 16 * pageSize

// A block is records of a frame that are decoded together: field by field, and
// each field shard by shard, because that is how they lie in a blob.
type block struct {
	n      int
	shards []int32    // of each record
	at     []uint64   // which entry of its shard each record is, unless the block is dealt
	nums   [][]uint64 // by field, and so are texts
	texts  []texts
	runs   []bits.Run // of a collection's entries, or buckets
	sizes  []uint64   // of a SET or MAP

	groups []group
	dealt  int      // to how many shards the records of a full block are dealt, 0 if they are not
	counts []int    // scratch, by shard
	order  []uint16 // what groups have their slices of
	sorted []uint64
	read   []uint64 // scratch: a field of a group
}

// A group is the records of one shard.
type group struct {
	shard  int
	record []uint16 // positions in the block
	at     []uint64 // entries of the shard
}

// isRun says whether the entries follow each other.
func (g *group) isRun() bool { return g.at[len(g.at)-1]-g.at[0] == uint64(len(g.at)-1) }

// texts is the values of a STRING or BYTES field, where they are in the blob.
type texts struct {
	values [][]byte
	kind   []uint8 // of each
	kinds  uint8   // of all together
}

// Kinds of a value that a page does not have as it is in the blob.
const (
	textNull = 1
	textWide = 2 // not ASCII
)

// reset makes the kinds of all values those of pages.
func (t *texts) reset() {
	if t.kinds != 0 {
		clear(t.kind)
		t.kinds = 0
	}
}

// setRun sets the values of a group that lie behind each other, from start on, and returns
// where the last one ends. It says false, and others are to be set, if they do not, or if
// one does not end as those of data do, or above most: then it is null.
func (t *texts) setRun(g group, ends []uint64, data []byte, start, most uint64) (end uint64, ok bool) {
	if !g.isRun() {
		return start, false
	}
	record := g.record[:len(ends)]
	most = min(most, uint64(len(data)))
	for i, end := range ends {
		if end < start || end > most {
			return start, false
		}
		t.values[record[i]] = data[start:end]
		start = end
	}
	return start, true
}

func (t *texts) set(k uint16, value []byte, kind uint8) {
	t.values[k], t.kind[k] = value, kind
	t.kinds |= kind
}

// markWide marks which values of a group are not ASCII.
func (t *texts) markWide(g group) {
	for _, k := range g.record {
		if !wire.IsASCII(t.values[k]) {
			t.kind[k] = textWide
			t.kinds |= textWide
		}
	}
}

// newBlock returns a block for records of a frame with that schema.
func newBlock(s *Schema, fields []int, most int) *block {
	b := &block{
		shards: make([]int32, most), at: make([]uint64, most),
		order: make([]uint16, most), sorted: make([]uint64, most), read: make([]uint64, most),
		nums: make([][]uint64, len(fields)), texts: make([]texts, len(fields)),
	}
	for f, src := range fields {
		switch {
		case src < 0:
		case s.Fields[src].Type.variable():
			b.texts[f] = texts{values: make([][]byte, most), kind: make([]uint8, most)}
		default:
			b.nums[f] = make([]uint64, most)
		}
	}
	if s.Kind != Object {
		b.runs, b.sizes = make([]bits.Run, most), make([]uint64, most)
	}
	return b
}

// addAll adds the records that have the ordinals from first on, of that many
// shards, maxBlock of them: no shard has more than another. It does what group
// does otherwise.
func (b *block) addAll(first Ordinal, shards int) {
	if b.n = maxBlock; b.dealt != shards {
		b.deal(shards)
	}
	entry := uint64(int(first) / shards)
	for i := range b.sorted[:maxBlock/shards] {
		b.sorted[i] = entry + uint64(i)
	}
}

// deal gives the records of a full block to shards, one after the other: they are the
// same entries of each.
func (b *block) deal(shards int) {
	b.dealt, b.groups = shards, b.groups[:0]
	each := maxBlock / shards
	for s := range shards {
		from, to := s*each, (s+1)*each
		b.groups = append(b.groups, group{s, b.order[from:to], b.sorted[:each]})
		for i := range each {
			k := i*shards + s
			b.order[from+i], b.shards[k] = uint16(k), int32(s)
		}
	}
}

// group sorts the records by shard.
func (b *block) group(shards int) {
	b.dealt = 0
	if b.groups = b.groups[:0]; b.n == 0 {
		return
	}
	if shards == 1 {
		b.groups = append(b.groups, group{0, identity[:b.n], b.at[:b.n]})
		return
	}
	if shards > manyShards {
		b.sort()
		return
	}
	if len(b.counts) == 0 {
		b.counts = make([]int, shards)
	}
	clear(b.counts)
	for _, s := range b.shards[:b.n] {
		b.counts[s]++
	}
	from := 0
	for s, n := range b.counts {
		if b.counts[s] = from; n > 0 {
			b.groups = append(b.groups, group{s, b.order[from : from+n], b.sorted[from : from+n]})
		}
		from += n
	}
	for k, s := range b.shards[:b.n] {
		to := b.counts[s]
		b.order[to], b.sorted[to] = uint16(k), b.at[k]
		b.counts[s]++
	}
}

// manyShards is from how many shards on records are sorted: to count those of each
// takes time for all shards.
const manyShards = 4 * maxBlock

// sort is group by sorting.
func (b *block) sort() {
	order := b.order[:b.n]
	for k := range order {
		order[k] = uint16(k)
	}
	slices.SortStableFunc(order, func(x, y uint16) int { return cmp.Compare(b.shards[x], b.shards[y]) })
	from := 0
	for i, k := range order {
		b.sorted[i] = b.at[k]
		if i+1 == len(order) || b.shards[order[i+1]] != b.shards[k] {
			b.groups = append(b.groups, group{int(b.shards[k]), b.order[from : i+1], b.sorted[from : i+1]})
			from = i + 1
		}
	}
}

// identity is the order of records that are all of one shard.
var identity = func() (order [maxBlock]uint16) {
	for i := range order {
		order[i] = uint16(i)
	}
	return order
}()
