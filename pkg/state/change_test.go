package state

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// itemSchema is a type with a number and a text.
func itemSchema() *Schema {
	return &Schema{Name: "Item", Kind: Object, Fields: []Field{{Name: "n", Type: Long}, {Name: "text", Type: String}}}
}

type item struct {
	n    int64
	text string // "" is null
}

// itemType is a version of a type and its naive twin.
type itemType struct {
	t     *Type
	items map[Ordinal]item
	some  bool // only those of which keep says so
}

func newItems() itemType { return itemType{t: newType(itemSchema(), 1), items: map[Ordinal]item{}} }

// newSomeItems is newItems of a type that keeps only some.
func newSomeItems() itemType {
	v := newItems()
	v.some = true
	return v
}

// keep says whether a type that keeps only some keeps an item.
func (x item) keep() bool { return x.n%3 != 0 && len(x.text) < 20 }

// keepItem is keep for a record.
func keepItem(r Record) bool {
	n, _ := r.Long(0)
	text, _ := r.StringView(1)
	return item{n, string(text)}.keep()
}

// change removes and adds records; an ordinal must not be in both. v must not be
// checked any more: its twin is the next version's.
func (v itemType) change(removed []Ordinal, added map[Ordinal]item) (itemType, error) {
	slices.Sort(removed)
	list := slices.Sorted(maps.Keys(added))
	c := typeChange{removed: removed, added: list, loader: func() pageLoader {
		return func(b *pageBuilder, k, n, _ int) error {
			for _, o := range list[k:n] {
				b.nums[0][slot(o)] = LongValue(added[o].n).Bits()
				b.setText(&b.texts[1], slot(o), []byte(added[o].text), added[o].text == "")
			}
			return nil
		}
	}}
	if v.some {
		c.keep = keepItem
	}
	next, err := v.t.apply(c)
	if err != nil {
		return itemType{}, err
	}
	for _, o := range removed {
		delete(v.items, o)
	}
	for o, x := range added {
		if v.items[o] = x; v.some && !x.keep() {
			delete(v.items, o)
		}
	}
	v.t = next
	return v, nil
}

func (v itemType) clone() itemType {
	v.items = maps.Clone(v.items)
	return v
}

// check compares every record, and what is counted.
func (v itemType) check() error {
	if err := v.t.verify(); err != nil {
		return err
	}
	if got, want := slices.Collect(v.t.Ordinals()), slices.Sorted(maps.Keys(v.items)); !slices.Equal(got, want) {
		return fmt.Errorf("ordinals %v, want %v", got, want)
	}
	for o, want := range v.items {
		r := v.t.Record(o)
		n, ok := r.Long(0)
		text, textOK := r.StringView(1)
		if !ok || textOK != (want.text != "") || n != want.n || string(text) != want.text {
			return fmt.Errorf("record %d is %d, %q, want %+v", o, n, text, want)
		}
	}
	return nil
}

// TestApplyAgainstMap makes a tree of versions by random changes and compares all
// of them with maps.
func TestApplyAgainstMap(t *testing.T) {
	ordinals := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 40), rapid.IntRange(0, 3000))
	rapid.Check(t, func(t *rapid.T) {
		versions := []itemType{newItems()}
		if rapid.Bool().Draw(t, "some") {
			versions[0] = newSomeItems()
		}
		for range rapid.IntRange(1, 12).Draw(t, "versions") {
			base := versions[rapid.IntRange(max(0, len(versions)-3), len(versions)-1).Draw(t, "base")]
			have := slices.Sorted(maps.Keys(base.items))
			var removed []Ordinal
			if len(have) > 0 {
				removed = rapid.SliceOfDistinct(rapid.SampledFrom(have), rapid.ID).Draw(t, "removed")
			}
			if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
				removed = have
			}
			added := map[Ordinal]item{}
			for _, o := range rapid.SliceOfNDistinct(ordinals, 0, 40, rapid.ID).Draw(t, "added") {
				if !slices.Contains(removed, Ordinal(o)) {
					added[Ordinal(o)] = item{rapid.Int64Min(-1<<62).Draw(t, "n"), rapid.StringN(0, 30, -1).Draw(t, "text")}
				}
			}
			next, err := base.clone().change(removed, added)
			if err != nil {
				t.Fatal(err)
			}
			versions = append(versions, next)
			for i, v := range versions {
				if err := v.check(); err != nil {
					t.Fatalf("version %d of %d: %v", i+1, len(versions), err)
				}
			}
		}
	})
}

