package diff

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// side is one of the two states, reduced to what is compared.
type side struct {
	t     *state.Type   // nil if the state does not have the type
	keys  *index.Unique // of the records in question
	taken ordinalSet    // records that have been matched
}

// comparison is one diff under way.
type comparison struct {
	ctx      context.Context
	looked   int // records, since the context was looked at
	o        Options
	from, to side
	shared   bool            // look only at what is not shared
	same     *state.Comparer // nil if the models differ
	walk     *walker
	result   *Result
	samples  [Changed + 1]sample
	bytes    int // of the paths in result.Fields

	later []state.Ordinal // records of to without an equal partner
	key   []state.Value
}

func newComparison(ctx context.Context, from, to *state.State, o Options) (*comparison, error) {
	c := &comparison{ctx: ctx, o: o, result: &Result{Type: o.Type, Fields: map[string]int{}, Transitions: map[string]map[string]int{}, Groups: map[string]int{}}}
	for _, path := range o.Values {
		c.result.Transitions[path] = map[string]int{}
	}
	for _, path := range o.Groups {
		c.result.Groups[path] = 0
	}
	for k := range c.samples {
		c.samples[k].most = o.Examples
	}
	if from != nil {
		c.from.t = from.Type(o.Type)
	}
	if to != nil {
		c.to.t = to.Type(o.Type)
	}
	if c.from.t == nil && c.to.t == nil {
		return nil, fmt.Errorf("type %s is in neither state: %w", o.Type, state.ErrNotBindable)
	}
	c.shared = c.from.t != nil && c.to.t != nil && state.SameModel(from, to)
	if c.shared {
		c.same = state.NewComparer(from, to)
	}
	c.walk = newWalker(ctx, from, to, o)
	if err := c.index(); err != nil {
		return nil, err
	}
	return c, ctx.Err()
}

// index makes the key indexes: of the records of from, to find them, of to only
// to read keys.
func (c *comparison) index() error {
	var err error
	if c.from.t != nil {
		if c.from.keys, err = index.NewPartial(c.from.t.State(), c.o.Type, nil, c.candidates(c.from.t)); err != nil {
			return err
		}
	}
	if c.to.t == nil {
		return nil
	}
	none := func(func(state.Ordinal) bool) {}
	if c.to.keys, err = index.NewPartial(c.to.t.State(), c.o.Type, nil, none); err != nil {
		return err
	}
	if c.from.t == nil {
		return nil
	}
	if a, b := c.from.keys, c.to.keys; !slices.Equal(a.Paths(), b.Paths()) || !slices.Equal(a.Fields(), b.Fields()) {
		return fmt.Errorf("type %s by %v %v and by %v %v: %w", c.o.Type, a.Paths(), a.Fields(), b.Paths(), b.Fields(), ErrKeysDiffer)
	}
	return nil
}

// candidates yields the records of t that have to be looked at: all but those
// that are the same under the same ordinal. They end early when the context
// does.
func (c *comparison) candidates(t *state.Type) iter.Seq[state.Ordinal] {
	ordinals := t.Ordinals()
	if c.shared {
		ordinals = state.Unshared(c.from.t, c.to.t)
	}
	return func(yield func(state.Ordinal) bool) {
		for o := range ordinals {
			if c.ended() {
				return
			}
			if c.shared && (!t.Populated(o) || c.same.Same(c.o.Type, o)) {
				continue
			}
			if !yield(o) {
				return
			}
		}
	}
}

// lookEvery is the number of records between two looks at the context.
const lookEvery = 1 << 10

// ended says, for one record in lookEvery, whether nobody wants the result any
// more.
func (c *comparison) ended() bool {
	c.looked++
	return c.looked%lookEvery == 0 && c.ctx.Err() != nil
}

// run matches equal records first, so that what is counted does not depend on
// the order of records that have the same key.
func (c *comparison) run() error {
	if c.to.t != nil {
		seen := 0
		for o := range c.candidates(c.to.t) {
			seen++
			if err := c.matchEqual(o); err != nil {
				return err
			}
		}
		c.result.Unchanged += c.to.t.Len() - seen
	}
	for _, o := range c.later {
		if c.ended() {
			return c.ctx.Err()
		}
		if err := c.matchChanged(c.to.t.Record(o)); err != nil {
			return err
		}
	}
	if c.from.t != nil {
		for o := range c.candidates(c.from.t) {
			if !c.from.taken.has(o) {
				c.remove(c.from.t.Record(o))
			}
		}
	}
	return c.ctx.Err()
}

