package state

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// A typeLoad decodes a frame of a snapshot in parts, at the same time.
type typeLoad struct {
	frame *frame     // nil when it is decoded
	own   loadedType // has some or all of the frame's fields and records
	stop  *atomic.Bool
	all   *decoder // what the parts' decoders have read, together
	lays  *layouts
	parts []*loadPart
	left  atomic.Int32 // parts that are not decoded yet
	done  *Type
}

// loadPart is the ordinals of some consecutive words of the populated bits.
type loadPart struct {
	of       *typeLoad
	from, to int      // words
	size     int64    // about how many bytes they are
	d        *decoder // from when it is begun, if it has records
	result   *Type
}

const (
	chunkBits = chunkOrdinals / 64 // words of populated bits in a chunk
	// partChunks is how many chunks are worth a part of their own.
	partChunks = 64
	// partsEach is how many parts of a type there are for each processor: with more of
	// them, processors wait less for the last ones.
	partsEach = 2
	// blockWords is how many words of populated bits are decoded together.
	blockWords = maxBlock / 64
)

// newTypeLoad divides a frame. Once stop is true, parts fail with errStopped.
func newTypeLoad(f *frame, own loadedType, stop *atomic.Bool) (*typeLoad, error) {
	d, err := newDecoder(f, own.schema)
	if err != nil {
		return nil, err
	}
	l := &typeLoad{frame: f, own: own, stop: stop, all: d, lays: &layouts{}}
	words, err := f.populatedWords()
	if err != nil {
		return nil, err
	}
	chunks := (words + chunkBits - 1) / chunkBits
	n := f.parts(chunks)
	for i := range n {
		l.parts = append(l.parts, &loadPart{
			of: l, from: chunks * i / n * chunkBits, to: min(words, chunks*(i+1)/n*chunkBits), size: f.size() / int64(n),
		})
	}
	l.left.Store(int32(n))
	return l, nil
}

// parts returns into how many parts a frame with that many chunks is divided. What
// decodes a part must not be larger than the part.
func (f *frame) parts(chunks int) int {
	n := runtime.GOMAXPROCS(0)
	if n > 1 {
		n *= partsEach
	}
	return max(1, min(n, chunks/partChunks, int(f.size()/f.decoderBytes())))
}

// populatedWords returns how many words of populated bits are of ordinals. It fails
// if there are any behind them.
func (f *frame) populatedWords() (int, error) {
	n := f.live.Bits() / 64
	const most = (MaxOrdinal + 1) / 64
	for w := uint64(most); w < n; w++ {
		if word := f.live.Word(int(w)); word != 0 {
			return 0, f.corrupt("populated ordinal %d is above the greatest", w*64+uint64(bits.TrailingZeros64(word)))
		}
	}
	return int(min(n, most)), nil
}

// load decodes a part; the last one joins them.
func (l *typeLoad) load(p *loadPart) error {
	if err := l.decode(p); err != nil {
		return err
	}
	if l.left.Add(-1) > 0 {
		return nil
	}
	var err error
	l.done, err = l.join()
	l.release()
	return err
}

// release drops what was decoded.
func (l *typeLoad) release() {
	l.frame.free()
	l.frame, l.all, l.parts = nil, nil, nil
}

// decode decodes a part.
func (l *typeLoad) decode(p *loadPart) (err error) {
	t := l.empty()
	if !l.hasRecords(p) {
		p.result = checked(t)
		return nil
	}
	p.d = l.all.clone()
	e := t.edit()
	e.sieve = newSieve(t, t.keep)
	e.blocks.Expect(p.size)
	for w := p.from; w < p.to && err == nil; w += blockWords {
		if l.stop.Load() {
			err = errStopped
			break
		}
		err = l.block(e, p.d, w, min(w+blockWords, p.to))
		if (w-p.from)/blockWords%trailBlocks == trailBlocks-1 {
			p.d.trail.giveBack(l.frame, p.from*64, min(w+blockWords, p.to)*64)
		}
		runtime.Gosched() // a look-up in the version before may be waiting for a processor
	}
	if err != nil {
		e.blocks.Discard()
		return err
	}
	p.d.forget()
	p.result, err = e.close()
	return err
}

