package state

import (
	mathbits "math/bits"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// A sieve lays records into a page that no version has, so that they can be asked
// about, and makes pages of those that are kept. It is for one goroutine.
type sieve struct {
	t    *Type // that the records are to be of
	keep func(Record) bool
	b    *pageBuilder // with layouts of its own
	data []byte
	page page   // of all records
	kept uint16 // slots of it
}

// newSieve returns a sieve for records of a type, nil if all are kept.
func newSieve(t *Type, keep func(Record) bool) *sieve {
	if keep == nil {
		return nil
	}
	return &sieve{t: t, keep: keep, b: newPageBuilder(t.schema, &layouts{})}
}

// sift asks about the records that load sets, those of the page that begins with
// first, and returns which are kept.
func (s *sieve) sift(first Ordinal, fresh uint16, load func(*pageBuilder) error) (kept uint16, err error) {
	s.b.reset(fresh)
	s.kept = 0
	if err := load(s.b); err != nil {
		return 0, err
	}
	lay, size, err := s.b.plan()
	if err != nil {
		return 0, err
	}
	s.data = slices.Grow(s.data[:0], size+arena.Pad)[:size+arena.Pad]
	s.b.fill(s.data, lay)
	s.page = page{lay, bits.PageAt(s.data, 0)}
	for m := fresh; m != 0; m &= m - 1 {
		i := mathbits.TrailingZeros16(m)
		if s.keep(Record{s.t, lay, s.page.data, first + Ordinal(i)}) {
			s.kept |= 1 << i
		}
	}
	return s.kept, nil
}

// load sets the slots that are kept.
func (s *sieve) load(b *pageBuilder) error {
	b.addPage(s.page, s.kept)
	return nil
}

// addPage is copyPage for a page whose other slots are set already.
func (b *pageBuilder) addPage(p page, mask uint16) {
	if b.schema.Kind != Object {
		b.copyPage(p, mask)
		return
	}
	b.set |= mask
	for f := range b.schema.Fields {
		if b.schema.Fields[f].Type.variable() {
			b.copyTexts(p, f, mask)
			continue
		}
		for m := mask; m != 0; m &= m - 1 {
			i := mathbits.TrailingZeros16(m)
			b.nums[f][i] = p.at(&p.lay.cols[f], i)
		}
	}
}