// partners yields the unmatched records of from that have the key of r.
func (c *comparison) partners(r state.Record) iter.Seq[state.Record] {
	return func(yield func(state.Record) bool) {
		if c.from.t == nil {
			return
		}
		c.key = c.to.keys.AppendKey(c.key[:0], r)
		for o := range c.from.keys.Each(c.key) {
			if !c.from.taken.has(o) && !yield(c.from.t.Record(o)) {
				return
			}
		}
	}
}

func (c *comparison) matchEqual(o state.Ordinal) error {
	r := c.to.t.Record(o)
	for old := range c.partners(r) {
		same, err := c.walk.same(old, r)
		if err != nil {
			return err
		}
		if same {
			c.from.taken.add(old.Ordinal())
			c.result.Unchanged++
			return nil
		}
	}
	c.later = append(c.later, o)
	return nil
}

// matchChanged counts a record as changed if there is one to have been changed
// from, else as added.
func (c *comparison) matchChanged(r state.Record) error {
	old, found := state.Record{}, false
	for p := range c.partners(r) {
		if !found || p.Ordinal() < old.Ordinal() {
			old, found = p, true
		}
	}
	if !found {
		c.result.Added++
		c.sample(Example{Kind: Added, Key: c.to.keys.KeyOf(r), To: r})
		return nil
	}
	c.from.taken.add(old.Ordinal())
	c.result.Changed++
	fields, err := c.walk.fields(old, r)
	if err != nil {
		return err
	}
	if c.walk.cut && len(c.o.Groups)+len(c.o.Values) > 0 {
		return fmt.Errorf("record %s differs in too many fields to count those of the rules: %w", dataset.Printable(fmt.Sprint(c.to.keys.KeyOf(r))), ErrTooMany)
	}
	c.countFields(fields)
	c.countGroups(fields)
	c.countTransitions()
	c.sample(Example{Kind: Changed, Key: c.to.keys.KeyOf(r), From: old, To: r, Fields: fields})
	return nil
}

func (c *comparison) remove(r state.Record) {
	c.result.Removed++
	c.sample(Example{Kind: Removed, Key: c.from.keys.KeyOf(r), From: r})
}

// countFields counts one changed record, which differs at these paths, and at
// Further if the walk was cut.
func (c *comparison) countFields(fields []string) {
	further := c.walk.cut
	for _, path := range fields {
		if _, known := c.result.Fields[path]; !known {
			if len(c.result.Fields) >= maxPaths || c.bytes+len(path) > maxPathBytes {
				further = true
				continue
			}
			c.bytes += len(path)
		}
		c.result.Fields[path]++
	}
	if further {
		c.result.Fields[Further]++
	}
}

// countGroups counts one changed record, which differs at these paths.
func (c *comparison) countGroups(fields []string) {
	for group := range c.result.Groups {
		if slices.ContainsFunc(fields, func(path string) bool { return contains(group, path) || contains(path, group) }) {
			c.result.Groups[group]++
		}
	}
}

// maxTransitions bounds the transitions that are told apart, for each path.
const maxTransitions = 1000

func (c *comparison) countTransitions() {
	seen := map[string]bool{} // elements of a list can change alike
	for _, x := range c.walk.changes {
		counts := c.result.Transitions[x.path]
		text := formatValue(x.from) + " → " + formatValue(x.to)
		if seen[x.path+"="+text] {
			continue
		}
		seen[x.path+"="+text] = true
		if _, known := counts[text]; !known && len(counts) >= maxTransitions {
			text = "other"
		}
		counts[text]++
	}
}

func (c *comparison) sample(e Example) { c.samples[e.Kind].offer(e) }

func (c *comparison) finish() *Result {
	for k := range c.samples {
		c.result.Examples = append(c.result.Examples, c.samples[k].examples()...)
	}
	return c.result
}

// ordinalSet is a set of ordinals that costs little when they are few.
type ordinalSet struct{ blocks map[state.Ordinal]*[64]uint64 }

func (s *ordinalSet) add(o state.Ordinal) {
	b := s.blocks[o>>12]
	if b == nil {
		if s.blocks == nil {
			s.blocks = map[state.Ordinal]*[64]uint64{}
		}
		b = new([64]uint64)
		s.blocks[o>>12] = b
	}
	b[o>>6&63] |= 1 << (o & 63)
}

func (s *ordinalSet) has(o state.Ordinal) bool {
	b := s.blocks[o>>12]
	return b != nil && b[o>>6&63]>>(o&63)&1 != 0
}
