package index

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// Ascending ordinals are kept as gaps in a Rice code: a gap is the number of
// ordinals left out, its quotient by 1<<k that many zero bits and a one, its
// remainder k bits. With k = 0 that is a bitmap.

// riceFor returns the k that takes the fewest bits for ordinals from base on, or
// nearly so, and how many.
func riceFor(base state.Ordinal, ords []state.Ordinal) (k uint, size int) {
	span := int(ords[len(ords)-1]-base) + 1
	mean := max(1, span/len(ords))
	for k = uint(bits.Len(uint(mean)) - 1); k > 0; k-- {
		size, less := riceSizes(base, ords, k)
		if size <= less {
			return k, size
		}
	}
	return 0, span
}

// riceSizes returns the bits that ordinals take with k, and with k-1.
func riceSizes(base state.Ordinal, ords []state.Ordinal, k uint) (size, less int) {
	for _, o := range ords {
		gap := uint32(o - base)
		size += int(gap >> k)
		less += int(gap >> (k - 1))
		base = o + 1
	}
	return size + len(ords)*int(k+1), less + len(ords)*int(k)
}

// bitWriter appends bits, the low ones of a byte first.
type bitWriter struct {
	out []byte
	acc uint64
	n   uint // bits in acc, fewer than 32 between calls
}

// put appends the low n bits of v, whose others are zero; n is at most 32.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	if w.n += n; w.n >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.acc))
		w.acc >>= 32
		w.n -= 32
	}
}

func (w *bitWriter) close() []byte {
	for n := int(w.n); n > 0; n -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
	return w.out
}

// gap appends the code of a gap.
func (w *bitWriter) gap(n uint32, k uint) {
	zeros := uint(n >> k)
	code := uint64(n)&(1<<k-1)<<1 | 1
	for zeros+1+k > 32 && zeros > 0 {
		part := min(zeros, 32)
		w.put(0, part)
		zeros -= part
	}
	w.put(code<<zeros, zeros+1+k)
}

// copyFrom appends the bits of r from one place up to another.
func (w *bitWriter) copyFrom(r *riceReader, from, to int) {
	if to-from >= 64 {
		from = w.copyWords(r.data, from, to)
	}
	for ; to-from >= 32; from += 32 {
		w.put(uint64(uint32(r.bitsAt(from))), 32)
	}
	if n := uint(to - from); n > 0 {
		w.put(r.bitsAt(from)&(1<<n-1), n)
	}
}

// copyWords appends as many whole words of 64 bits as there are from one place
// of some data up to another, and returns the place behind them.
func (w *bitWriter) copyWords(data []byte, from, to int) int {
	out, acc, n := slices.Grow(w.out, (to-from)/8), w.acc, w.n
	shift := uint(from & 7)
	for i := from >> 3; to-from >= 64 && i+9 <= len(data); i += 8 {
		v := binary.LittleEndian.Uint64(data[i:])>>shift | uint64(data[i+8])<<(64-shift)
		out = binary.LittleEndian.AppendUint64(out, acc|v<<n)
		acc = v >> (64 - n)
		from += 64
	}
	w.out, w.acc = out, acc
	return from
}

// appendRice appends the code of ordinals from base on.
func appendRice(dst []byte, base state.Ordinal, ords []state.Ordinal, k uint) []byte {
	w := bitWriter{out: dst}
	for _, o := range ords {
		w.gap(uint32(o-base), k)
		base = o + 1
	}
	return w.close()
}

// riceReader yields ordinals again. Bytes behind them do no harm.
type riceReader struct {
	data []byte
	at   int // bit
	left int
	next state.Ordinal // the smallest that may come
	k    uint
}

// window is the bits that a reader can count on at any place.
const window = 57

// bitsAt returns the bits from at on, zeros behind the end.
func (r *riceReader) bitsAt(at int) uint64 {
	i := at >> 3
	if i+8 <= len(r.data) {
		return binary.LittleEndian.Uint64(r.data[i:]) >> (at & 7)
	}
	return r.lastBits(i) >> (at & 7)
}

func (r *riceReader) lastBits(i int) uint64 {
	var w uint64
	for k := 0; i+k < len(r.data); k++ {
		w |= uint64(r.data[i+k]) << (8 * k)
	}
	return w
}

