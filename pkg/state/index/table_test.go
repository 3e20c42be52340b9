package index

import (
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// entries returns what stands in a table; it fails t if a probe misses any.
func entries(t *testing.T, x table, hashOf func(state.Ordinal) uint64) []state.Ordinal {
	t.Helper()
	var out []state.Ordinal
	x.eachGroup(func(list []state.Ordinal) bool {
		for _, o := range list {
			out = append(out, o)
			p := x.probe(hashOf(o))
			found := p.next()
			for found != o && found != state.NoOrdinal {
				found = p.next()
			}
			if found != o {
				t.Fatalf("entry %d is not found by its hash", o)
			}
		}
		return true
	})
	slices.Sort(out)
	checkLongGroups(t, &x)
	return out
}

// checkLongGroups fails t unless long names the groups that others are behind.
func checkLongGroups(t *testing.T, x *table) {
	t.Helper()
	var want []uint64
	for i := range x.groups {
		if link(x.group(i).Bytes(0, groupBytes)) != 0 {
			want = append(want, i)
		}
	}
	if !slices.Equal(x.long, want) {
		t.Fatalf("long groups are %v, want %v", x.long, want)
	}
}

// tableRun changes a set of entries and a table side by side.
type tableRun struct {
	rnd    *rand.Rand
	hashOf func(state.Ordinal) uint64
	same   func(o, other state.Ordinal) bool
	have   map[state.Ordinal]bool
	now    table
	extra  int
}

// step makes the next table out of random changes, built anew if it says that
// it has to be, and returns whether it was.
func (r *tableRun) step(t *testing.T) (rebuilt bool) {
	var changes []tableChange
	touched := map[state.Ordinal]bool{}
	grow := r.rnd.IntN(2) == 0
	for range r.rnd.IntN(600) {
		o := state.Ordinal(r.rnd.IntN(3000))
		if touched[o] {
			continue
		}
		switch {
		case r.have[o] && (!grow || r.rnd.IntN(8) == 0):
			changes = append(changes, tableChange{hash: r.hashOf(o), o: o})
			delete(r.have, o)
		case !r.have[o] && grow:
			changes = append(changes, tableChange{hash: r.hashOf(o), o: o, add: true})
			r.have[o] = true
		default:
			continue
		}
		touched[o] = true
	}
	next, extra, ok := r.now.update(changes, r.same, r.same)
	if ok {
		r.now, r.extra = next, r.extra+extra
		return false
	}
	var list []hashed
	for o := range r.have {
		list = append(list, hashed{r.hashOf(o), o})
	}
	if r.now.groups > 0 && r.now.fits(len(list)) {
		t.Fatal("an update failed that had room")
	}
	var err error
	if r.now, r.extra, err = build(listed(list), r.same); err != nil {
		t.Fatal(err)
	}
	return true
}

// twins returns how many entries are the same as an earlier one.
func (r *tableRun) twins() int {
	classes := map[state.Ordinal]bool{}
	n := 0
	for o := range r.have {
		class := o
		for c := range classes {
			if r.same(o, c) {
				class = c
			}
		}
		if classes[class] {
			n++
		}
		classes[class] = true
	}
	return n
}

// TestTable lets tables grow and shrink at random, each made from the one
// before, with hashes that differ well, little and not at all.
func TestTable(t *testing.T) {
	never := func(_, _ state.Ordinal) bool { return false }
	five := func(o, other state.Ordinal) bool { return o%5 == other%5 }
	for name, r := range map[string]tableRun{
		"good":  {hashOf: func(o state.Ordinal) uint64 { return mix(hashSeed, uint64(o)) }, same: never},
		"few":   {hashOf: func(o state.Ordinal) uint64 { return mix(hashSeed, uint64(o%5)) }, same: five},
		"equal": {hashOf: func(state.Ordinal) uint64 { return 7 }, same: never},
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r.rnd = rand.New(rand.NewPCG(seed, 2))
			r.have = map[state.Ordinal]bool{}
			type version struct {
				x    table
				want []state.Ordinal
			}
			var versions []version
			updated := 0
			for range 30 {
				if !r.step(t) {
					updated++
				}
				if name == "few" && r.extra != r.twins() {
					t.Fatalf("the table counts %d twins, there are %d", r.extra, r.twins())
				}
				versions = append(versions, version{r.now, slices.Sorted(maps.Keys(r.have))})
			}
			if updated < 5 {
				t.Errorf("only %d of 30 tables were made from the one before", updated)
			}
			for i, v := range versions {
				if got := entries(t, v.x, r.hashOf); !slices.Equal(got, v.want) || v.x.count != len(got) {
					t.Errorf("version %d has %d entries, counts %d, want %d", i, len(got), v.x.count, len(v.want))
				}
			}
		})
	}
}

