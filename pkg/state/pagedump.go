package state

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"unicode"
)

const (
	dumpValues = 3  // values of a column that are shown
	dumpNames  = 4  // columns without a byte that are named
	dumpName   = 24 // characters of a name that are shown
)

// DumpPages writes what each page of a type is: the ordinals that are populated,
// where it lies, and what each of its columns takes and holds. It is for people
// who look at how records lie in memory (docs/memory.md).
func (t *Type) DumpPages(w io.Writer) error {
	d := pageDumper{bufio.NewWriterSize(w, 1<<16), t}
	fmt.Fprintf(d.out, "%s: %v of %d records\n", shortName(t.schema.Name), t.schema.Kind, t.count)
	for i, c := range t.table {
		for p, e := range c {
			if e != 0 {
				d.page(Ordinal(i<<chunkShift|p<<pageShift), e)
			}
		}
	}
	return d.close()
}

// DumpPage writes the page of one record, which must be populated.
func (t *Type) DumpPage(w io.Writer, o Ordinal) error {
	d := pageDumper{bufio.NewWriter(w), t}
	fmt.Fprintf(d.out, "%s: the page of ordinal %d\n", shortName(t.schema.Name), o)
	d.page(o&^(pageSize-1), t.entry(o))
	return d.close()
}

type pageDumper struct {
	out *bufio.Writer
	t   *Type
}

func (d pageDumper) close() error {
	if err := d.out.Flush(); err != nil {
		return fmt.Errorf("write pages: %w", err)
	}
	return nil
}

// page writes a page, a line for each column that takes a byte.
func (d pageDumper) page(first Ordinal, e entry) {
	p := d.t.pageAt(e)
	segment, offset := e.handle().Place()
	fmt.Fprintf(d.out, "page %d: ordinals %s; %d bytes at %d of segment %d, layout %d\n",
		first>>pageShift, someRanges(first, e.live()), p.size(), offset, segment, e.layout())
	var empty []string
	for i := range p.lay.cols {
		c := &p.lay.cols[i]
		name := d.t.columnName(i)
		switch {
		case name == "":
		case c.Bytes() == 0:
			empty = append(empty, name)
		case d.t.schema.Kind != Object && i > endColumn:
			d.entries(p, i, name, e.live())
		default:
			text := p.describe(c) + d.values(first, e.live(), i)
			if k := p.lay.shapes[i].kind; k == shapeEnds || k == shapeNullEnds {
				text = "ends of " + text
			}
			d.line(name, int(c.Head), c.Bytes(), text)
		}
	}
	d.partHeads(p)
	d.heap(p)
	if len(empty) > 0 {
		fmt.Fprintf(d.out, "  %-*s %7s %7s  %s\n", dumpName, "null, empty or 0", "", "", someNames(empty))
	}
}

func (d pageDumper) line(name string, at, n int, text string) {
	fmt.Fprintf(d.out, "  %-*s %7d %7d  %s\n", dumpName, name, at, n, text)
}

// heap writes where the values of a page's STRING and BYTES columns lie, or the
// entries of its collections.
func (d pageDumper) heap(p page) {
	n := p.size() - int(p.lay.heap)
	if n == 0 {
		return
	}
	text := "values of STRING and BYTES fields"
	if d.t.schema.Kind != Object {
		_, entries := p.entries(pageSize - 1)
		text = fmt.Sprintf("%d entries of %d bits", entries, p.lay.entryBits)
	}
	d.line("heap", int(p.lay.heap), n, text)
}

// partHeads writes where the bases of a collection's parts lie.
func (d pageDumper) partHeads(p page) {
	if !p.lay.collection {
		return
	}
	n := 0
	for i := range p.lay.cols[endColumn+1:] {
		n += p.lay.cols[endColumn+1+i].HeadBytes()
	}
	if n > 0 {
		d.line("head", int(p.lay.heap)-n, n, "bases of the parts of entries")
	}
}

// entries writes one part of the entries of a page's collections.
func (d pageDumper) entries(p page, i int, name string, live uint16) {
	c := &p.lay.cols[i]
	_, n := p.entries(pageSize - 1)
	var some []string
	for ; live != 0; live &= live - 1 {
		start, end := p.entries(bits.TrailingZeros16(live))
		for ; start < end && len(some) <= dumpValues; start++ {
			some = append(some, fmt.Sprint(p.entry(start, i-endColumn-1)))
		}
	}
	d.line(name, int(p.lay.heap), int(n*uint64(c.Width)+7)/8, p.describe(c)+listOf(some))
}

// values shows the first of a column's values.
func (d pageDumper) values(first Ordinal, live uint16, f int) string {
	var some []string
	for ; live != 0 && len(some) <= dumpValues; live &= live - 1 {
		r := d.t.Record(first + Ordinal(bits.TrailingZeros16(live)))
		if d.t.schema.Kind != Object {
			some = append(some, fmt.Sprint(r.Len()))
			continue
		}
		v := r.Value(f)
		if !v.kind.variable() {
			some = append(some, v.String())
		} else {
			some = append(some, shortText(v))
		}
	}
	return listOf(some)
}

func listOf(some []string) string {
	if len(some) > dumpValues {
		some[dumpValues] = "…"
	}
	return ": " + strings.Join(some, " ")
}

// shortText shows the beginning of a STRING or BYTES value.
func shortText(v Value) string {
	const most = 16
	if v.kind == Bytes {
		if len(v.data) > most {
			return fmt.Sprintf("0x%x…", v.data[:most])
		}
		return fmt.Sprintf("0x%x", v.data)
	}
	text := []rune(v.String())
	if len(text) > most {
		return fmt.Sprintf("%q…", string(text[:most]))
	}
	return fmt.Sprintf("%q", string(text))
}