// read returns the next ordinal, or NoOrdinal.
func (r *riceReader) read() state.Ordinal {
	if r.left <= 0 {
		return state.NoOrdinal
	}
	w := r.bitsAt(r.at)
	zeros := uint(bits.TrailingZeros64(w))
	if zeros+1+r.k > window {
		return r.readFar()
	}
	r.left--
	r.at += int(zeros + 1 + r.k)
	o := r.next + state.Ordinal(zeros<<r.k|uint(w>>(zeros+1))&(1<<r.k-1))
	r.next = o + 1
	return o
}

// readFar is read for a gap that no window has room for.
func (r *riceReader) readFar() state.Ordinal {
	var zeros uint
	for {
		n := uint(bits.TrailingZeros64(r.bitsAt(r.at) | 1<<(window-1)))
		w := r.bitsAt(r.at)
		r.at += int(n)
		zeros += n
		if w>>n&1 != 0 {
			break
		}
	}
	r.at++
	r.left--
	o := r.next + state.Ordinal(zeros<<r.k|uint(r.bitsAt(r.at))&(1<<r.k-1))
	r.at += int(r.k)
	r.next = o + 1
	return o
}

// skip passes over ordinals of a bitmap that are smaller than o, as far as that
// is quicker than reading them.
func (r *riceReader) skip(o state.Ordinal) {
	if r.k != 0 {
		return
	}
	for o-r.next >= window && r.left > 0 {
		n := min(int(o-r.next), 56)
		r.left -= bits.OnesCount64(r.bitsAt(r.at) & (1<<n - 1))
		r.at += n
		r.next += state.Ordinal(n)
	}
}

// splice appends the code that a reader is in front of, size bytes of it, after
// a change: codes that do not change are copied. It says false if the change
// removes what is not there or adds what is.
func (c change) splice(dst []byte, r riceReader, size int) ([]byte, bool) {
	w := bitWriter{out: dst}
	from := r.at // what is before is written
	for !c.empty() {
		at, base, o := r.seek(c.first())
		w.copyFrom(&r, from, at)
		for kept := false; !kept; {
			for len(c.added) > 0 && (c.added[0] < o || o == state.NoOrdinal) {
				w.gap(uint32(c.added[0]-base), r.k)
				base, c.added = c.added[0]+1, c.added[1:]
			}
			switch {
			case o == state.NoOrdinal:
				return w.close(), len(c.removed) == 0
			case len(c.added) > 0 && c.added[0] == o:
				return dst, false
			case len(c.removed) > 0 && c.removed[0] == o:
				c.removed = c.removed[1:]
				o = r.read()
			default:
				w.gap(uint32(o-base), r.k)
				kept = true
			}
		}
		from = r.at
	}
	w.copyFrom(&r, from, 8*size)
	return w.close(), true
}

// seek reads up to the first ordinal that is not smaller than x. It returns
// where that begins, what its gap counts from, and the ordinal.
func (r *riceReader) seek(x state.Ordinal) (at int, base, o state.Ordinal) {
	r.pass(x)
	at, base = r.at, r.next
	for o = r.read(); o < x && o != state.NoOrdinal; o = r.read() {
		at, base = r.at, r.next
	}
	return at, base, o
}

// pass passes over ordinals that are smaller than x, as far as windows have room
// for their gaps. It takes as many from each window as mostly fit: another number
// every time could not be predicted.
func (r *riceReader) pass(x state.Ordinal) {
	at, base, left, k := r.at, r.next, r.left, r.k
	mask := uint64(1)<<k - 1
	most := max(1, window/(int(k)+5))
	for left > 0 {
		w, room := r.bitsAt(at), uint(window)
		n := min(most, left)
		for ; n > 0; n-- {
			zeros := uint(bits.TrailingZeros64(w))
			size := zeros + 1 + k
			if size > room {
				break
			}
			o := base + state.Ordinal(uint64(zeros)<<k|w>>(zeros+1)&mask)
			if o >= x {
				r.at, r.next, r.left = at, base, left
				return
			}
			w >>= size & 63
			at, base, room, left = at+int(size), o+1, room-size, left-1
		}
		if room == window {
			break // a gap that no window has room for
		}
	}
	r.at, r.next, r.left = at, base, left
}

// goodSize says whether so many ordinals should take so many bytes with k: if
// their gaps have changed, another k is better.
func goodSize(n, size int, k uint) bool {
	zeros := 8*size - n*int(k+1)
	return zeros <= 2*n+8 && (k == 0 || zeros >= n/4)
}
