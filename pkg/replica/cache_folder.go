package replica

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrNotCache says that a folder holds something else than a cache. Nothing in
// it was touched.
var ErrNotCache = errors.New("the folder is not a cache: give the cache a folder of its own, new or empty")

// cacheMark is the empty file that says whose folder it is. Files of a
// folder without it are never removed.
const cacheMark = ".holdfast-cache"

// takeFolder makes a folder ready to be a cache: a new or empty one is marked,
// a marked one freed of what dead writers left. Any other is ErrNotCache.
func takeFolder(dir string) error {
	store, ok, err := blob.StoreAround(dir)
	if err != nil {
		return err
	}
	if ok {
		return fmt.Errorf("%s: %w: it is in the store %s", dir, ErrNotCache, store)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	marked := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == cacheMark && e.Type().IsRegular() })
	if len(entries) > 0 && !marked {
		if why := unlikeCache(dir, entries); why != "" {
			return fmt.Errorf("%s: %w: it holds %s", dir, ErrNotCache, why)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, cacheTemp), 0o700); err != nil {
		return err
	}
	if !marked {
		if err := os.WriteFile(filepath.Join(dir, cacheMark), nil, 0o600); err != nil {
			return err
		}
	}
	return sweepTemps(dir)
}

// unlikeCache names something in a folder that the caches of before the mark
// never had; empty if there is nothing. They had a folder of temporary files,
// and one for each dataset.
func unlikeCache(dir string, entries []fs.DirEntry) string {
	temp := false
	for _, e := range entries {
		if e.Name() == cacheTemp && e.IsDir() {
			temp = true
			continue
		}
		if _, err := dataset.ParseName(e.Name()); err != nil || !e.IsDir() {
			return e.Name()
		}
		if why := unlikeCached(filepath.Join(dir, e.Name())); why != "" {
			return filepath.Join(e.Name(), why)
		}
	}
	if !temp {
		return entries[0].Name()
	}
	inside, err := os.ReadDir(filepath.Join(dir, cacheTemp))
	if err != nil {
		return cacheTemp
	}
	for _, e := range inside {
		if !isTemp(e) {
			return filepath.Join(cacheTemp, e.Name())
		}
	}
	return ""
}

// unlikeCached is unlikeCache for the folder of one dataset.
func unlikeCached(folder string) string {
	inside, err := os.ReadDir(folder)
	if err != nil {
		return "."
	}
	for _, e := range inside {
		if !slices.Contains([]string{foldFile, "blobs", "versions", "schemas"}, e.Name()) {
			return e.Name()
		}
	}
	return ""
}

// isTemp says whether a file has a name that Cache.write gives.
func isTemp(e fs.DirEntry) bool {
	id, err := hex.DecodeString(e.Name())
	return err == nil && len(id) == tempIDSize && e.Type().IsRegular()
}

// sweepTemps removes the files that writers who died have left.
func sweepTemps(dir string) error {
	entries, err := os.ReadDir(filepath.Join(dir, cacheTemp))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isTemp(e) {
			if err := os.Remove(filepath.Join(dir, cacheTemp, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
