package state

import (
	"math"
	mathbits "math/bits"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// readEntries says where entries of collections are read from.
func (d *decoder) readEntries() {
	elements, values := make([]wirebits.Source, len(d.f.shards)), make([]wirebits.Source, len(d.f.shards))
	for i := range d.f.shards {
		s := &d.f.shards[i]
		elements[i], values[i] = s.items.Source(s.itemBits(), s.elementBits), s.items.Source(s.itemBits(), s.valueBits)
	}
	d.elements, d.values = wirebits.MakeRuns(elements), wirebits.MakeRuns(values)
}

// decodeEntrySpans sets where the entries of the block's collections lie.
func (d *decoder) decodeEntrySpans() error {
	spans := &d.block.spans[0]
	for _, g := range d.block.groups {
		s := &d.f.shards[g.shard]
		rowBits, itemBits := uint64(s.pointerBits+s.sizeBits), s.itemBits()
		read := d.block.read[:len(g.at)]
		s.rows.Gather(read, g.at, rowBits, 0, s.pointerBits)
		first, start, next, n := uint64(0), uint64(0), uint64(0), uint64(0)
		for i, end := range read {
			k, e := g.record[i], g.at[i]
			if e != next {
				before := start
				start = s.rows.At((e-1)*rowBits, s.pointerBits)
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
	}
	return nil
}

// setEntries sets slots to the entries of collections, or to the buckets of their hash
// tables that have one.
func (d *decoder) setEntries(c *entryColumns, k int, mask uint16) error {
	spans, shards := &d.block.spans[0], d.block.shards
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
		if err := d.checkTable(s, d.block.entry(k), len(table), full-from); err != nil {
			return err
		}
		k++
	}
	c.cut(full)
	return nil
}

// checkTable fails if the hash table of entry e of a shard, which has some buckets and
// some entries in them, is not as the shard says.
func (d *decoder) checkTable(s *shard, e uint64, buckets, full int) error {
	rowBits := uint64(s.pointerBits + s.sizeBits)
	size := s.rows.At(e*rowBits+uint64(s.pointerBits), s.sizeBits)
	if size > wire.MaxTableEntries || uint64(buckets) != wire.TableSize(size) {
		return d.f.corrupt("a hash table of %d entries has %d buckets", size, buckets)
	}
	if uint64(full) != size {
		return d.f.corrupt("a hash table of %d entries holds %d", size, full)
	}
	return nil
}
