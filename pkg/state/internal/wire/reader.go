// Package wire is the only reader and writer of the bytes of Hollow's blobs:
// integers, variable-length integers, modified UTF-8, bit arrays and gap-coded
// ordinals, as docs/format/hollow.md lists them.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// ErrCorrupt is the cause of every error of a Reader.
var ErrCorrupt = errors.New("corrupt blob")

// Error says where a blob stopped making sense. It wraps ErrCorrupt.
type Error struct {
	Section string // what was being read, for a person
	Offset  int    // byte offset in the blob
	Reason  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("corrupt blob: %s at byte %d: %s", e.Section, e.Offset, e.Reason)
}

// Unwrap returns ErrCorrupt.
func (e *Error) Unwrap() error { return ErrCorrupt }

// Reader is a cursor over a blob with a sticky error: after the first error
// every method returns zero. It never reads past its data, and it never
// allocates by a number that it read, beyond the length of the blob.
type Reader struct {
	data    []byte             // what is there of the blob
	off     int                // of the next byte, in data
	start   int                // of data, in the blob
	size    int                // of the blob
	src     io.Reader          // of what is behind data; nil if nothing is
	alloc   func(n int) []byte // for what comes from src
	section string
	err     error
}

// NewReader returns a cursor at the start of data, which it does not copy.
func NewReader(data []byte) *Reader {
	return &Reader{data: data, size: len(data), section: "header"}
}

// NewStream returns a cursor over the size bytes that src has. It fails with
// what src fails with. What Bytes and Array return is from alloc.
func NewStream(src io.Reader, size int, alloc func(n int) []byte) *Reader {
	return &Reader{data: make([]byte, 0, window), size: size, src: src, alloc: alloc, section: "header"}
}

// window is how much of a stream is read ahead, in bytes.
const window = 64 << 10

// Section names what is read from here on, for errors.
func (r *Reader) Section(name string) { r.section = name }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Offset returns the position of the next byte.
func (r *Reader) Offset() int { return r.start + r.off }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return r.size - r.Offset() }

// Fail makes the cursor fail at its present offset, unless it already has.
func (r *Reader) Fail(format string, args ...any) { r.failAt(r.Offset(), format, args...) }

func (r *Reader) failAt(offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{r.section, offset, fmt.Sprintf(format, args...)}
	}
}