// TestTableForks makes two versions out of one.
func TestTableForks(t *testing.T) {
	hashOf := func(o state.Ordinal) uint64 { return mix(hashSeed, uint64(o)) }
	never := func(_, _ state.Ordinal) bool { return false }
	base, _, err := build(listed([]hashed{{hashOf(1), 1}, {hashOf(2), 2}}), never)
	if err != nil {
		t.Fatal(err)
	}
	var forks [3]table
	for i := range forks {
		o := state.Ordinal(10 + i)
		next, _, ok := base.update([]tableChange{{hash: hashOf(o), o: o, add: true}, {hash: hashOf(1), o: 1}}, never, never)
		if !ok {
			t.Fatal("no update")
		}
		forks[i] = next
	}
	if _, _, ok := base.update([]tableChange{{hash: hashOf(3), o: 3}}, never, never); ok {
		t.Error("an entry that is not there was taken out")
	}
	for i, x := range forks {
		if got := entries(t, x, hashOf); !slices.Equal(got, []state.Ordinal{2, state.Ordinal(10 + i)}) {
			t.Errorf("fork %d has %v", i, got)
		}
	}
	if got := entries(t, base, hashOf); !slices.Equal(got, []state.Ordinal{1, 2}) {
		t.Errorf("the base has %v", got)
	}
}

// TestSortChanges sorts few and many changes, of one digit and of several, in one
// part and in more.
func TestSortChanges(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, n := range []int{0, 1, fewChanges - 1, fewChanges, 5000, 20_000} {
		for _, groups := range []uint64{1, dirSize, dirSize + 1, 1 << digitBits, 3*dirSize + 2, 1 << (2*digitBits + 1)} {
			for _, procs := range []int{1, 2, 5} {
				got := make([]tableChange, n)
				for i := range got {
					got[i] = tableChange{hash: rnd.Uint64(), o: state.Ordinal(i), add: rnd.IntN(2) == 0}
				}
				table := &table{groups: groups, dir: make([]*[dirSize]arena.Handle, (groups+dirSize-1)/dirSize)}
				checkSorted(t, table, got, procs)
				if t.Failed() {
					t.Fatalf("seed %d: %d changes of %d groups, %d processors", seed, n, groups, procs)
				}
			}
		}
	}
}

// checkSorted sorts changes, whose ordinals count from 0 on, on so many processors.
func checkSorted(t *testing.T, table *table, changes []tableChange, procs int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	before := slices.Clone(changes)
	s := table.sorter(changes)
	if want := len(changes) >= 2*leastChanges && len(table.dir) > 1 && procs > 1; want != (len(s.parts) > 1) {
		t.Errorf("there are %d parts", len(s.parts))
	}
	seen := make([]bool, len(before))
	last, lastPart := uint64(0), uint64(math.MaxUint64)
	for i := range s.parts {
		for k, c := range s.sort(i) {
			order, part := table.order(&c), table.placeOf(c.hash).group>>dirShift
			if order < last {
				t.Errorf("order %d is behind %d", order, last)
			}
			if i > 0 && k == 0 && part == lastPart {
				t.Errorf("two parts have changes in part %d of the directory", part)
			}
			if c != before[c.o] || seen[c.o] {
				t.Errorf("change %d is another one, or is there twice", c.o)
			}
			last, lastPart, seen[c.o] = order, part, true
		}
	}
	if i := slices.Index(seen, false); i >= 0 {
		t.Errorf("change %d is lost", i)
	}
}
