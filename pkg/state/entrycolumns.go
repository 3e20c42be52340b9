package state

import "github.com/holdfast-data/holdfast/pkg/state/internal/bits"

// entryColumns is the entries of the collections in a page, part by part. The
// slots follow each other in any order.
type entryColumns struct {
	kind       Kind
	parts      [entryParts][]uint32 // element or key, value, bucket; empty if the kind has none
	start, end [pageSize]int        // of each slot
}

// The parts of an entry, in the order of a layout's columns.
const (
	partElement = iota // or key
	partValue
	partBucket
	entryParts
)

// has says whether entries of collections of a kind have a part.
func (k Kind) has(part int) bool {
	return part == partElement || part == partBucket && k != List || part == partValue && k == Map
}

func (c *entryColumns) reset() {
	for k := range c.parts {
		c.parts[k] = c.parts[k][:0]
	}
	c.start, c.end = [pageSize]int{}, [pageSize]int{}
}

// grow appends room for n entries to a part and returns it; bits.RunsPad more may be
// overwritten.
func (c *entryColumns) grow(part, n int) []uint32 {
	list := c.parts[part]
	from, to := len(list), len(list)+n
	if to+bits.RunsPad > cap(list) {
		list = append(make([]uint32, 0, from+to+bits.RunsPad), list...)
	}
	c.parts[part] = list[:to]
	return list[from : to+bits.RunsPad]
}

// cut takes away all but the first n entries.
func (c *entryColumns) cut(n int) {
	for k := range c.parts {
		c.parts[k] = c.parts[k][:min(n, len(c.parts[k]))]
	}
}

// set gives slot i these entries.
func (c *entryColumns) set(i int, list []collectionEntry) {
	c.start[i] = len(c.parts[partElement])
	for _, e := range list {
		for k, x := range [...]uint32{e.element, e.value, e.bucket} {
			if c.kind.has(k) {
				c.parts[k] = append(c.parts[k], x)
			}
		}
	}
	c.end[i] = len(c.parts[partElement])
}

// copy gives slots from to before to those of p, a page of the same type.
func (c *entryColumns) copy(p page, from, to int) {
	at := len(c.parts[partElement])
	start, end := p.start(from), p.start(from)
	for i := from; i < to; i++ {
		before := end
		_, end = p.entries(i)
		c.start[i], c.end[i] = at, at+int(end-before)
		at = c.end[i]
	}
	step := p.lay.entryBits
	for k := range entryParts {
		if !c.kind.has(k) {
			continue
		}
		col := &p.lay.cols[endColumn+1+k]
		base, pos := p.offset(col, 0), col.Bit+start*step
		dst := c.grow(k, int(end-start))
		for i := range int(end - start) {
			dst[i] = uint32(p.data.Load(pos, col.Mask) + base)
			pos += step
		}
	}
}

// eachRun calls f for entries that follow each other both in c and in the order
// of slots.
func (c *entryColumns) eachRun(f func(from, to int)) {
	eachRun(&c.start, &c.end, f)
}

// eachRun calls f for each run of slots that follow each other in what start and
// end are places of.
func eachRun(start, end *[pageSize]int, f func(from, to int)) {
	from, to := 0, 0
	for i := range pageSize {
		switch {
		case start[i] == end[i]:
		case start[i] == to && to > from:
			to = end[i]
		default:
			if to > from {
				f(from, to)
			}
			from, to = start[i], end[i]
		}
	}
	if to > from {
		f(from, to)
	}
}

// plan decides how the entries are stored and returns their number.
func (c *entryColumns) plan(plans []columnPlan) uint64 {
	var ends [pageSize]uint64
	n := uint64(0)
	for i := range ends {
		n += uint64(c.end[i] - c.start[i])
		ends[i] = n
	}
	plans[endColumn].setEnds(shapeNumbers, &ends)
	for k, list := range c.parts {
		least, most := bits.Span(list)
		plans[endColumn+1+k].setPart(n, uint64(least), uint64(most))
	}
	return n
}

// fill writes the column of ends and the entries of a page.
func (c *entryColumns) fill(out []byte, lay *layout, plans []columnPlan) {
	var ends [pageSize]uint64
	n := uint64(0)
	for i := range ends {
		n += uint64(c.end[i] - c.start[i])
		ends[i] = n
	}
	col := &lay.cols[endColumn]
	plans[endColumn].writeHead(out, col)
	packNumbers(out[col.Bit/8:], col, &plans[endColumn], &ends, allSlots)
	for k := range entryParts {
		plans[endColumn+1+k].writeHead(out, &lay.cols[endColumn+1+k])
	}
	w := bits.MakeWriter(out[lay.heap:])
	var e bits.Entry
	for k := range entryParts {
		e.Width[k], e.Base[k] = uint64(lay.cols[endColumn+1+k].Width), plans[endColumn+1+k].base
	}
	c.eachRun(func(from, to int) {
		w.WriteEntries(&[entryParts][]uint32{c.part(partElement, from, to), c.part(partValue, from, to), c.part(partBucket, from, to)}, &e)
	})
}

// part returns a part of entries, nil if the kind does not have it.
func (c *entryColumns) part(k, from, to int) []uint32 {
	if !c.kind.has(k) {
		return nil
	}
	return c.parts[k][from:to]
}