// empty returns the type without records.
func (l *typeLoad) empty() *Type {
	t := newType(l.own.schema, len(l.frame.shards))
	t.intern(l.lays)
	t.keep = l.own.keep
	return t
}

// hasRecords says whether a part has any: what decodes them is much larger than a
// type without records, of which a blob can have very many.
func (l *typeLoad) hasRecords(p *loadPart) bool {
	for w := p.from; w < p.to; w++ {
		if l.frame.live.Word(w) != 0 {
			return true
		}
	}
	return false
}

// block decodes the records of some words of populated bits.
func (l *typeLoad) block(e *typeEdit, d *decoder, from, to int) error {
	var room [blockWords]uint64
	live := room[:to-from] // read once: of a mapped file they may be others the next time
	for i := range live {
		live[i] = l.frame.live.Word(from + i)
	}
	if err := l.records(d, from, live); err != nil || d.block.n == 0 {
		return err // there may be very many words without a record
	}
	if err := d.decode(); err != nil {
		return err
	}
	k := 0
	for i, word := range live {
		for first := (from + i) * 64; word != 0; first += pageSize {
			live := uint16(word)
			word >>= pageSize
			if live == 0 {
				continue
			}
			if err := e.rewrite(Ordinal(first), live, func(b *pageBuilder) error { return d.set(b, k, live) }); err != nil {
				return err
			}
			k += bits.OnesCount16(live)
		}
	}
	return nil
}

// records begins a block of the records of some words of populated bits, the first of
// which has a number.
func (l *typeLoad) records(d *decoder, first int, live []uint64) error {
	d.begin(maxBlock)
	all := ^uint64(0)
	for _, word := range live {
		all &= word
	}
	if len(live) == blockWords && all == ^uint64(0) && d.nextAll(Ordinal(first*64)) {
		return nil
	}
	shift, mask := bits.TrailingZeros(uint(len(l.frame.shards))), int64(len(l.frame.shards)-1) // a power of two
	for i, word := range live {
		for ; word != 0; word &= word - 1 {
			o := int64((first+i)*64 + bits.TrailingZeros64(word))
			shard, entry := int(o&mask), o>>shift
			if o > MaxOrdinal || entry > l.frame.shards[shard].max {
				return l.frame.corrupt("populated ordinal %d is above the greatest", o)
			}
			d.next(shard, entry)
		}
	}
	d.group()
	return nil
}

// join makes one type out of the parts.
func (l *typeLoad) join() (*Type, error) {
	if len(l.parts) == 1 {
		return l.parts[0].result, nil
	}
	for _, p := range l.parts {
		if p.d == nil {
			continue
		}
		if err := l.all.merge(p.d); err != nil {
			return nil, err
		}
	}
	t := l.empty()
	var blocks []arena.Arena
	for _, p := range l.parts {
		blocks = append(blocks, p.result.blocks)
	}
	all, shift, err := arena.Join(blocks)
	if err != nil {
		return nil, l.frame.corrupt("%v", err)
	}
	t.blocks = all
	for i, p := range l.parts {
		t.count += p.result.count
		t.table = append(t.table, p.result.table[min(len(t.table), len(p.result.table)):]...)
		for _, c := range p.result.table[min(p.from/chunkBits, len(p.result.table)):] {
			c.shift(shift[i])
		}
	}
	t.measure()
	return checked(t), nil
}

// shift adds to the handles of a chunk that nobody else knows yet.
func (c *chunk) shift(by arena.Handle) {
	for i, e := range c {
		if e != 0 {
			c[i] = makeEntry(e.handle()+by, e.layout(), e.live())
		}
	}
}
