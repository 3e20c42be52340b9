package index

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestRice has gaps of every size.
func TestRice(t *testing.T) {
	lists := map[string][]state.Ordinal{
		"none left out": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"one":           {0},
		"last":          {1<<31 - 2},
		"far":           {0, 1, 2, 3, 4, 1 << 20, 1<<20 + 1, 1<<31 - 2},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, every := range []int{1, 2, 5, 50, 5000} {
		var list []state.Ordinal
		for o := state.Ordinal(0); len(list) < 500; o += state.Ordinal(1 + r.IntN(every)) {
			list = append(list, o)
		}
		lists["every "+string(rune('0'+every%10))+" or so"+string(rune('a'+len(lists)))] = list
	}
	for name, want := range lists {
		best, size := riceFor(0, want)
		for k := uint(0); k <= 30; k++ {
			if want[len(want)-1]>>k > 1<<16 {
				continue // a bit for each
			}
			code := appendRice(nil, 0, want, k)
			if k == best && len(code) != (size+7)/8 {
				t.Errorf("%s: %d bytes, want %d bits", name, len(code), size)
			}
			for _, rest := range []int{0, 3, 20} {
				reader := riceReader{data: append(slices.Clone(code), bytes.Repeat([]byte{0xff}, rest)...), left: len(want), k: k}
				var got []state.Ordinal
				for o := reader.read(); o != state.NoOrdinal; o = reader.read() {
					got = append(got, o)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s, k = %d: %v, want %v", name, k, got, want)
				}
			}
		}
	}
}

// TestLong changes lists of every density, each made from the one before, and
// seeks in them.
func TestLong(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	for _, every := range []int{1, 2, 4, 8, 100, 3000} {
		have := map[state.Ordinal]bool{}
		for o := range 20000 {
			if r.IntN(3) == 0 {
				have[state.Ordinal(o*every)] = true
			}
		}
		type version struct {
			l    *long
			want []state.Ordinal
		}
		var e longEdit
		first := slices.Sorted(maps.Keys(have))
		versions := []version{{e.build(first), first}}
		for _, share := range []int{5, 20, 3000, 9900, 9999, 10, 500} {
			c := randomChange(r, have, share, 30000*every)
			last := versions[len(versions)-1]
			if last.l.n+c.grows() == 0 {
				continue
			}
			l, ok := e.apply(last.l, c)
			if !ok {
				t.Fatalf("every %d, %d of 10,000 changed: refused", every, share)
			}
			versions = append(versions, version{l, slices.Sorted(maps.Keys(have))})
			if _, ok := e.apply(l, change{removed: []state.Ordinal{1<<31 - 2}}); ok {
				t.Fatal("what is not there was removed")
			}
			if _, ok := e.apply(l, change{added: versions[len(versions)-1].want[:1]}); ok {
				t.Fatal("what is there was added")
			}
		}
		for i, v := range versions {
			checkLong(t, r, v.l, v.want)
			if t.Failed() {
				t.Fatalf("every %d, version %d", every, i)
			}
		}
	}
}

// randomChange changes a share in 10,000 of what is there, and adds as many.
func randomChange(r *rand.Rand, have map[state.Ordinal]bool, share, span int) change {
	var c change
	for _, o := range slices.Sorted(maps.Keys(have)) {
		if r.IntN(10000) < share {
			c.removed = append(c.removed, o)
			delete(have, o)
		}
	}
	gone := map[state.Ordinal]bool{}
	for _, o := range c.removed {
		gone[o] = true
	}
	for range 1 + len(c.removed)/2 {
		if o := state.Ordinal(r.IntN(span)); !have[o] && !gone[o] {
			have[o] = true
			c.added = append(c.added, o)
		}
	}
	slices.Sort(c.added)
	return c
}

func checkLong(t *testing.T, r *rand.Rand, l *long, want []state.Ordinal) {
	t.Helper()
	p := Postings{n: l.n, long: l}
	if got := slices.Collect(p.All()); !slices.Equal(got, want) || p.Len() != len(want) {
		t.Errorf("%d ordinals, counted %d, want %d", len(got), p.Len(), len(want))
		return
	}
	c := p.Cursor()
	for o := state.Ordinal(0); o != state.NoOrdinal; {
		at, _ := slices.BinarySearch(want, o)
		got := c.Seek(o)
		if at == len(want) {
			if got != state.NoOrdinal {
				t.Errorf("seek %d = %d, want nothing", o, got)
			}
			return
		}
		if got != want[at] {
			t.Errorf("seek %d = %d, want %d", o, got, want[at])
			return
		}
		o = got + state.Ordinal(r.IntN(1<<r.IntN(14)))
	}
}

// TestTree has many keys, some with long lists, and changes of every size.
func TestTree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 4))
	type version struct {
		tree tree
		want map[string][]state.Ordinal
	}
	have := map[string][]state.Ordinal{}
	versions := []version{{tree{}, map[string][]state.Ordinal{}}}
	for _, size := range []int{0, 1, 30000, 10, 1000, 20000, 3, 40000, 5} {
		changes := randomKeyChanges(r, have, size)
		last := versions[len(versions)-1]
		next, ok := last.tree.apply(changeList(changes))
		if !ok {
			t.Fatalf("%d changes: refused", size)
		}
		versions = append(versions, version{next, maps.Clone(have)})
	}
	var all []keyChange
	for _, key := range slices.Sorted(maps.Keys(have)) {
		all = append(all, keyChange{key: []byte(key), head: headOf([]byte(key)), change: change{removed: have[key]}})
	}
	empty, ok := versions[len(versions)-1].tree.apply(changeList(all))
	if !ok || len(empty.branches) != 0 || empty.keys != 0 || empty.postings != 0 {
		t.Errorf("without all keys: %v, %d branches, %d keys, %d postings", ok, len(empty.branches), empty.keys, empty.postings)
	}
	for i, v := range versions {
		checkTree(t, &v.tree, v.want)
		if t.Failed() {
			t.Fatalf("version %d", i)
		}
	}
}

