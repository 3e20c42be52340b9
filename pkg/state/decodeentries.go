package state

import (
	"math"
	mathbits "math/bits"
	"slices"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// makeSources says how entries of collections are read.
func (d *decoder) makeSources() {
	n := len(d.f.shards)
	elements, values, empty := make([]wirebits.Source, n), make([]wirebits.Source, n), make([]uint32, n)
	for i := range d.f.shards {
		s := &d.f.shards[i]
		elements[i], values[i] = wirebits.MakeSource(s.itemBits(), s.elementBits), wirebits.MakeSource(s.itemBits(), s.valueBits)
		empty[i] = uint32(wirebits.Mask(s.elementBits))
	}
	d.elements, d.values, d.empty = wirebits.MakeSources(elements), wirebits.MakeSources(values), empty
}

// openEntries turns entries from one to before another of a shard, which n entries of
// the block's records are between. Where there are far more than these, records lie in
// another order than all writers lay them, and the whole array is turned once.
func (d *decoder) openEntries(shard int, from, to, n uint64) {
	s := &d.f.shards[shard]
	bits := uint64(s.itemBits())
	var entries wirebits.Words
	if spread := (to - from) * bits; spread > mostSpread*(n*bits+1<<10) {
		entries = d.f.allItems(shard)
	} else {
		entries, d.room = s.items.Window(d.room, from*bits, to*bits)
	}
	d.elements.Open(shard, entries, 0)
	if d.f.schema.Kind == Map {
		d.values.Open(shard, entries, s.elementBits)
	}
}

// mostSpread is how many times as much as the entries of a block's records are may lie
// between the first and the last of them.
const mostSpread = 4

// decodeRuns sets where the entries of the block's collections lie.
func (d *decoder) decodeRuns() error {
	runs := d.block.runs
	for _, g := range d.block.groups {
		s := &d.f.shards[g.shard]
		rowBits, itemBits := s.rowBits(), s.itemBits()
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
			runs[k] = wirebits.Run{First: start, Source: int32(g.shard), N: int32(end - start)}
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
		if d.f.schema.Kind != List {
			d.readSizes(g)
		}
	}
	return nil
}

// readSizes sets how many entries the records of a group say that they have.
func (d *decoder) readSizes(g group) {
	s, read := &d.f.shards[g.shard], d.block.read[:len(g.at)]
	d.rows[g.shard].Gather(read, g.at, s.rowBits(), uint64(s.pointerBits), s.sizeBits)
	for i, k := range g.record {
		d.block.sizes[k] = read[i]
	}
}

// setEntries sets slots to the entries of collections, or to the buckets of their hash
// tables that have one.
func (d *decoder) setEntries(c *entryColumns, k int, mask uint16) error {
	runs := d.block.runs[k : k+mathbits.OnesCount16(mask)]
	at := len(c.parts[partElement])
	n := -at
	for i, m := 0, mask; m != 0; m &= m - 1 {
		slot := mathbits.TrailingZeros16(m)
		c.start[slot] = at
		at += int(runs[i].N)
		c.end[slot] = at
		i++
	}
	if n += at; c.kind == List {
		d.elements.Unpack(c.grow(partElement, n), runs)
		return nil
	}
	d.table.Elements = slices.Grow(d.table.Elements[:0], n+wirebits.RunsPad)[:n+wirebits.RunsPad]
	d.elements.Unpack(d.table.Elements, runs)
	if c.kind == Map {
		d.table.Values = slices.Grow(d.table.Values[:0], n+wirebits.RunsPad)[:n+wirebits.RunsPad]
		d.values.Unpack(d.table.Values, runs)
	}
	return d.compact(c, n, k, mask)
}

// compact sets slots to those of n buckets that are not empty, and numbers them.
func (d *decoder) compact(c *entryColumns, n, k int, mask uint16) error {
	first := len(c.parts[partElement])
	d.full.Elements, d.full.Buckets = c.grow(partElement, n), c.grow(partBucket, n)
	if c.kind == Map {
		d.full.Values = c.grow(partValue, n)
	}
	from, to := 0, 0
	for ; mask != 0; mask &= mask - 1 {
		slot := mathbits.TrailingZeros16(mask)
		size := c.end[slot] - c.start[slot]
		kept := wirebits.CompactTable(&d.full, to, &d.table, from, size, d.empty[d.block.runs[k].Source])
		if err := d.checkTable(d.block.sizes[k], size, kept); err != nil {
			return err
		}
		c.start[slot], c.end[slot] = first+to, first+to+kept
		from, to = from+size, to+kept
		k++
	}
	c.cut(first + to)
	return nil
}

// checkTable fails if a hash table of so many buckets, some of which are full, is not as
// its record says.
func (d *decoder) checkTable(size uint64, buckets, full int) error {
	if size > wire.MaxTableEntries || uint64(buckets) != wire.TableSize(size) {
		return d.f.corrupt("a hash table of %d entries has %d buckets", size, buckets)
	}
	if uint64(full) != size {
		return d.f.corrupt("a hash table of %d entries holds %d", size, full)
	}
	return nil
}
