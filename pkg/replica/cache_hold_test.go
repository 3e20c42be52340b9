package replica_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// crowd is some datasets of one store, as large as each other, and a cache that has
// room for all but one of them.
type crowd struct {
	t      *testing.T
	store  *network
	dir    string
	max    int64
	worlds map[dataset.Name]*world
}

func newCrowd(t *testing.T, names ...dataset.Name) *crowd {
	c := &crowd{t: t, store: newNetwork(blob.NewMemory()), dir: t.TempDir(), worlds: map[dataset.Name]*world{}}
	for _, n := range names {
		c.worlds[n] = newWorld(t, c.store, 1)
		c.worlds[n].name = n
		c.publish(n, 1000)
	}
	one := t.TempDir()
	c.follow(c.open(one, 1<<30), names[0])
	c.max = folderSize(t, one)*int64(len(names)) - 1000
	return c
}

// publish makes a version of so many records, none of which was in one before.
func (c *crowd) publish(n dataset.Name, count int) {
	c.t.Helper()
	w, content := c.worlds[n], records{}
	for i := range count {
		content[fmt.Sprintf("%d-%04d", len(w.versions), i)] = i * 7919 % 1_000_003
	}
	w.publish(content)
}

func (c *crowd) open(dir string, max int64) *replica.Cache {
	c.t.Helper()
	cache, err := replica.OpenCache(dir, max)
	if err != nil {
		c.t.Fatal(err)
	}
	return cache
}

func (c *crowd) replica(cache *replica.Cache, n dataset.Name) *replica.Replica {
	return open(c.store, func(cfg *replica.Config) { cfg.Dataset, cfg.Cache = n, cache })
}

func (c *crowd) follow(cache *replica.Cache, names ...dataset.Name) {
	c.t.Helper()
	for _, n := range names {
		refresh(c.t, c.replica(cache, n), c.worlds[n].last())
	}
}

// start is a process that follows datasets in this order, some time after the one
// before.
func (c *crowd) start(names ...dataset.Name) {
	c.t.Helper()
	touch(c.t, c.dir, func(used time.Time) time.Time { return used.Add(-time.Hour) })
	c.follow(c.open(c.dir, c.max), names...)
	if size := folderSize(c.t, c.dir); size > c.max {
		c.t.Errorf("%d bytes in a cache of %d", size, c.max)
	}
}

// cold returns the versions that start from a copy of the cache, without a store.
func (c *crowd) cold() map[dataset.Name]dataset.Version {
	c.t.Helper()
	dir := filepath.Join(c.t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
		c.t.Fatal(err)
	}
	c.store.cut.Store(true)
	defer c.store.cut.Store(false)
	cache, got := c.open(dir, 1<<30), map[dataset.Name]dataset.Version{}
	for n, w := range c.worlds {
		r := c.replica(cache, n)
		if err := r.Refresh(c.t.Context()); err != nil && !errors.Is(err, blobtest.ErrInjected) {
			c.t.Fatal(err)
		}
		if v := r.Current(); v != nil {
			w.check(v)
			got[n] = v.Version()
		}
	}
	return got
}

// want says which datasets start from the cache, at their newest versions.
func (c *crowd) want(when string, names ...dataset.Name) {
	c.t.Helper()
	got := c.cold()
	for n, w := range c.worlds {
		if in := slices.Contains(names, n); in != (got[n] != dataset.None) || in && got[n] != w.last() {
			c.t.Errorf("%s: at %v without a store; want %v at their newest, and no other", when, got, names)
			return
		}
	}
}

// TestCacheFull starts again and again with a cache that has no room for all, and loads
// its datasets in other orders: those that were there first stay.
func TestCacheFull(t *testing.T) {
	c := newCrowd(t, "a", "b", "c")
	c.start("a", "b", "c")
	c.want("at first", "a", "b")
	before := tree(t, c.dir)
	for _, order := range [][]dataset.Name{{"c", "a", "b"}, {"b", "c", "a"}, {"c", "b", "a"}, {"a", "b", "c"}} {
		gets := c.store.gets.Load()
		c.start(order...)
		c.want(fmt.Sprint("after ", order), "a", "b")
		if after := tree(t, c.dir); after != before {
			t.Errorf("after %v the cache was\n%s\nand is\n%s", order, before, after)
		}
		if n := c.store.gets.Load() - gets; n != 1 {
			t.Errorf("%d blobs were fetched with order %v, want the one that has no room", n, order)
		}
	}
}

