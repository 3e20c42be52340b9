package state

import (
	"math"
	mathbits "math/bits"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// makeRuns says how entries of collections are read.
func (d *decoder) makeRuns() {
	n := len(d.f.shards)
	elements, values := make([]wirebits.Source, n), make([]wirebits.Source, n)
	for i := range d.f.shards {
		s := &d.f.shards[i]
		elements[i], values[i] = wirebits.MakeSource(s.itemBits(), s.elementBits), wirebits.MakeSource(s.itemBits(), s.valueBits)
	}
	d.elements, d.values = wirebits.MakeRuns(elements), wirebits.MakeRuns(values)
}

// openEntries turns entries from one to before another of a shard, which n entries of
// the block's records are between. Where there are far more than these, records lie in
// another order than all writers lay them, and the whole array is turned once.
func (d *decoder) openEntries(shard int, from, to, n uint64) {
	s := &d.f.shards[shard]
	bits := uint64(s.itemBits())
	var entries wirebits.Words
	if spread := (to - from) * bits; spread > mostSpread*(n*bits+1<<10) {
		entries = d.allItems(shard)
	} else {
		entries, d.room = s.items.Window(d.room, from*bits, to*bits)
	}
	d.elements.Open(shard, entries)
	if d.f.schema.Kind == Map {
		d.values.Open(shard, entries)
	}
}

// allItems returns the array of a shard's entries.
func (d *decoder) allItems(shard int) wirebits.Words {
	if d.items == nil {
		d.items = make([]wirebits.Words, len(d.f.shards))
	}
	if d.items[shard].Bits() == 0 {
		d.items[shard] = d.f.shards[shard].items.Turn()
	}
	return d.items[shard]
}

// mostSpread is how many times as much as the entries of a block's records are may lie
// between the first and the last of them.
const mostSpread = 4

// decodeEntrySpans sets where the entries of the block's collections lie.
func (d *decoder) decodeEntrySpans() error {
	spans := &d.block.spans
	for _, g := range d.block.groups {
		s := &d.f.shards[g.shard]
		rowBits, itemBits := uint64(s.pointerBits+s.sizeBits), s.itemBits()
		rows, read := d.rows[g.shard], d.block.read[:len(g.at)]
		rows.Gather(read, g.at, rowBits, 0, s.pointerBits)
		first, start, next, n := uint64(0), uint64(0), uint64(0), uint64(0)
		least, most := uint64(math.MaxUint64), uint64(0)
		for i, end := range read {
			k, e := g.record[i], g.at[i]
			if e != next {
				before := start
				start = rows.At((e-1)*rowBits, s.pointerBits)
				if i == 0 {
					first = start
				} else if d.trail != nil && start != before {
					return d.outOfOrder()
				}
			}
			if start > end || itemBits > 0 && end > s.most || end-start > math.MaxInt32 { // so that the sum of a block does not wrap
				return d.f.corrupt("entries %d to %d are out of range", start, end)
			}
			spans.start[k], spans.end[k] = start, end
			n += end - start
			least, most = min(least, start), max(most, end)
			start, next = end, e+1
		}
		if d.trail != nil {
			passed := &d.trail[g.shard].items
			if !passed.extend(first, start) {
				return d.outOfOrder()
			}
			passed.pass((first*uint64(itemBits)+7)/8, start*uint64(itemBits)/8)
		}
		if itemBits == 0 && !d.f.allow.take(n) {
			return d.f.corrupt("too many entries take no space")
		}
		used := &d.used[g.shard].items
		if *used += n; itemBits > 0 && *used > s.most {
			return d.f.corrupt("entries of records overlap")
		}
		d.openEntries(g.shard, least, most, n)
	}
	return nil
}

// setEntries sets slots to the entries of collections, or to the buckets of their hash
// tables that have one.
func (d *decoder) setEntries(c *entryColumns, k int, mask uint16) error {
	spans, shards := &d.block.spans, d.block.shards
	d.elements.Reset()
	d.values.Reset()
	first := len(c.parts[partElement])
	at := first
	for i, m := k, mask; m != 0; m &= m - 1 {
		slot, source := mathbits.TrailingZeros16(m), shards[i]
		start, n := spans.start[i], int32(spans.end[i]-spans.start[i])
		s := &d.f.shards[source]
		pos := start * uint64(s.itemBits())
		d.elements.Add(source, pos, n)
		if c.kind == Map {
			d.values.Add(source, pos+uint64(s.elementBits), n)
		}
		c.start[slot], c.end[slot] = at, at+int(n)
		at += int(n)
		i++
	}
	d.elements.Unpack(c.grow(partElement, at-first))
	if c.kind == List {
		return nil
	}
	c.grow(partBucket, at-first)
	if c.kind == Map {
		d.values.Unpack(c.grow(partValue, at-first))
	}
	return d.compact(c, first, k, mask)
}

// compact takes the empty buckets out of the hash tables in slots, which are the
// buckets from first on, and numbers those that stay.
func (d *decoder) compact(c *entryColumns, first, k int, mask uint16) error {
	elements, values, buckets := c.parts[partElement], c.parts[partValue], c.parts[partBucket]
	full := first // each bucket is written there, and the next over it if it is empty
	for ; mask != 0; mask &= mask - 1 {
		slot := mathbits.TrailingZeros16(mask)
		s := &d.f.shards[d.block.shards[k]]
		from, table, empty := full, elements[c.start[slot]:c.end[slot]], uint32(wirebits.Mask(s.elementBits))
		var old []uint32
		if c.kind == Map {
			old = values[c.start[slot]:c.end[slot]]
		}
		for i, x := range table {
			elements[full], buckets[full] = x, uint32(i)
			if old != nil {
				values[full] = old[i]
			}
			taken := 1
			if x == empty {
				taken = 0
			}
			full += taken
		}
		c.start[slot], c.end[slot] = from, full
		if err := d.checkTable(d.block.shards[k], d.block.entry(k), len(table), full-from); err != nil {
			return err
		}
		k++
	}
	c.cut(full)
	return nil
}

// checkTable fails if the hash table of entry e of a shard, which has some buckets and
// some entries in them, is not as the shard says.
func (d *decoder) checkTable(shard int32, e uint64, buckets, full int) error {
	s, rows := &d.f.shards[shard], d.rows[shard]
	rowBits := uint64(s.pointerBits + s.sizeBits)
	size := rows.At(e*rowBits+uint64(s.pointerBits), s.sizeBits)
	if size > wire.MaxTableEntries || uint64(buckets) != wire.TableSize(size) {
		return d.f.corrupt("a hash table of %d entries has %d buckets", size, buckets)
	}
	if uint64(full) != size {
		return d.f.corrupt("a hash table of %d entries holds %d", size, full)
	}
	return nil
}
