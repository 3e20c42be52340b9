// Package arena keeps blocks of bytes for versions that share them.
//
// Blocks lie in segments, large byte slices without pointers that the garbage
// collector owns: it sees a few hundred objects where there are millions of
// records, and what a reader holds cannot be freed under it. An [Arena] is the
// blocks of one version. The next version is made by a [Writer]: it goes on in
// the open segments of the version before, behind everything that older
// versions look at, and takes a segment off its list once none of its own
// blocks is left there. Older versions keep theirs.
package arena

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

const (
	unitShift    = 2 // blocks begin at multiples of 4 bytes
	segmentShift = 16
	// SegmentBytes is the size of a full-grown segment.
	SegmentBytes = 1 << (segmentShift + unitShift)
	firstSegment = 1 << 12 // bytes of the first segments; later ones grow with the arena
	maxSegments  = 1 << 16
	// openShare is what part of an arena a segment is at least, until it is
	// full-grown: segments that are not full are waste.
	openShare = 32

	maxCredit = 16 * SegmentBytes
	line      = 64 // bytes of a cache line

	// Pad is the number of bytes behind each block that may be read, so that a
	// reader can always take whole words.
	Pad = 8
)

// ErrFull says that an arena has more than 16 GiB, or as many segments as that
// takes.
var ErrFull = errors.New("more than 16 GiB in one arena")

// Handle names a block in one version. 0 is no block. Versions that share a
// block may know it by different handles.
type Handle uint32

// Place returns the number of a block's segment and its offset there, in bytes.
func (h Handle) Place() (segment, offset int) {
	return int(h >> segmentShift), int(h&(1<<segmentShift-1)) << unitShift
}

// Streams keep blocks apart that die at different ages, so that whole segments
// become empty.
const (
	New     = iota // blocks of the change
	Moved          // blocks that were moved out of emptying segments
	streams = 2
)

// Arena is the blocks of one version. It is immutable and safe for any number
// of readers. The zero Arena has none.
type Arena struct {
	segs [][]byte // by number; nil where no block of this version is
	live []int64  // bytes of this version's blocks, by segment
	mem  bits.Segments
	open [streams]opening

	used   int64 // sum of live
	held   int64 // bytes of the segments
	credit int64 // bytes that may be moved
}

// opening is a segment that is not full.
type opening struct {
	number int // 0 if there is none
	tail   int // where this version's part ends
	// claim is the segment's own tail. Who swaps it from the tail that he knows
	// to taken may write behind that; nobody else may.
	claim *atomic.Int64
}

const taken = -1

// Block returns the bytes from the start of a block to the end of its segment:
// the caller knows how long the block is, and may read Pad bytes more.
func (a *Arena) Block(h Handle) []byte {
	return a.segs[h>>segmentShift][uint64(h&(1<<segmentShift-1))<<unitShift:]
}

// Page is Block for those who read packed numbers. It is not checked that there
// is such a block. That of handle 0 is zeros.
func (a *Arena) Page(h Handle) bits.Page {
	return a.mem.Page(uint64(h>>segmentShift), uint64(h&(1<<segmentShift-1))<<unitShift)
}

// Used returns the bytes of the blocks, Held those of the segments that they
// lie in.
func (a *Arena) Used() int64 { return a.used }

// Held is described at Used.
func (a *Arena) Held() int64 { return a.held }

// Segments yields the segments that the blocks lie in.
func (a *Arena) Segments() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, seg := range a.segs {
			if seg != nil && !yield(seg) {
				return
			}
		}
	}
}

// Same says whether block h of a and block g of b are one place in memory.
func Same(a *Arena, h Handle, b *Arena, g Handle) bool {
	if h&(1<<segmentShift-1) != g&(1<<segmentShift-1) {
		return false
	}
	x, y := a.segs[h>>segmentShift], b.segs[g>>segmentShift]
	return &x[0] == &y[0]
}

// A Writer makes the next version of an Arena. It is for one goroutine, and
// ends with Close, CloseTrimmed or Discard.
type Writer struct {
	Arena
	from     [streams]int // where it began to write in open segments that it found
	expected int64        // see Expect
	moves    int64        // see MoveAtMost
	err      error
}