// describe says how a column of the page stores its numbers.
func (p page) describe(c *column) string {
	text := fmt.Sprintf("%d bits", c.Width)
	if c.Width == 1 {
		text = "1 bit"
	}
	if c.HeadBytes() > 0 {
		base, slope := p.head(c)
		text += fmt.Sprintf(", base %d", base)
		if slope > 0 {
			text += fmt.Sprintf(", slope %d", slope)
		}
	}
	if c.Div > 1 {
		text += fmt.Sprintf(", units of %d", c.Div)
	}
	if c.NullBits > 0 {
		text += ", one of them for null"
	}
	return text
}

// columnName returns the name of a column, "" if the kind of type has none.
func (t *Type) columnName(i int) string {
	switch k := t.schema.Kind; {
	case k == Object:
		return shortName(t.schema.Fields[i].Name)
	case i == endColumn:
		return "ends"
	case i == endColumn+1:
		return map[Kind]string{List: "elements", Set: "elements", Map: "keys"}[k]
	case i == endColumn+2 && k == Map:
		return "values"
	case i == endColumn+3 && k != List:
		return "buckets"
	}
	return ""
}

// shortName returns a name as it can be printed anywhere.
func shortName(name string) string {
	var out []rune
	for _, r := range name {
		if len(out) == dumpName-1 {
			return string(out) + "…"
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}

func someNames(names []string) string {
	if n := len(names) - dumpNames; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:dumpNames], ", "), n)
	}
	return strings.Join(names, ", ")
}

// someRanges lists the populated ordinals of a page.
func someRanges(first Ordinal, live uint16) string {
	var out []string
	for live != 0 {
		from := bits.TrailingZeros16(live)
		n := bits.TrailingZeros16(^(live >> from))
		if n == 1 {
			out = append(out, fmt.Sprint(first+Ordinal(from)))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", first+Ordinal(from), first+Ordinal(from+n-1)))
		}
		live &^= uint16(1<<n-1) << from
	}
	return strings.Join(out, " ")
}

// DumpMemory writes how many bytes each part of a type takes in memory. Indexes
// are not counted.
func (t *Type) DumpMemory(w io.Writer) error {
	out := bufio.NewWriter(w)
	t.memory().write(out, t)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write memory of a type: %w", err)
	}
	return nil
}

// DumpMemory is Type.DumpMemory for all types, and the sum of them.
func (s *State) DumpMemory(w io.Writer) error {
	out := bufio.NewWriter(w)
	pages, sum := 0, 0
	for _, t := range s.types {
		m := t.memory()
		m.write(out, t)
		pages += m.pages
		sum += m.all(t)
	}
	fmt.Fprintf(out, "all: %d types; pages %d\n  %-*s %12d\n", len(s.types), pages, dumpName+6, "all", sum)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write memory of types: %w", err)
	}
	return nil
}

// pageMemory counts the bytes of a type's parts.
type pageMemory struct {
	pages, heads int
	columns      []int // bits, by column
	heaps        []int // bytes, by column
	sum          int   // bytes of all pages
	table        int
}

// memory adds up all pages of t.
func (t *Type) memory() *pageMemory {
	n := len(t.schema.Fields)
	if t.schema.Kind != Object {
		n = endColumn + 4
	}
	m := &pageMemory{columns: make([]int, n), heaps: make([]int, n)}
	for _, c := range t.table {
		m.table += 8
		if c != &noChunk {
			m.table += 8 * chunkPages
		}
		for _, e := range c {
			if e != 0 {
				m.add(t.pageAt(e))
			}
		}
	}
	return m
}

func (m *pageMemory) add(p page) {
	m.pages++
	m.sum += p.size()
	entries, start := uint64(0), uint64(0)
	if p.lay.collection {
		_, entries = p.entries(pageSize - 1)
	}
	for i := range p.lay.cols {
		c := &p.lay.cols[i]
		m.heads += c.HeadBytes()
		switch p.lay.shapes[i].kind {
		case shapeParts:
			m.columns[i] += int(entries) * int(c.Width)
			continue
		case shapeEnds, shapeNullEnds:
			end, _ := p.end(c, pageSize-1)
			m.heaps[i] += int(end - start)
			start = end
		}
		m.columns[i] += pageSize * int(c.Width)
	}
}

func (m *pageMemory) write(out io.Writer, t *Type) {
	fmt.Fprintf(out, "%s: %v of %d records; pages %d, layouts %d\n", shortName(t.schema.Name), t.schema.Kind, t.count, m.pages, len(t.interned.all()))
	fmt.Fprintf(out, "  %-*s %12s %12s\n", dumpName+6, "", "bytes", "a record")
	line := func(name string, n int) {
		fmt.Fprintf(out, "  %-*s %12d %12.2f\n", dumpName+6, name, n, float64(n)/float64(max(t.count, 1)))
	}
	line("heads", m.heads)
	rest := m.sum - m.heads
	for i, n := range m.columns {
		name := t.columnName(i)
		if name == "" {
			continue
		}
		line(name, (n+7)/8)
		rest -= (n + 7) / 8
		if m.heaps[i] > 0 {
			line(name+", heap", m.heaps[i])
			rest -= m.heaps[i]
		}
	}
	line("page table", m.table)
	held := int(t.blocks.Held())
	line("waste", held-m.sum+rest) // in segments, and of bits that fill no byte
	line("all", m.all(t))
}

// all returns the bytes that the type takes.
func (m *pageMemory) all(t *Type) int { return int(t.blocks.Held()) + m.table }
