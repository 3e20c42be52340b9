package state

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// ErrWrongBase says that a delta does not start from the state it was to be
// applied to.
var ErrWrongBase = errors.New("delta starts from another state")

// A Part is an optional side file of a blob, which holds further types.
type Part struct {
	Name string
	Data []byte
}

// ReadHeader reads the header and schemas at the start of a snapshot, delta,
// reverse delta or header blob.
func ReadHeader(data []byte) (Header, []*Schema, error) {
	r := wire.NewReader(data)
	h, schemas := readHeader(r)
	if err := r.Err(); err != nil {
		return Header{}, nil, fmt.Errorf("read header: %w", err)
	}
	return h, schemas, nil
}

// readBlob reads the header and frames of a blob and its parts, unless check, if it
// is not nil, finds fault with the header: the frames of a blob of another kind would
// look corrupt.
func readBlob(data []byte, parts []Part, delta bool, check func(Header) error) (Header, []*frame, error) {
	r := wire.NewReader(data)
	h, _ := readHeader(r)
	if check != nil && r.Err() == nil {
		if err := check(h); err != nil {
			return h, nil, err
		}
	}
	frames := readFrames(r, delta)
	if r.Err() != nil {
		return h, nil, r.Err()
	}
	seen := map[string]bool{}
	for _, f := range frames {
		seen[f.schema.Name] = true
	}
	for _, p := range parts {
		r := wire.NewReader(p.Data)
		ph := readPartHeader(r, p.Name)
		more := readFrames(r, delta)
		if r.Err() == nil && (ph.Origin != h.Origin || ph.Tag != h.Tag) {
			r.Fail("part belongs to another blob")
		}
		for _, f := range more {
			if seen[f.schema.Name] {
				r.Fail("type %s stands twice", f.schema.Name)
			}
			seen[f.schema.Name] = true
		}
		if r.Err() != nil {
			return h, nil, r.Err()
		}
		frames = append(frames, more...)
	}
	size := len(data)
	for _, p := range parts {
		size += len(p.Data)
	}
	allow := newAllowance(int64(size))
	for _, f := range frames {
		f.allow = allow
	}
	return h, frames, nil
}

// Apply decodes a delta, or a reverse delta, and returns the state it leads
// to, with the indexes of s brought up to date. s is unchanged; what did not
// change is shared. Errors wrap ErrCorrupt or ErrWrongBase.
func (s *State) Apply(data []byte, parts ...Part) (*State, error) {
	h, frames, err := readBlob(data, parts, true, s.startsFrom)
	if err != nil {
		return nil, fmt.Errorf("apply delta: %w", err)
	}
	types, changes, err := s.applyFrames(frames, len(data))
	if err != nil {
		return nil, fmt.Errorf("apply delta: %w", err)
	}
	next := newState(h, types)
	if err := s.follow(next, changes); err != nil {
		return nil, fmt.Errorf("apply delta: update index: %w", err)
	}
	return next, nil
}

// startsFrom fails with ErrWrongBase unless a blob with that header starts from s.
func (s *State) startsFrom(h Header) error {
	if h.Origin != s.header.Tag {
		return fmt.Errorf("%w: it starts from tag %x, the state has %x", ErrWrongBase, uint64(h.Origin), uint64(s.header.Tag))
	}
	return nil
}

// smallDelta is the length of a delta, in bytes, that one goroutine decodes
// sooner than several are started.
const smallDelta = 32 << 10

// applyFrames returns the types after a delta of that size, and its changes.
func (s *State) applyFrames(frames []*frame, size int) ([]*Type, Changes, error) {
	types := slices.Clone(s.types)
	changes := Changes{}
	var mu sync.Mutex // of changes
	apply := func(f *frame) error {
		i, ok := slices.BinarySearchFunc(s.types, f.schema.Name, func(t *Type, name string) int { return compareUTF16(t.schema.Name, name) })
		if !ok {
			return nil // filtered out, or newer than the snapshot
		}
		t, c, err := f.deltaType(s.types[i])
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		types[i], changes[f.schema.Name] = t, c
		return nil
	}
	if size < smallDelta {
		for _, f := range frames {
			if err := apply(f); err != nil {
				return nil, nil, err
			}
		}
		return types, changes, nil
	}
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range frames {
		work.Go(func() error { return apply(f) })
	}
	return types, changes, work.Wait()
}

// addedAt is the ordinal of an added record, in the upper half, and which of the
// added ones of its shard it is.
type addedAt uint64

func (a addedAt) ordinal() Ordinal { return Ordinal(a >> 32) }
func (a addedAt) entry() int64     { return int64(uint32(a)) }

// deltaType decodes a frame of a delta onto the type it changes.
func (f *frame) deltaType(t *Type) (*Type, Change, error) {
	d, err := newDecoder(f, t.schema)
	if err != nil {
		return nil, Change{}, err
	}
	c, added, err := f.deltaChange()
	if err != nil {
		return nil, Change{}, err
	}
	if n := len(c.added); n > 0 && !f.allow.take(f.growth(t, c.added[n-1])) {
		return nil, Change{}, f.corrupt("its ordinals go up to %d, far beyond those of its records", c.added[n-1])
	}
	team := deltaTeam{added: added, first: d}
	c.loader, c.check, c.keep = team.loader, team.check, t.keep
	next, err := t.apply(c)
	if err != nil {
		return nil, Change{}, err
	}
	next.shards = len(f.shards)
	if t.keep != nil {
		return next, keptChange(c, t, next), nil
	}
	return next, Change{Removed: c.removed, Added: c.added}, nil
}

