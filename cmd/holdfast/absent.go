package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/sidecar"
)

// warnAbsent warns of declared datasets that are not in their store. They may
// come, so it is no error; more often they are misspelt. What cannot be looked
// at, the sidecar itself complains about.
func warnAbsent(ctx context.Context, declared []sidecar.DatasetConfig, log *slog.Logger) {
	for _, d := range declared {
		if d.Owner != sidecar.OwnerHoldfast {
			continue // a Java producer keeps no log
		}
		store, err := cloud.Open(ctx, d.Store)
		if err != nil {
			continue
		}
		names, err := blob.Datasets(ctx, store)
		if err != nil {
			continue
		}
		if len(names) == 0 {
			if err := refuseDatasetFolder(ctx, store); err != nil {
				log.Warn("dataset is not in its store", "dataset", d.Name, "error", err)
				continue
			}
		}
		if absent, args := missingFrom(d.Name, names); absent {
			log.Warn("dataset is not in its store: it is served as soon as it is published there",
				append([]any{"dataset", d.Name, "store", cloud.Shown(d.Store)}, args...)...)
		}
	}
}

// missingFrom says whether a dataset is not among names, and what to say about
// that: the nearest one, else all.
func missingFrom(n dataset.Name, names []dataset.Name) (absent bool, args []any) {
	var all []string
	for _, have := range names {
		if have == n {
			return false, nil
		}
		all = append(all, string(have))
	}
	if near := daemon.Nearest(string(n), all); near != "" {
		return true, []any{"did_you_mean", near}
	}
	return true, []any{"store_has", strings.Join(all, ", ")}
}