// beforeSecond is a store that does something before the second Get of blobs of a: a
// replica has loaded a delta then, and brings a snapshot to the cache.
type beforeSecond struct {
	blob.Store
	gets *int
	do   func() error
}

func (s beforeSecond) Get(ctx context.Context, key string) ([]byte, error) {
	if strings.HasPrefix(key, "a/blobs/") {
		if *s.gets++; *s.gets == 2 {
			if err := s.do(); err != nil {
				return nil, err
			}
		}
	}
	return s.Store.Get(ctx, key)
}

// replaced publishes a newer version of a, while the cache has so much room beside what
// is there of a and b, and does something while that version's snapshot is brought.
func (c *crowd) replaced(room int64, do func(other *replica.Replica) error) {
	c.t.Helper()
	c.start("a", "b", "c")
	c.max = folderSize(c.t, filepath.Join(c.dir, "a")) + folderSize(c.t, filepath.Join(c.dir, "b")) + room
	touch(c.t, c.dir, func(used time.Time) time.Time { return used.Add(-time.Hour) })
	cache := c.open(c.dir, c.max)
	a, other := c.replica(cache, "a"), c.replica(cache, "c")
	refresh(c.t, a, c.worlds["a"].last())
	refresh(c.t, other, c.worlds["c"].last())
	c.publish("a", 200)
	gets := 0
	c.store.Store = beforeSecond{c.store.Store, &gets, func() error { return do(other) }}
	refresh(c.t, a, c.worlds["a"].last())
	if gets < 2 {
		c.t.Errorf("the newer version was not brought to the cache: %d gets, %d of %d\n%s", gets, folderSize(c.t, c.dir), c.max, tree(c.t, c.dir))
	}
}

// TestCacheFullAndNewer has a newer version take the place of the one before: nobody
// else gets it meanwhile.
func TestCacheFullAndNewer(t *testing.T) {
	c := newCrowd(t, "a", "b", "c")
	c.replaced(100, func(other *replica.Replica) error {
		c.publish("c", 400)
		refresh(t, other, c.worlds["c"].last())
		return nil
	})
	c.want("after a newer version", "a", "b")
}

// TestCacheFullAndFailing has a newer version that cannot be fetched for the cache,
// while another dataset looks for a little room: the one before stays.
func TestCacheFullAndFailing(t *testing.T) {
	c := newCrowd(t, "a", "b", "c")
	before := c.worlds["a"].last()
	c.replaced(4000, func(other *replica.Replica) error {
		for i := range 3 {
			c.publish("c", 10+i)
			refresh(t, other, c.worlds["c"].last())
		}
		return blobtest.ErrInjected
	})
	if got := c.cold(); got["a"] != before {
		t.Errorf("at %v, want a at %s", got, before)
	}
}

// TestCacheFullAndTooLarge publishes a version that has no room at all: what was there
// of the dataset stays, now and at the next start.
func TestCacheFullAndTooLarge(t *testing.T) {
	c := newCrowd(t, "a", "b", "c")
	c.start("a", "b", "c")
	before := c.worlds["a"].last()
	c.publish("a", 9000)
	for _, order := range [][]dataset.Name{{"a", "c", "b"}, {"c", "b", "a"}} {
		c.start(order...)
		if got := c.cold(); got["a"] != before || got["b"] != c.worlds["b"].last() || got["c"] != dataset.None {
			t.Errorf("after %v: at %v, want a at %s, and b", order, got, before)
		}
	}
}

// TestCacheFullOfOthers stops to follow a dataset: another one takes its place from
// the second start on.
func TestCacheFullOfOthers(t *testing.T) {
	c := newCrowd(t, "a", "b", "c")
	c.start("a", "b", "c")
	c.start("c", "b")
	c.want("without it once", "a", "b")
	c.start("c", "b")
	c.want("without it twice", "b", "c")
	c.start("a", "b", "c")
	c.want("with it again", "b", "c")
}