// changeList is keyChanges as they are.
type changeList []keyChange

func (l changeList) size() int { return len(l) }

func (l changeList) keyAt(i int, _ *[8]byte) (key []byte, head uint64) { return l[i].key, l[i].head }

func (l changeList) read(i int, c *keyChange) {
	c.key, c.head, c.change = l[i].key, l[i].head, l[i].change
}

// randomKeyChanges removes or adds ordinals of random keys.
func randomKeyChanges(r *rand.Rand, have map[string][]state.Ordinal, n int) []keyChange {
	keys := map[string]bool{}
	for range n {
		key := binary.BigEndian.AppendUint32(nil, uint32(r.IntN(50000)))
		if key[3]%3 == 0 {
			key = append(bytes.Repeat([]byte("k"), 20), key...) // alike in the first eight bytes
		}
		keys[string(key)] = true
	}
	var out []keyChange
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		now := map[state.Ordinal]bool{}
		for _, o := range have[key] {
			now[o] = true
		}
		size := 1
		if r.IntN(200) == 0 {
			size = 2000
		}
		c := randomChange(r, now, r.IntN(10001), 1<<20)
		for range size {
			o := state.Ordinal(r.IntN(1 << 20))
			if !now[o] && !slices.Contains(c.removed, o) {
				now[o] = true
				c.added = append(c.added, o)
			}
		}
		slices.Sort(c.added)
		if c.empty() {
			continue
		}
		if have[key] = slices.Sorted(maps.Keys(now)); len(now) == 0 {
			delete(have, key)
		}
		out = append(out, keyChange{key: []byte(key), head: headOf([]byte(key)), change: c})
	}
	return out
}

func checkTree(t *testing.T, x *tree, want map[string][]state.Ordinal) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	var up, down []string
	postings := 0
	for e := range x.ascend(nil, nil) {
		up = append(up, string(e.key))
		postings += e.postings().Len()
	}
	for e := range x.descend(nil, nil) {
		down = append(down, string(e.key))
	}
	slices.Reverse(down)
	if !slices.Equal(up, keys) || !slices.Equal(down, keys) || x.keys != len(keys) || x.postings != postings {
		t.Errorf("%d keys up, %d down, counted %d, want %d", len(up), len(down), x.keys, len(keys))
	}
	for _, key := range keys {
		if got := slices.Collect(x.get([]byte(key)).All()); !slices.Equal(got, want[key]) {
			t.Errorf("key %q: %v, want %v", key, got, want[key])
			return
		}
		if n := x.get(append([]byte(key), 0)).Len(); n != 0 {
			t.Errorf("behind key %q there are %d", key, n)
		}
	}
	for i, b := range x.branches {
		if len(b.leaves) > branchMost || x.heads[i] != b.heads[0] {
			t.Errorf("branch %d has %d leaves", i, len(b.leaves))
		}
		for k, l := range b.leaves {
			if len(l.data) == 0 || b.heads[k] != headOf(l.first()) {
				t.Errorf("leaf %d of branch %d has %d bytes", k, i, len(l.data))
			}
		}
	}
}
