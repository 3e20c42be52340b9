package state

import (
	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// asked is for how many records memory is asked for by one call.
const asked = 8

// prefetched is how many bytes of a page's columns are asked for: all, of most.
const prefetched = 3 * 64

// Prefetch asks for the memory of records that will be read soon: who reads
// what a list refers to waits once instead of once a record. It changes no
// result, and is worth its price from about three records on.
func (t *Type) Prefetch(list []Ordinal) {
	for len(list) > 0 {
		var ask asking
		n := min(asked, len(list))
		for _, o := range list[:n] {
			e := t.entry(o)
			if e == 0 {
				continue
			}
			lay, data := t.lays.get(e.layout()), t.blocks.Page(e.handle())
			ask.add(data, 0, min(int(lay.heap), prefetched))
			if at, n := t.heapOf(lay, slot(o)); n > 0 {
				ask.add(data, at, n)
			}
		}
		ask.end()
		list = list[n:]
	}
}

// prefetch asks for the memory of o.
func (t *Type) prefetch(o Ordinal) {
	if e := t.entry(o); e != 0 {
		lay, data := t.lays.get(e.layout()), t.blocks.Page(e.handle())
		prefetch.Range(data.Byte(0), 0, min(int(lay.heap), prefetched))
		t.askHeap(lay, data, slot(o))
	}
}

// prefetchPage asks for the page of o.
func (t *Type) prefetchPage(o Ordinal) {
	if e := t.entry(o); e != 0 {
		prefetch.Range(t.blocks.Page(e.handle()).Byte(0), 0, min(max(int(t.pageBytes), prefetched), 4*prefetched))
	}
}

// askHeap asks for what record i has in the heap of a page. Who reads a text waits
// for its column, too, at the same time then.
func (t *Type) askHeap(lay *layout, data bits.Page, i int) {
	if at, n := t.heapOf(lay, i); n > 0 {
		prefetch.Range(data.Byte(0), at, n)
	}
}

// heapOf returns about where record i of a page has its part of the heap, and how
// many bytes that is: none if they are all over it.
func (t *Type) heapOf(lay *layout, i int) (at, n int) {
	if each := (int(t.pageBytes) - int(lay.heap)) / pageSize; lay.inOrder && each > 0 {
		return int(lay.heap) + i*each, each
	}
	return 0, 0
}

// Prefetch asks for the memory of r, which must be a record: for what it takes to
// read these fields of an OBJECT, or for all if there are none. See Type.Prefetch.
func (r Record) Prefetch(fields ...int) {
	c := r.t.reach(fields)
	at, n := c.columns(r)
	prefetch.Range(r.data.Byte(0), at, n)
	if c.heap {
		r.t.askHeap(r.lay, r.data, r.slot())
	}
}

// Locate sets found[i] to the record list[i], to one without a type if there is
// none, and asks for their memory as Record.Prefetch does: records that are read
// one after the other are waited for once. It panics if found is shorter than list.
func (t *Type) Locate(found []Record, list []Ordinal, fields ...int) {
	found = found[:len(list)]
	reach := t.reach(fields)
	for len(list) > 0 {
		n := min(asked, len(list))
		for i, o := range list[:n] {
			e := t.entry(o)
			if e>>(uint32(o)%pageSize)&1 == 0 {
				found[i] = Record{}
				continue
			}
			found[i] = Record{t, t.lays.get(e.layout()), t.blocks.Page(e.handle()), o}
		}
		reach.ask(found[:n])
		found, list = found[n:], list[n:]
	}
}

// Unmatched returns a bit for each of up to 64 records whose field f, which is neither
// STRING nor BYTES, is not what Record.Bits returns as bits[i], or that has no type.
func Unmatched(records []Record, f int, bits []uint64) (others uint64) {
	for i, want := range bits[:len(records)] {
		r := &records[i]
		if r.t == nil {
			others |= 1 << (i & 63)
			continue
		}
		c, slot := r.lay.column(f), uint64(r.slot()) // as in number
		if c.Number(r.data.Word(c.At(slot)>>3), r.data.Word(c.Head), slot) != want {
			others |= 1 << (i & 63)
		}
	}
	return others
}

// reach is the columns of records from the first to the last that will be read, which
// lie beside each other, or all of them.
type reach struct {
	first, last int
	all         bool
	heap        bool // will be read, too
}

// reach returns what fields take, all of them if there are none.
func (t *Type) reach(fields []int) reach {
	if len(fields) == 0 {
		return reach{all: true, heap: true}
	}
	c := reach{first: fields[0], last: fields[0]}
	for _, f := range fields {
		c.first, c.last = min(c.first, f), max(c.last, f)
		c.heap = c.heap || t.schema.Fields[f].Type.variable()
	}
	return c
}

// columns returns where the columns of r begin in its page, and how long they are up to
// what r has in the last.
func (c reach) columns(r Record) (at, n int) {
	if c.all {
		return 0, min(int(r.lay.heap), prefetched)
	}
	at = int(r.lay.column(c.first).Head)
	return at, int(r.lay.column(c.last).At(uint64(r.slot())+1)>>3) - at + 1
}

// ask asks for what up to asked records have within reach.
func (c reach) ask(records []Record) {
	var ask asking
	for i := range records {
		r := &records[i]
		if r.t == nil {
			continue
		}
		at, n := c.columns(*r)
		ask.add(r.data, at, n)
		if c.heap {
			if at, n := r.t.heapOf(r.lay, r.slot()); n > 0 {
				ask.add(r.data, at, n)
			}
		}
	}
	ask.end()
}

// asking is what of up to asked records is asked for together.
type asking struct {
	n     int
	spans [2 * asked]prefetch.Span
}

func (a *asking) add(data bits.Page, at, n int) {
	a.spans[a.n%len(a.spans)] = prefetch.MakeSpan(data.Byte(0), at, n)
	a.n++
}

// end asks for what was added.
func (a *asking) end() { prefetch.Spans(a.spans[:a.n]) }