// Expect says about how many bytes the arena will hold, so that the first
// segments are not smaller than the later ones.
func (w *Writer) Expect(n int64) { w.expected = n }

// Edit returns a Writer of the version after a.
func (a *Arena) Edit() *Writer {
	w := &Writer{Arena: *a, moves: movesPerByte}
	w.segs = append(make([][]byte, 0, len(a.segs)+4), a.segs...)
	w.live = append(make([]int64, 0, len(a.live)+4), a.live...)
	if len(w.segs) == 0 {
		w.segs, w.live = append(w.segs, nil), append(w.live, 0)
	}
	for i := range w.open {
		o := &w.open[i]
		if o.number == 0 {
			continue
		}
		if !o.claim.CompareAndSwap(int64(o.tail), taken) {
			w.seal(i) // another version went on there
			continue
		}
		w.from[i] = o.tail
		o.tail = (o.tail + Pad + line - 1) &^ (line - 1)
	}
	return w
}

// Put copies a block into the arena and returns its handle. Once it has failed
// it returns 0; Err and Close say why.
func (w *Writer) Put(stream int, block []byte) Handle {
	h, dst := w.Reserve(stream, len(block))
	copy(dst, block)
	return h
}

// Reserve is Put of a block of that length that the caller writes, before the
// next call, to the slice that it returns; there, Pad bytes behind the block may
// be overwritten. The slice is nil once it has failed.
func (w *Writer) Reserve(stream, length int) (Handle, []byte) {
	n := roundUp(length)
	o := &w.open[stream]
	if o.number == 0 || o.tail+n+Pad > len(w.segs[o.number]) {
		if !w.grow(stream, n+Pad) {
			return 0, nil
		}
	}
	h := Handle(o.number<<segmentShift | o.tail>>unitShift)
	end := o.tail + length + Pad
	dst := w.segs[o.number][o.tail:end:end]
	o.tail += n
	w.count(h, n)
	if stream == New {
		w.credit += w.moves * int64(n)
	}
	return h, dst
}

// Err says why the Writer has failed, nil if it has not.
func (w *Writer) Err() error { return w.err }

func roundUp(n int) int {
	const unit = 1 << unitShift
	return max((n+unit-1)&^(unit-1), unit)
}

func (w *Writer) count(h Handle, n int) {
	w.live[h>>segmentShift] += int64(n)
	w.used += int64(n)
}

// Drop says that a block of that length is no longer part of the version.
func (w *Writer) Drop(h Handle, length int) {
	w.count(h, -roundUp(length))
	if number := int(h >> segmentShift); w.live[number] == 0 && !w.isOpen(number) {
		w.release(number)
	}
}

func (w *Writer) isOpen(number int) bool {
	return w.open[New].number == number || w.open[Moved].number == number
}

func (w *Writer) release(number int) {
	w.held -= int64(len(w.segs[number]))
	w.segs[number] = nil
}

// grow opens a segment with room for n bytes.
func (w *Writer) grow(stream, n int) bool {
	w.seal(stream)
	if w.err != nil {
		return false
	}
	number := 1
	for number < len(w.segs) && w.segs[number] != nil {
		number++
	}
	if number >= maxSegments {
		w.err = ErrFull
		return false
	}
	if number == len(w.segs) {
		w.segs, w.live = append(w.segs, nil), append(w.live, 0)
	}
	size := firstSegment
	for size < SegmentBytes && int64(size) < max(w.held, w.expected)/openShare {
		size *= 2
	}
	w.segs[number] = make([]byte, max(size, n))
	w.held += int64(len(w.segs[number]))
	w.open[stream] = opening{number: number, claim: new(atomic.Int64)}
	w.open[stream].claim.Store(taken)
	return true
}

// seal ends the open segment of a stream for good.
func (w *Writer) seal(stream int) {
	number := w.open[stream].number
	w.open[stream] = opening{}
	if number != 0 && w.live[number] == 0 {
		w.release(number)
	}
}

// movesPerByte is how many bytes may be moved for each that is written, unless
// MoveAtMost says otherwise. Where blocks die at random, a share u of what is held is in
// use once movesPerByte*(1-u) = u, so 3 keeps the waste under a quarter, in practice half
// of that; but what is moved is not shared with older versions.
const movesPerByte = 3

