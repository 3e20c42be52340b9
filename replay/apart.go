package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

var (
	// ErrProdStore says that a candidate's outputs would go to PROD's store.
	ErrProdStore = errors.New("a candidate's outputs must not go to PROD's store")
	// ErrForeignFolder says that a folder has what was not put there to be kept.
	ErrForeignFolder = errors.New("the folder has other content")
)

// isStore says whether two stores are known to be the same one: the same value,
// or the same folder.
func isStore(a, b blob.Store) bool {
	if x, ok := a.(*blob.Dir); ok {
		if y, ok := b.(*blob.Dir); ok {
			return sameFile(x.Root(), y.Root())
		}
	}
	return a != nil && reflect.TypeOf(a).Comparable() && a == b
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// Apart fails with ErrProdStore if a folder, which need not be there, is PROD's
// store, in it or around it, by whatever path.
func Apart(dir string, store blob.Store) error {
	prod, ok := store.(*blob.Dir)
	if !ok {
		return nil // a bucket has no folders
	}
	overlap, err := blob.Overlap(dir, prod.Root())
	if err != nil {
		return fmt.Errorf("compare folder %s with PROD's store: %w", dir, err)
	}
	if overlap {
		return fmt.Errorf("%w: folder %s is the store %s, or one of them is in the other: name a folder elsewhere", ErrProdStore, dir, prod.Root())
	}
	return nil
}

// Kept fails with ErrForeignFolder if a folder has entries other than those that
// have such a name. There may be none, and no folder.
func Kept(dir string, ours *regexp.Regexp) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at folder: %w", err)
	}
	for _, e := range entries {
		if !ours.MatchString(e.Name()) {
			return fmt.Errorf("folder %s has %s in it: %w: name an empty folder, or one that this command made", dir, e.Name(), ErrForeignFolder)
		}
	}
	return nil
}

// outputsName are the folders that Commands keeps outputs in.
var outputsName = regexp.MustCompile(`^[0-9a-f]{16}$`)
