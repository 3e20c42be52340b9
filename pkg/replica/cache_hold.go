package replica

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A holding is what a dataset needs for a start from the cache. Nobody's room is made
// of it.
type holding struct {
	keys map[string]int64 // with their sizes, 0 if they are small and not known yet
	// before is what was held until keys are all there. It makes room for the
	// dataset's own files only.
	before map[string]int64
}

// claim holds the keys that a dataset is about to bring, and the room for those that
// lack, if there is enough: else nothing changes.
func (c *Cache) claim(n dataset.Name, keys map[string]int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.held[n]
	next := holding{keys: keys, before: old.before}
	if next.before == nil {
		next.before = old.keys
	}
	c.held[n] = next
	if c.fits(n) {
		return true
	}
	c.held[n] = old
	return false
}

// able says whether there is room for all that a dataset has claimed and that lacks.
func (c *Cache) able(n dataset.Name) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fits(n)
}

// settle says that all that a dataset has claimed is there.
func (c *Cache) settle(n dataset.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[n] = holding{keys: c.held[n].keys}
}

// hold holds keys of a dataset instead of those before: none unless all are there.
func (c *Cache) hold(n dataset.Name, keys map[string]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, n)
	for key := range keys {
		if c.files[key] == nil {
			return
		}
	}
	c.held[n] = holding{keys: keys}
}

// fits says whether all that is held has room, if what a dataset may remove goes. The
// mutex is held.
func (c *Cache) fits(n dataset.Name) bool {
	_, bytes := c.free(n)
	return c.size-bytes+c.promised("") <= c.max
}

// promised returns the bytes that are held and lack, but for those of a key. The mutex
// is held.
func (c *Cache) promised(but string) (bytes int64) {
	for _, h := range c.held {
		for key, size := range h.keys {
			if key != but && c.files[key] == nil {
				bytes += size
			}
		}
	}
	return bytes
}

// free returns the keys that can go for a dataset, and their bytes. The mutex is held.
func (c *Cache) free(n dataset.Name) (keys []string, bytes int64) {
	for key, f := range c.files {
		owner := datasetOf(key)
		h := c.held[owner]
		_, held := h.keys[key]
		if _, before := h.before[key]; before && owner != n {
			held = true
		}
		if !held {
			keys, bytes = append(keys, key), bytes+f.size
		}
	}
	return keys, bytes
}

// room removes what was used longest ago and can go for the dataset of a key, until
// size bytes of it fit; false if they cannot.
func (c *Cache) room(key string, size int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	size += c.promised(key)
	if c.size+size <= c.max {
		return true
	}
	free, able := c.free(datasetOf(key))
	if c.size-able+size > c.max {
		return false
	}
	slices.SortFunc(free, func(a, b string) int { return cmp.Compare(c.files[a].used, c.files[b].used) })
	for _, key := range free {
		if c.size+size <= c.max {
			break
		}
		c.remove(key)
	}
	return true
}

// begin notes for the next process when this one began to use the cache. The file
// system gives the time, as it does of what is written from then on.
func (c *Cache) begin() {
	if f, err := os.OpenFile(filepath.Join(c.dir, cacheMark), os.O_WRONLY|os.O_TRUNC, 0); err == nil {
		_ = f.Close() // nothing was written; whatever fails here, less is held then
	}
}

// holdStarts makes what the datasets need for a start, as the cache remembers them, the
// last to go for room: of those that were used last, as many as fit. Of these it holds
// what the process before has used, so that which dataset is loaded first does not
// decide which of them stays. Nobody else has the Cache.
func (c *Cache) holdStarts() error {
	names, err := c.folders()
	if err != nil {
		return err
	}
	var began time.Time
	if info, err := os.Stat(filepath.Join(c.dir, cacheMark)); err == nil {
		began = info.ModTime()
	}
	var fit []need
	for _, n := range names {
		if need, err := c.remembers(n); err == nil { // else nothing starts from it
			fit = append(fit, need)
		}
	}
	slices.SortStableFunc(fit, func(a, b need) int { return b.used.Compare(a.used) })
	left := c.max
	fit = slices.DeleteFunc(fit, func(n need) bool {
		if n.size > left {
			return true
		}
		left -= n.size
		return false
	})
	for _, n := range slices.Backward(fit) {
		for key := range n.keys {
			c.clock++
			c.files[key].used = c.clock
		}
		if !n.used.Before(began) {
			c.held[n.name] = holding{keys: n.keys}
		}
	}
	return nil
}
