package index

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
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
	if r.now, r.extra, err = build(list, r.same); err != nil {
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
	base, _, err := build([]hashed{{hashOf(1), 1}, {hashOf(2), 2}}, never)
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

// TestSortChanges sorts few and many changes, of one digit and of several.
func TestSortChanges(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, n := range []int{0, 1, fewChanges - 1, fewChanges, 5000} {
		for _, most := range []uint64{2, 1 << digitBits, 1<<digitBits + 2, 1 << (2*digitBits + 1), 1 << 40} {
			got := make([]tableChange, n)
			for i := range got {
				got[i] = tableChange{order: rnd.Uint64N(most), o: state.Ordinal(i)}
			}
			want := slices.Clone(got)
			slices.SortStableFunc(want, func(a, b tableChange) int { return cmp.Compare(a.order, b.order) })
			sortChanges(got, most)
			for i := range got {
				if got[i].order != want[i].order {
					t.Fatalf("seed %d, %d changes below %d: order %d at %d, want %d", seed, n, most, got[i].order, i, want[i].order)
				}
			}
			slices.SortFunc(got, func(a, b tableChange) int { return cmp.Compare(a.o, b.o) })
			for i, c := range got {
				if c.o != state.Ordinal(i) {
					t.Fatalf("seed %d, %d changes below %d: change %d is lost", seed, n, most, i)
				}
			}
		}
	}
}
