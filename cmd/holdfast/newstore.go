package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
)

// createStore opens a store to write to it, as cloud.Create does. undo removes
// the folders that it made, as far as nothing has been put there.
func createStore(ctx context.Context, location string) (store blob.Store, undo func(), err error) {
	var made []string // deepest first
	if !cloud.IsURL(location) {
		made = missingFolders(location)
	}
	undo = func() {
		for i, path := range made {
			if i == 0 {
				removeEmpty(path)
			}
			_ = os.Remove(path) // fails if somebody uses it
		}
	}
	if store, err = cloud.Create(ctx, location); err == nil {
		err = refuseDatasetFolder(ctx, store)
	}
	if err != nil {
		undo()
	}
	return store, undo, err
}

// missingFolders returns path and those above it that are not there, deepest
// first.
func missingFolders(path string) []string {
	var out []string
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return out
		}
		out = append(out, path)
	}
}

// removeEmpty removes the folders in a folder that have no file in them.
func removeEmpty(path string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeEmpty(filepath.Join(path, e.Name()))
			_ = os.Remove(filepath.Join(path, e.Name())) // fails unless it is empty
		}
	}
}
