package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// meant says which of the names that there are was probably meant by one that
// is not among them: the nearest, else that it is one of them.
func meant(name string, there []string) string {
	if near := daemon.Nearest(name, there); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(there) == 0 {
		return "it has none"
	}
	return "it has " + strings.Join(there, ", ")
}

// noDataset is the error of a dataset that is not among those of a store.
func noDataset(ctx context.Context, store blob.Store, n dataset.Name, there []dataset.Name) error {
	if len(there) == 0 {
		if err := refuseDatasetFolder(ctx, store); err != nil {
			return err
		}
	}
	var names []string
	for _, have := range there {
		names = append(names, string(have))
	}
	return fmt.Errorf("the store has no dataset %s: %s", n, meant(string(n), names))
}

// refuseDatasetFolder returns an error if a store is the folder of a dataset in
// a store: who names that has gone one too deep.
func refuseDatasetFolder(ctx context.Context, store blob.Store) error {
	first := strings.TrimPrefix(blob.LogKey("n", 0), "n/")
	if _, err := store.Stat(ctx, first); err != nil {
		return nil // whoever uses the store says what is wrong with it
	}
	if dir, ok := store.(*blob.Dir); ok {
		return fmt.Errorf("%s is the folder of one dataset: the store is the folder around it, %s", dir.Root(), filepath.Dir(dir.Root()))
	}
	return errors.New("the URL is that of one dataset in a store: leave the dataset's name away at its end")
}