// FailWith makes the cursor fail with err, unless it already has.
func (r *Reader) FailWith(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Bytes returns the next n bytes: a copy if they come from a stream, else those
// of the blob.
func (r *Reader) Bytes(n uint64) []byte {
	if !r.has(n) {
		return nil
	}
	if r.src != nil {
		return r.copied(int(n))
	}
	b := r.data[r.off : r.off+int(n) : r.off+int(n)]
	r.off += int(n)
	return b
}

// has says whether there are n bytes more, and fails if not.
func (r *Reader) has(n uint64) bool {
	if r.err == nil && n > uint64(r.Len()) {
		r.Fail("%d bytes are announced, %d are left", n, r.Len())
	}
	return r.err == nil
}

// copied returns the next n bytes of a stream.
func (r *Reader) copied(n int) []byte {
	b := r.alloc(n)
	had := copy(b, r.data[r.off:])
	if !r.read(b[had:]) {
		return nil
	}
	r.off += had
	r.start += n - had
	return b
}

// few returns the next n bytes, at most window of them, until the next call of a
// method; nil after a failure.
func (r *Reader) few(n int) []byte {
	if !r.has(uint64(n)) {
		return nil
	}
	if r.fill(n); r.err != nil {
		return nil
	}
	b := r.data[r.off : r.off+n]
	r.off += n
	return b
}

// fill sees to it that the next n bytes are in data, or all that are left.
func (r *Reader) fill(n int) {
	have := len(r.data) - r.off
	if r.src == nil || have >= min(n, r.Len()) {
		return
	}
	copy(r.data, r.data[r.off:])
	r.start, r.off = r.start+r.off, 0
	r.data = r.data[:min(r.Len(), cap(r.data))]
	r.read(r.data[have:])
}

// read reads all of b from the stream.
func (r *Reader) read(b []byte) bool {
	_, err := io.ReadFull(r.src, b)
	switch {
	case err == nil:
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.Fail("the blob ends before its %d bytes", r.size)
	default:
		r.err = fmt.Errorf("read blob: %w", err)
	}
	return false
}

// U8 reads one byte.
func (r *Reader) U8() uint8 {
	if b := r.few(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads a 16-bit big-endian number.
func (r *Reader) U16() uint16 {
	if b := r.few(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// I32 reads a 32-bit big-endian number.
func (r *Reader) I32() int32 {
	if b := r.few(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// I64 reads a 64-bit big-endian number.
func (r *Reader) I64() int64 {
	if b := r.few(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Vint reads a 32-bit variable-length integer.
func (r *Reader) Vint() int32 {
	v := r.varint(5)
	return int32(uint32(v))
}

// Vlong reads a 64-bit variable-length integer as unsigned.
func (r *Reader) Vlong() uint64 { return r.varint(10) }

func (r *Reader) varint(most int) uint64 {
	if r.err != nil {
		return 0
	}
	if r.fill(most); r.err != nil {
		return 0
	}
	var v uint64
	for i := range most {
		if r.off >= len(r.data) {
			r.Fail("ends inside a variable-length integer")
			return 0
		}
		b := r.data[r.off]
		if i == 0 && b == 0x80 {
			r.Fail("null where a number is needed")
			return 0
		}
		r.off++
		v = v<<7 | uint64(b&0x7f)
		if b&0x80 == 0 {
			return v
		}
	}
	r.Fail("variable-length integer is longer than %d bytes", most)
	return 0
}

// Count reads a Vint that must not be negative.
func (r *Reader) Count() int {
	n := r.Vint()
	if n < 0 {
		r.Fail("count %d is negative", n)
		return 0
	}
	return int(n)
}

// UTF reads a string in Java's modified UTF-8 with its length before it.
func (r *Reader) UTF() string {
	start := r.Offset()
	s, ok := decodeModified(r.few(int(r.U16())))
	if !ok {
		r.failAt(start, "name is not modified UTF-8")
	}
	return s
}

// Array reads a bit array with its word count before it.
func (r *Reader) Array() bits.BlobWords { return r.Words(r.Vlong()) }

// Words reads a bit array of n words.
func (r *Reader) Words(n uint64) bits.BlobWords {
	if r.err == nil && n > uint64(r.Len())/8 {
		r.Fail("%d words are announced, %d bytes are left", n, r.Len())
	}
	if r.err != nil {
		return bits.BlobWords{}
	}
	return bits.MakeBlobWords(r.Bytes(n * 8))
}

// Skip passes over n bytes.
func (r *Reader) Skip(n uint64) {
	for n > 0 && r.has(n) {
		part := min(n, window)
		r.few(int(part))
		n -= part
	}
}

// SkipArray passes over a bit array with its word count before it.
func (r *Reader) SkipArray() { r.SkipWords(r.Vlong()) }

// SkipWords passes over a bit array of n words.
func (r *Reader) SkipWords(n uint64) {
	if r.err == nil && n > uint64(r.Len())/8 {
		r.Fail("%d words are announced, %d bytes are left", n, r.Len())
	}
	r.Skip(n * 8)
}

// Gaps reads gap-coded ordinals, strictly ascending and at most limit.
func (r *Reader) Gaps(limit int64) []int32 {
	b := r.Bytes(r.Vlong())
	if len(b) == 0 {
		return nil
	}
	in := NewReader(b)
	in.Section(r.section)
	out := make([]int32, 0, len(b)) // at least one byte an ordinal
	next := int64(0)
	for in.Len() > 0 {
		gap := in.Vint()
		if in.err != nil || gap < 0 || (gap == 0 && len(out) > 0) {
			r.Fail("ordinal list is not ascending")
			return nil
		}
		next += int64(gap)
		if next > limit {
			r.Fail("ordinal %d is above the greatest, %d", next, limit)
			return nil
		}
		out = append(out, int32(next))
	}
	return out
}

// decodeModified turns modified UTF-8 into UTF-8; unpaired surrogates and
// other malformed bytes are refused.
func decodeModified(b []byte) (string, bool) {
	ascii := true
	for _, c := range b {
		if c == 0 || c >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return string(b), true
	}
	units := make([]uint16, 0, len(b))
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c > 0 && c < 0x80:
			units = append(units, uint16(c))
			i++
		case c>>5 == 6 && i+1 < len(b) && b[i+1]>>6 == 2:
			units = append(units, uint16(c&0x1f)<<6|uint16(b[i+1]&0x3f))
			i += 2
		case c>>4 == 14 && i+2 < len(b) && b[i+1]>>6 == 2 && b[i+2]>>6 == 2:
			units = append(units, uint16(c&0x0f)<<12|uint16(b[i+1]&0x3f)<<6|uint16(b[i+2]&0x3f))
			i += 3
		default:
			return "", false
		}
	}
	return wellFormed(units)
}

func wellFormed(units []uint16) (string, bool) {
	for i := 0; i < len(units); i++ {
		if !utf16.IsSurrogate(rune(units[i])) {
			continue
		}
		if i+1 == len(units) || utf16.DecodeRune(rune(units[i]), rune(units[i+1])) == 0xfffd {
			return "", false
		}
		i++
	}
	return string(utf16.Decode(units)), true
}
