package state

import (
	"slices"
	"testing"
)

// TestBlockSort groups records of many shards without a look at each shard, as those
// of few are grouped.
func TestBlockSort(t *testing.T) {
	s := &Schema{Name: "T", Kind: Object, Fields: []Field{{Name: "n", Type: Int}}}
	for _, n := range []int{0, 1, 5, maxBlock} {
		got, want := newBlock(s, []int{0}, maxBlock), newBlock(s, []int{0}, maxBlock)
		for k := range n {
			shard := int32(k * 7919 % 13 * 70)
			for _, b := range []*block{got, want} {
				b.shards[k], b.at[k], b.n = shard, uint64(k), k+1
			}
		}
		got.group(1 << 20)
		want.group(manyShards)
		if len(got.counts) > 0 || len(want.counts) == 0 && n > 0 {
			t.Errorf("counts of %d and %d shards", len(got.counts), len(want.counts))
		}
		if !slices.EqualFunc(got.groups, want.groups, func(a, b group) bool {
			return a.shard == b.shard && slices.Equal(a.record, b.record) && slices.Equal(a.at, b.at)
		}) {
			t.Errorf("%d records: groups %v, want %v", n, got.groups, want.groups)
		}
	}
}

// TestBlockAddAll adds all records at once, and one by one; what others left in the
// block does not show.
func TestBlockAddAll(t *testing.T) {
	s := &Schema{Name: "T", Kind: Object, Fields: []Field{{Name: "n", Type: Int}}}
	first := 3 * maxBlock
	add := func(got *block, shards int) {
		want := newBlock(s, []int{0}, maxBlock)
		got.addAll(Ordinal(first), shards)
		for k := range maxBlock {
			o := first + k
			want.shards[k], want.at[k] = int32(o%shards), uint64(o/shards)
		}
		want.n = maxBlock
		want.group(shards)
		if got.n != want.n || !slices.Equal(got.shards, want.shards) {
			t.Errorf("%d shards: the records differ", shards)
		}
		if !slices.EqualFunc(got.groups, want.groups, func(a, b group) bool {
			return a.shard == b.shard && slices.Equal(a.record, b.record) && slices.Equal(a.at, b.at)
		}) {
			t.Errorf("%d shards: groups %v, want %v", shards, got.groups, want.groups)
		}
		first += maxBlock
	}
	for shards := 1; shards <= maxBlock; shards *= 2 {
		got := newBlock(s, []int{0}, maxBlock)
		add(got, shards)
		add(got, shards)
		for k := range 5 { // some records, as of pages that are not full
			got.shards[k], got.at[k] = int32(k%shards), uint64(900+k/shards)
		}
		got.n = 5
		got.group(shards)
		add(got, shards)
		got.n = 0
		got.group(shards)
		add(got, shards)
	}
}

// TestTextsRun sets values that lie behind each other, and says where one does not, or is
// null although the data go on behind where it would end.
func TestTextsRun(t *testing.T) {
	data := []byte("0123456789abcdef")
	for _, c := range []struct {
		ends, at    []uint64
		start, most uint64
		end         uint64
		ok          bool
	}{
		{[]uint64{3, 3, 5}, []uint64{7, 8, 9}, 1, 15, 5, true},
		{[]uint64{16}, []uint64{0}, 0, 31, 16, true},
		{[]uint64{17}, []uint64{0}, 0, 31, 0, false},     // there are no more
		{[]uint64{3, 8}, []uint64{0, 1}, 0, 7, 0, false}, // null, of four bits
		{[]uint64{3, 2}, []uint64{0, 1}, 0, 15, 0, false},
		{[]uint64{3}, []uint64{1}, 4, 15, 0, false},
		{[]uint64{3, 5}, []uint64{7, 9}, 1, 15, 0, false}, // there is one between
	} {
		values := texts{values: make([][]byte, 8), kind: make([]uint8, 8)}
		end, ok := values.setRun(group{record: []uint16{5, 2, 7}[:len(c.ends)], at: c.at}, c.ends, data, c.start, c.most)
		if ok != c.ok || ok && end != c.end {
			t.Errorf("%v from %d on, at most %d: to %d, %v", c.ends, c.start, c.most, end, ok)
		}
		start := c.start
		for i, e := range c.ends {
			if got := values.values[[]int{5, 2, 7}[i]]; c.ok && string(got) != string(data[start:e]) {
				t.Errorf("%v from %d on: value %d is %q", c.ends, c.start, i, got)
			}
			start = e
		}
	}
}
