package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// errOrigin says that what a cache remembers of a dataset is of another store,
// maybe: the caches of before did not say of which. Its log names other versions.
var errOrigin = errors.New("the cache has the dataset of another store")

// foldFile, in the folder of a dataset, says what its log said last.
const foldFile = "fold.json"

// remembered is the content of foldFile. Those of before have no Origin.
type remembered struct {
	Format int           `json:"format"`
	Origin *string       `json:"origin"`
	Fold   announce.Fold `json:"fold"`
}

// remember keeps what a dataset's log says in the store of that origin.
func (c *Cache) remember(n dataset.Name, origin string, f announce.Fold) error {
	b, err := json.Marshal(remembered{1, &origin, f})
	if err != nil {
		return fmt.Errorf("write to cache: %w", err)
	}
	return c.write(path.Join(string(n), foldFile), b)
}

// recall returns what remember has kept. It fails with errOrigin if that is not of
// the store of that origin.
func (c *Cache) recall(n dataset.Name, origin string) (announce.Fold, error) {
	r, err := c.recallAny(n)
	if err != nil {
		return announce.Fold{}, err
	}
	if r.Origin == nil {
		return announce.Fold{}, fmt.Errorf("read from cache: %w, maybe: it does not say of which", errOrigin)
	}
	if *r.Origin != origin {
		return announce.Fold{}, fmt.Errorf("read from cache: %w: %s", errOrigin, *r.Origin)
	}
	return r.Fold, nil
}

// recallAny is recall for whatever store.
func (c *Cache) recallAny(n dataset.Name) (remembered, error) {
	r := remembered{Fold: announce.Empty()}
	file := c.path(path.Join(string(n), foldFile))
	b, err := blob.ReadFile(file, blob.MaxFile)
	if err != nil {
		return remembered{}, fmt.Errorf("read from cache: %w", err)
	}
	if err := blob.DecodeJSON(b, &r); err != nil {
		return remembered{}, fmt.Errorf("read from cache: %s: %w: it is made anew once the store answers", file, err)
	}
	return r, nil
}

// Datasets returns the datasets of the store of that origin that can start from
// the cache, sorted.
func (c *Cache) Datasets(origin string) ([]dataset.Name, error) {
	names, err := c.folders()
	if err != nil {
		return nil, err
	}
	var out []dataset.Name
	for _, n := range names {
		if _, err := c.recall(n, origin); err == nil {
			out = append(out, n)
		}
	}
	return out, nil
}

// folders returns the datasets that have a folder, sorted.
func (c *Cache) folders() ([]dataset.Name, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("read cache: %w", err)
	}
	var out []dataset.Name
	for _, e := range entries {
		if n, err := dataset.ParseName(e.Name()); err == nil {
			out = append(out, n)
		}
	}
	return out, nil
}
