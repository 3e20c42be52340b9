package replica

import "testing"

// TestCachePromise keeps the room of what a dataset is about to bring: another one that
// comes meanwhile finds none.
func TestCachePromise(t *testing.T) {
	c, err := OpenCache(t.TempDir(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if !c.claim("a", map[string]int64{"a/blobs/x": 60}) {
		t.Fatal("an empty cache has no room")
	}
	if c.claim("b", map[string]int64{"b/blobs/y": 60}) || c.room("b/blobs/y", 60) {
		t.Error("room that is promised is given to another dataset")
	}
	if !c.claim("b", map[string]int64{"b/blobs/y": 40}) || !c.room("b/blobs/y", 40) || !c.room("a/blobs/x", 60) {
		t.Error("there is no room for both, which fit")
	}
}
