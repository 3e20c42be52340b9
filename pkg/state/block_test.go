package state

import (
	"slices"
	"testing"
)

// TestBlockAddAll adds all records at once and one by one.
func TestBlockAddAll(t *testing.T) {
	s := &Schema{Name: "T", Kind: Object, Fields: []Field{{Name: "n", Type: Int}}}
	for shards := 1; shards <= maxBlock; shards *= 2 {
		const first = 3 * maxBlock
		got, want := newBlock(s, []int{0}, maxBlock), newBlock(s, []int{0}, maxBlock)
		got.addAll(first, shards)
		for k := range maxBlock {
			o := first + k
			want.shards[k], want.at[k] = int32(o%shards), uint64(o/shards)
		}
		want.n = maxBlock
		want.group(shards)
		if got.n != want.n || !slices.Equal(got.shards, want.shards) || !slices.Equal(got.at, want.at) {
			t.Errorf("%d shards: the records differ", shards)
		}
		if !slices.EqualFunc(got.groups, want.groups, func(a, b group) bool {
			return a.shard == b.shard && slices.Equal(a.record, b.record) && slices.Equal(a.at, b.at)
		}) {
			t.Errorf("%d shards: groups %v, want %v", shards, got.groups, want.groups)
		}
	}
}
