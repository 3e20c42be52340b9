package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// StoreAround returns the store that the folder path is or lies in, if there is
// one; path need not exist. A folder is a store if writers have left their
// mark in it, or if a dataset in it has a log. Errors are those of the file
// system.
func StoreAround(path string) (store string, ok bool, err error) {
	if path, err = resolve(path); err != nil {
		return "", false, err
	}
	for {
		if ok, err := isStore(path); err != nil || ok {
			return path, ok, err
		}
		above := filepath.Dir(path)
		if above == path {
			return "", false, nil
		}
		path = above
	}
}

// Overlap says whether two folders are the same or one lies in the other,
// whatever links lead to them; neither need exist. Errors are those of the
// file system.
func Overlap(a, b string) (bool, error) {
	a, err := resolve(a)
	if err != nil {
		return false, err
	}
	if b, err = resolve(b); err != nil {
		return false, err
	}
	return within(a, b) || within(b, a), nil
}

// within says whether path is, or lies in, folder; both are resolved.
func within(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// resolve returns the absolute path without links, as far as it exists.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for {
		there, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(there, rest), nil
		}
		above := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || above == path {
			return "", fmt.Errorf("resolve %s: %w", path, err)
		}
		path, rest = above, filepath.Join(filepath.Base(path), rest)
	}
}

// isStore says whether a folder is a store. What cannot be listed has none
// that this process could harm.
func isStore(path string) (bool, error) {
	if info, err := os.Lstat(filepath.Join(path, tempFolder)); err == nil && info.IsDir() {
		return true, nil
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		n, err := dataset.ParseName(e.Name())
		if err != nil || e.Type().IsRegular() {
			continue
		}
		if _, err := os.Stat(filepath.Join(path, filepath.FromSlash(LogKey(n, 0)))); err == nil {
			return true, nil
		}
	}
	return false, nil
}