// TestRemoveTwice removes what is not there.
func TestRemoveTwice(t *testing.T) {
	v, err := newItems().change(nil, map[Ordinal]item{3: {1, "a"}, 600: {2, "b"}})
	if err != nil {
		t.Fatal(err)
	}
	next, err := v.clone().change([]Ordinal{3, 4, 100, 5000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.check(); err != nil || next.t.Len() != 1 {
		t.Errorf("%d records are left, error %v", next.t.Len(), err)
	}
}

// TestFailedApply holds that changes which fail leave nothing behind.
func TestFailedApply(t *testing.T) {
	v, err := newItems().change(nil, map[Ordinal]item{3: {1, "a"}, 600: {2, "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = v.change(nil, map[Ordinal]item{4: {3, "c"}}); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("cannot load")
	for range 20 {
		_, err := v.t.apply(typeChange{added: []Ordinal{1, 2000}, loader: func() pageLoader {
			return func(b *pageBuilder, k, _, _ int) error {
				b.nums[0][slot(1)] = 0
				return []error{nil, failed}[k]
			}
		}})
		if !errors.Is(err, failed) {
			t.Fatalf("error %v, want that of load", err)
		}
	}
	next, err := v.clone().change(nil, map[Ordinal]item{1000: {4, "d"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []itemType{v, next} {
		if err := v.check(); err != nil {
			t.Error(err)
		}
	}
	if was, is := v.t.blocks.Held(), next.t.blocks.Held(); is != was {
		t.Errorf("%d bytes are held, they were %d before the failures", is, was)
	}
}

// TestEvacuationOfPages changes a small type thousands of times, with records
// of ever other lengths, which are added beside each other or anywhere. What
// its segments hold, besides the open ones, stays near what its pages take, and
// versions that are kept stay as they were.
func TestEvacuationOfPages(t *testing.T) {
	const records, cycles, open, most = 3000, 3000, 1 << 15, 1.1
	for _, near := range []bool{true, false} {
		e := &itemEdits{r: rand.New(rand.NewPCG(1, 9)), near: near}
		added := map[Ordinal]item{}
		for o := range Ordinal(records) {
			added[o] = e.item()
		}
		v, err := newItems().change(nil, added)
		if err != nil {
			t.Fatal(err)
		}
		kept := []itemType{v.clone()}
		worst := 0.0
		for cycle := range cycles {
			if v, err = e.change(v); err != nil {
				t.Fatal(err)
			}
			if cycle%(cycles/8) == 0 {
				kept = append(kept, v.clone())
			}
			if cycle > cycles/10 {
				worst = max(worst, float64(v.t.blocks.Held()-open)/float64(v.t.blocks.Used()))
			}
		}
		for i, k := range append(kept, v) {
			if err := k.check(); err != nil {
				t.Fatalf("near %v, version %d of those kept: %v", near, i, err)
			}
		}
		if worst > most {
			t.Errorf("near %v: %.2f bytes were held for each of %d used", near, worst, v.t.blocks.Used())
		}
	}
}

// itemEdits are random changes of a type of some 3,000 records.
type itemEdits struct {
	r    *rand.Rand
	near bool    // records are added beside each other
	at   Ordinal // the last one
}

func (e *itemEdits) item() item {
	return item{e.r.Int64N(1 << (1 + e.r.IntN(60))), strings.Repeat("x", e.r.IntN(60))}
}

// change removes one to forty records and adds as many elsewhere.
func (e *itemEdits) change(v itemType) (itemType, error) {
	const ordinals = 3300
	removed, added := map[Ordinal]bool{}, map[Ordinal]item{}
	for range 1 + e.r.IntN(40) {
		if o := Ordinal(e.r.IntN(ordinals)); v.t.Populated(o) {
			removed[o] = true
		}
	}
	for len(added) < len(removed) {
		if e.at = (e.at + 1) % ordinals; !e.near {
			e.at = Ordinal(e.r.IntN(ordinals))
		}
		if !v.t.Populated(e.at) {
			added[e.at] = e.item()
		}
	}
	return v.change(slices.Collect(maps.Keys(removed)), added)
}

// manyItems are changes of more pages than one goroutine makes: replaced, kept,
// and new ones far behind.
func manyItems(rnd *rand.Rand) (removed []Ordinal, added map[Ordinal]item) {
	added = map[Ordinal]item{}
	for first := Ordinal(0); first < 3*parallelPages*pageSize; first += pageSize {
		for range 1 + rnd.IntN(4) {
			added[first+Ordinal(rnd.IntN(pageSize))] = item{rnd.Int64N(1 << rnd.IntN(60)), strings.Repeat("x", rnd.IntN(40))}
		}
		if o := first + Ordinal(rnd.IntN(pageSize)); rnd.IntN(2) == 0 {
			if _, both := added[o]; !both {
				removed = append(removed, o)
			}
		}
	}
	return removed, added
}

// TestManyPages changes so many pages that several goroutines make them.
func TestManyPages(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, v := range []itemType{newItems(), newSomeItems()} {
		for range 6 {
			next, err := v.change(manyItems(rnd))
			if err != nil {
				t.Fatal(err)
			}
			if err := next.check(); err != nil {
				t.Fatalf("seed %d, only some %v: %v", seed, v.some, err)
			}
			v = next
		}
	}
}

// TestKeptChange has records that come and are kept or not, in the place of others or
// not, and others that go, or were not there: only what there is on one side counts.
func TestKeptChange(t *testing.T) {
	kept, dropped := item{1, "a"}, item{3, "b"}
	v, err := newSomeItems().change(nil, map[Ordinal]item{3: kept, 4: kept, 5: kept, 6: kept})
	if err != nil {
		t.Fatal(err)
	}
	removed, added := []Ordinal{3, 9}, map[Ordinal]item{5: dropped, 6: kept, 7: kept, 8: dropped}
	next, err := v.clone().change(removed, added)
	if err != nil {
		t.Fatal(err)
	}
	c := keptChange(typeChange{removed: removed, added: slices.Sorted(maps.Keys(added))}, v.t, next.t)
	if !slices.Equal(c.Removed, []Ordinal{3, 5}) || !slices.Equal(c.Added, []Ordinal{6, 7}) {
		t.Errorf("removed are %v, added %v", c.Removed, c.Added)
	}
}

// TestLeftOutTakesNothing compares what pages take with those of a type that never
// saw what is left out.
func TestLeftOutTakesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 1))
	for _, n := range []int{1, 8} {
		_, added := manyItems(rnd)
		maps.DeleteFunc(added, func(o Ordinal, _ item) bool { return int(o)%(16*n) >= 16 }) // of each n'th page
		some, err := newSomeItems().change(nil, added)
		if err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(added, func(_ Ordinal, x item) bool { return !x.keep() })
		want, err := newItems().change(nil, added)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := some.t.blocks.Used(), want.t.blocks.Used(); got > want+want/20 {
			t.Errorf("%d items take %d bytes, by themselves %d", some.t.Len(), got, want)
		}
	}
}

// TestManyPagesFail fails to load one page of many, or after all of them.
func TestManyPagesFail(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 1))
	v, err := newItems().change(manyItems(rnd))
	if err != nil {
		t.Fatal(err)
	}
	_, added := manyItems(rnd)
	list := slices.Sorted(maps.Keys(added))
	failed := errors.New("cannot load")
	for _, bad := range []int{0, len(list) / 2, len(list) - 1, len(list)} {
		c := typeChange{added: list, loader: func() pageLoader {
			return func(b *pageBuilder, k, n, _ int) error {
				for i := k; i < n; i++ {
					if i == bad {
						return failed
					}
					b.nums[0][slot(list[i])] = 0
				}
				return nil
			}
		}}
		if bad == len(list) {
			c.check = func() error { return failed }
		}
		if _, err := v.t.apply(c); !errors.Is(err, failed) {
			t.Errorf("record %d of %d: %v", bad, len(list), err)
		}
	}
	if err := v.check(); err != nil {
		t.Error(err)
	}
	next, err := v.change(manyItems(rnd))
	if err != nil {
		t.Fatal(err)
	}
	if err := next.check(); err != nil {
		t.Error(err)
	}
}