// ordinalsPerCell is for how many ordinals that a type did not reach before a delta one
// element or field that costs no bit is counted: each takes memory in its page table.
const ordinalsPerCell = 32

// growth returns what the greatest added ordinal takes of the allowance.
func (f *frame) growth(t *Type, o Ordinal) uint64 {
	return uint64(max(int(o)-len(t.table)*chunkOrdinals, 0)) / ordinalsPerCell
}

// keptChange returns what of a change there is between t and next, which hold only
// some of the records.
func keptChange(c typeChange, t, next *Type) Change {
	kept := Change{Removed: slices.DeleteFunc(c.removed, func(o Ordinal) bool { return !t.Populated(o) })}
	for _, o := range c.added {
		switch {
		case next.Populated(o):
			kept.Added = append(kept.Added, o)
		case t.Populated(o): // it was replaced by one that is not kept
			kept.Removed = append(kept.Removed, o)
		}
	}
	slices.Sort(kept.Removed)
	return kept
}

// deltaChange returns what a frame of a delta removes and adds, and where the
// added records are.
func (f *frame) deltaChange() (c typeChange, added []addedAt, err error) {
	var removedTo, addedTo []int // where those of each shard end
	out, in := 0, 0
	for i := range f.shards {
		out, in = out+len(f.shards[i].removed), in+len(f.shards[i].added)
	}
	c.removed, added = make([]Ordinal, 0, out), make([]addedAt, 0, in)
	for i := range f.shards {
		for _, s := range f.shards[i].removed {
			o := f.ordinal(i, int64(s))
			if int64(s)*int64(len(f.shards))+int64(i) > MaxOrdinal {
				return c, nil, f.corrupt("removed ordinal is out of range")
			}
			c.removed = append(c.removed, o)
		}
		for k, s := range f.shards[i].added {
			if int64(s)*int64(len(f.shards))+int64(i) > MaxOrdinal {
				return c, nil, f.corrupt("added ordinal is out of range")
			}
			added = append(added, addedAt(f.ordinal(i, int64(s)))<<32|addedAt(k))
		}
		removedTo, addedTo = append(removedTo, len(c.removed)), append(addedTo, len(added))
	}
	c.removed, added = mergeRuns(c.removed, removedTo), mergeRuns(added, addedTo)
	c.added = make([]Ordinal, len(added))
	r := 0
	for i, p := range added {
		o := p.ordinal()
		for r < len(c.removed) && c.removed[r] < o {
			r++
		}
		if r < len(c.removed) && c.removed[r] == o {
			return c, nil, f.corrupt("ordinal %d is both removed and added", o)
		}
		c.added[i] = o
	}
	return c, added, nil
}

// mergeRuns sorts a list of ascending runs, given where each ends. It may use
// the list for what it returns.
func mergeRuns[T cmp.Ordered](list []T, ends []int) []T {
	var other []T
	for len(ends) > 1 {
		if other == nil {
			other = make([]T, len(list))
		}
		from, n := 0, 0
		for i := 0; i < len(ends); i += 2 {
			mid, to := ends[i], ends[min(i+1, len(ends)-1)]
			mergeTwo(other[from:to], list[from:mid], list[mid:to])
			ends[n] = to
			from, n = to, n+1
		}
		ends = ends[:n]
		list, other = other, list
	}
	return list
}

// mergeTwo sets dst to two ascending lists in one order.
func mergeTwo[T cmp.Ordered](dst, a, b []T) {
	for i := range dst {
		if len(b) == 0 || len(a) > 0 && a[0] <= b[0] {
			dst[i], a = a[0], a[1:]
		} else {
			dst[i], b = b[0], b[1:]
		}
	}
}

// deltaTeam is the decoders of one frame of a delta, one for each goroutine.
type deltaTeam struct {
	added []addedAt
	first *decoder

	mu   sync.Mutex
	rest []*decoder
}

func (team *deltaTeam) loader() pageLoader {
	d, from, to := team.join(), 0, 0 // what the decoder's block has
	return func(b *pageBuilder, k, n, ahead int) error {
		if n > to {
			from, to = k, team.blockEnd(k, ahead)
			if err := d.decodeAdded(team.added[from:to]); err != nil {
				return err
			}
		}
		mask := uint16(0)
		for _, p := range team.added[k:n] {
			mask |= 1 << slot(p.ordinal())
		}
		return d.set(b, k-from, mask)
	}
}

// blockEnd returns the end of a block that begins with added record k: it has
// whole pages, and nothing behind ahead.
func (team *deltaTeam) blockEnd(k, ahead int) int {
	if ahead-k <= maxBlock {
		return ahead
	}
	n := k + maxBlock
	for page := team.added[n].ordinal() >> pageShift; team.added[n-1].ordinal()>>pageShift == page; {
		n--
	}
	return n
}

// decodeAdded decodes a block of added records.
func (d *decoder) decodeAdded(added []addedAt) error {
	d.begin(len(added))
	for _, p := range added {
		d.next(int(p.ordinal())%len(d.f.shards), p.entry())
	}
	d.group()
	return d.decode()
}

// join returns a further decoder.
func (team *deltaTeam) join() *decoder {
	d := team.first.clone()
	team.mu.Lock()
	defer team.mu.Unlock()
	team.rest = append(team.rest, d)
	return d
}

// check looks at what all decoders together have read.
func (team *deltaTeam) check() error {
	for _, d := range team.rest {
		if err := team.first.merge(d); err != nil {
			return err
		}
	}
	return nil
}
