package state

import "github.com/holdfast-data/holdfast/pkg/state/internal/scratch"

// A trail gives back the memory of a frame behind who decodes a part of it, so that
// a snapshot is not in memory twice, as bytes of a blob and as pages, while its largest
// type is decoded. The values of a frame's records lie behind each other, in the order of
// the records, with nothing between them: a frame in which they do not is refused, or
// somebody would read what others have given back. It is for one goroutine.
type trail []shardTrail

// shardTrail is what of a shard's arrays has been read.
type shardTrail struct {
	rows   stretch
	items  values
	ranges []values // by field of the frame
}

// values is the stretch of an array that has the values of some records, and where
// these begin and end: in bytes or, of collections, in entries.
type values struct {
	stretch
	first, next uint64
}

// extend says that further values lie between first and next, and whether that is
// behind those before.
func (v *values) extend(first, next uint64) (ok bool) {
	ok = !v.begun || v.next == first
	if !v.begun {
		v.first = first
	}
	v.next = next
	return ok
}

// join makes v the values of the part behind it, too, and says whether they lie there.
func (v *values) join(o *values) bool {
	if !o.begun {
		return true
	}
	ok := v.extend(o.first, o.next)
	v.begun = true
	return ok
}

// join makes t the trail of the part behind it, too. It is false if values there do
// not follow those here.
func (t trail) join(other trail) bool {
	ok := true
	for i := range t {
		ok = t[i].items.join(&other[i].items) && ok
		for k := range t[i].ranges {
			ok = t[i].ranges[k].join(&other[i].ranges[k]) && ok
		}
	}
	return ok
}

// stretch is the bytes of an array, from one to before another, that nobody reads
// any more and that are not given back.
type stretch struct {
	from, to uint64
	begun    bool // from is known
}

var (
	// trailBlocks is after how many blocks of records something may be given back.
	trailBlocks = 16
	// trailStep is how many bytes are given back together, by a call. As much of each
	// of a shard's arrays may stay behind a decoder.
	trailStep uint64 = 1 << 20
	// leastTrail is how many bytes of a frame are worth a trail.
	leastTrail int64 = 4 << 20
)

// mostTrailArrays is how many arrays a frame with a trail may have: it takes time for all
// of them again and again.
const mostTrailArrays = 1 << 14

// newTrail returns a trail for a decoder of the frame, nil if its memory is not
// given back at once, or not worth it.
func newTrail(f *frame) trail {
	if !f.passing || f.size() < leastTrail || len(f.shards)*(len(f.schema.Fields)+2) > mostTrailArrays {
		return nil
	}
	t := make(trail, len(f.shards))
	for i := range t {
		t[i].ranges = make([]values, len(f.shards[i].ranges))
	}
	return t
}

// pass says that what lies before byte to will not be read any more; from is where
// this decoder began, at the first call.
func (s *stretch) pass(from, to uint64) {
	if !s.begun {
		*s = stretch{from, from, true}
	}
	s.to = max(s.to, to)
}

// giveBack gives back what was passed of an array, if it is a step.
func (s *stretch) giveBack(array []byte) {
	if s.to >= s.from+trailStep {
		scratch.Release(array[s.from:s.to])
		s.from = s.to
	}
}

// giveBack gives back what is behind a decoder that began with ordinal from and has
// decoded those before ordinal to. It spares the row before the next one, which says
// where that begins, and the first one, of which who decodes the part before may read
// as much.
func (t trail) giveBack(f *frame, from, to int) {
	for i := range t {
		s, own := &f.shards[i], &t[i]
		rowBits := s.rowBits()
		own.rows.pass((uint64(from/len(t)+1)*rowBits+7)/8, uint64(max(min(int64(to/len(t)), s.entries)-1, 0))*rowBits/8)
		own.rows.giveBack(s.rows.Bytes())
		own.items.giveBack(s.items.Bytes())
		for k := range own.ranges {
			own.ranges[k].giveBack(s.ranges[k])
		}
	}
}
