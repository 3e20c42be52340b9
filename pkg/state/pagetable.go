package state

// pageTable is the page table of one version: the chunks by number, shared
// between versions and copied on write. Where no ordinal is populated there is
// a chunk without entries, so that a look-up needs no test. The list itself is
// copied for each version: 8 bytes for 512 ordinals.
type pageTable []*chunk

// noChunk stands where no ordinal is populated. Nobody writes to it.
var noChunk chunk

// get returns the i'th chunk.
func (t pageTable) get(i int) *chunk {
	if i >= len(t) {
		return &noChunk
	}
	return t[i]
}

// A pageTableEdit is a page table under construction: each chunk is copied at most
// once, on the first write to it.
type pageTableEdit struct {
	pageTable
	own []uint64 // a bit for each chunk that is a copy
}

// edit returns a copy of t that can be written without touching t.
func (t pageTable) edit() *pageTableEdit {
	return &pageTableEdit{append(make(pageTable, 0, len(t)+len(t)/64), t...), make([]uint64, (len(t)+63)/64)}
}

// chunk returns the i'th chunk for writing, making or copying it if need be.
func (e *pageTableEdit) chunk(i int) *chunk {
	for len(e.pageTable) <= i {
		e.pageTable = append(e.pageTable, &noChunk)
	}
	for len(e.own) <= i/64 {
		e.own = append(e.own, 0)
	}
	if e.own[i/64]>>(i%64)&1 == 0 {
		c := *e.pageTable[i]
		e.pageTable[i] = &c
		e.own[i/64] |= 1 << (i % 64)
	}
	return e.pageTable[i]
}
