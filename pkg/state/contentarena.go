package state

import (
	"encoding/binary"

	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// contentArena holds the contents of the records that a version adds, each with
// its ordinal in front, so that who looks for a content waits for memory once.
// It grows without moving what it holds. The zero arena is empty.
type contentArena struct {
	chunks [][]byte
	full   int // bytes that are in use of the last one
}

const (
	arenaShift  = 18      // of units of 4 bytes: chunks of 1 MiB
	firstChunk  = 4 << 10 // bytes; each chunk is twice the one before, up to 1 MiB
	arenaHeader = 8       // ordinal, length
	// maxContentAt is the greatest number of a place that a contentTable has.
	maxContentAt = 1<<31 - 1
)

// add appends a record and returns where it is. It is false if the arena is
// full: at 8 GiB.
func (a *contentArena) add(o Ordinal, content []byte) (at uint32, ok bool) {
	n := (arenaHeader + len(content) + 3) &^ 3
	if len(a.chunks) == 0 || a.full+n > len(a.chunks[len(a.chunks)-1]) || a.full/4>>arenaShift > 0 {
		a.chunks = append(a.chunks, make([]byte, max(firstChunk<<min(len(a.chunks), 8), n)))
		a.full = 0
	}
	i := len(a.chunks) - 1
	if i<<arenaShift > maxContentAt-1<<arenaShift {
		return 0, false
	}
	b := a.chunks[i][a.full:]
	binary.LittleEndian.PutUint32(b, uint32(o))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(content)))
	copy(b[arenaHeader:], content)
	at = uint32(i<<arenaShift | a.full/4)
	a.full += n
	return at, true
}

// get returns the record at a place.
func (a *contentArena) get(at uint32) (o Ordinal, content []byte) {
	b := a.chunks[at>>arenaShift][at%(1<<arenaShift)*4:]
	o = Ordinal(binary.LittleEndian.Uint32(b))
	n := binary.LittleEndian.Uint32(b[4:])
	return o, b[arenaHeader : arenaHeader+n : arenaHeader+n]
}

// ask asks for the memory of a record whose content may have n bytes.
func (a *contentArena) ask(at uint32, n int) {
	prefetch.Range(&a.chunks[at>>arenaShift][at%(1<<arenaShift)*4], 0, arenaHeader+n)
}

// reset empties the arena, and keeps the last and largest chunk for what comes.
func (a *contentArena) reset() {
	if n := len(a.chunks); n > 0 {
		a.chunks[0], a.full = a.chunks[n-1], 0
		clear(a.chunks[1:])
		a.chunks = a.chunks[:1]
	}
}