// MoveAtMost says how many bytes may be moved for each that is written from now on: less
// than by default in an arena of which much is written, and which is a small part of all.
func (w *Writer) MoveAtMost(perByte int64) { w.moves = perByte }

// Sparse says which segments are worth emptying now, by number; nil if none is:
// those that are less than three quarters full, the emptiest first, if more than
// a tenth of what the arena holds is waste. What is moved is in proportion to
// what was written since the last time, so the cost of a version stays in
// proportion to its change. It follows how log-structured stores clean
// (Rosenblum and Ousterhout, 1992).
//
// search is how many bytes of handles the caller looks through to find the
// blocks in them: it is not worth it for much less.
func (w *Writer) Sparse(search int) []bool {
	if w.held-w.used <= max(w.used/10, 2*firstSegment) {
		return nil
	}
	var list []int
	for number, seg := range w.segs {
		if seg != nil && !w.isOpen(number) && w.live[number] < int64(len(seg))*3/4 {
			list = append(list, number)
		}
	}
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(w.live[a], w.live[b]) })
	credit, gain, n := w.credit, int64(0), 0
	for ; n < len(list) && credit >= w.live[list[n]]; n++ {
		credit -= w.live[list[n]]
		gain += int64(len(w.segs[list[n]]))
	}
	if n == 0 || gain < min(int64(search/2), maxCredit/2) {
		w.credit = min(w.credit, maxCredit)
		return nil
	}
	w.credit = min(credit, maxCredit)
	out := make([]bool, len(w.segs))
	for _, number := range list[:n] {
		out[number] = true
	}
	return out
}

// In says whether a block is in one of the segments that Sparse returned.
func In(sparse []bool, h Handle) bool {
	number := int(h >> segmentShift)
	return number < len(sparse) && sparse[number]
}

// Close ends the Writer and returns the version, or why there is none: ErrFull.
func (w *Writer) Close() (Arena, error) {
	if w.err != nil {
		w.Discard()
		return Arena{}, w.err
	}
	for i := range w.open {
		if o := &w.open[i]; o.number != 0 {
			o.claim.Store(int64(o.tail))
		}
	}
	return w.sealed(), nil
}

// sealed returns the version, to which nothing will be added.
func (w *Writer) sealed() Arena {
	w.mem = bits.MakeSegments(w.segs)
	return w.Arena
}

// Page is described at Arena: here, of blocks that were written, too.
func (w *Writer) Page(h Handle) bits.Page { return bits.PageAt(w.Block(h), 0) }

// CloseTrimmed is Close for a version that was written at once: it gives back
// what is left of its open segments.
func (w *Writer) CloseTrimmed() (Arena, error) {
	if w.err != nil {
		w.Discard()
		return Arena{}, w.err
	}
	for i := range w.open {
		o := w.open[i]
		w.seal(i)
		if o.number == 0 || w.segs[o.number] == nil {
			continue
		}
		seg := w.segs[o.number]
		own := make([]byte, min(o.tail+Pad, len(seg))) // the tail of a full one may be behind its end
		copy(own, seg)
		w.held += int64(len(own) - len(seg))
		w.segs[o.number] = own
	}
	return w.sealed(), nil
}

// Discard ends the Writer without a version.
func (w *Writer) Discard() {
	for i := range w.open {
		if o := &w.open[i]; o.number != 0 {
			o.claim.Store(int64(w.from[i])) // a segment of its own is lost with it
		}
	}
}

// Join returns the blocks of several arenas, none of which may be written to
// again, as one, and for each what is to be added to its handles.
func Join(parts []Arena) (Arena, []Handle, error) {
	var all Arena
	all.segs, all.live = append(all.segs, nil), append(all.live, 0)
	var shift []Handle
	for _, p := range parts {
		shift = append(shift, Handle(max(0, len(all.segs)-1)<<segmentShift))
		if len(p.segs) > 0 {
			all.segs, all.live = append(all.segs, p.segs[1:]...), append(all.live, p.live[1:]...)
		}
		all.used += p.used
		all.held += p.held
	}
	if len(all.segs) > maxSegments {
		return Arena{}, nil, ErrFull
	}
	all.mem = bits.MakeSegments(all.segs)
	return all, shift, nil
}
