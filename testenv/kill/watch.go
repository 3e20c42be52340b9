package kill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// watch waits until a process has written a file of a stage: its manifest
// (versions), or its entry (log).
type watch struct {
	store  blob.Store
	folder string
	floor  string          // what sorts before it is of others
	known  map[string]bool // files that are of others
}

// watch returns a watch for the next process. It is made before that begins,
// so that all that is there now is of others.
func (f *fight) watch(ctx context.Context, stage string) (*watch, error) {
	w := &watch{store: f.opened, folder: string(items) + "/" + stage + "/", known: map[string]bool{}}
	if stage == stageManifest { // above what was acknowledged, if only a little
		f.mu.Lock()
		w.floor = w.folder + f.newest + "." // behind V-…, all manifests of a version V
		f.mu.Unlock()
	}
	names, err := blob.After(ctx, f.opened, w.folder, w.floor)
	for _, name := range names {
		w.known[name] = true
		if stage == stageEntry { // entries are written in order
			w.floor = name
		}
	}
	return w, err
}

// until waits until a file of the process is there, or until it has ended.
func (w *watch) until(ctx context.Context, p *process) (ended bool, err error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		look := time.Now()
		if wrote, err := w.wrote(ctx, p.name); wrote || err != nil {
			return false, err
		}
		select {
		case err := <-p.done:
			return true, err
		case <-time.After(max(200*time.Microsecond, time.Since(look))): // a server has others to answer, too
		}
	}
	return false, fmt.Errorf("%s has not written into %s in a minute", p.name, w.folder)
}

// wrote says whether a new file is of the publish name.
func (w *watch) wrote(ctx context.Context, name string) (bool, error) {
	keys, err := blob.After(ctx, w.store, w.folder, w.floor)
	if err != nil {
		return false, err
	}
	for _, key := range keys {
		if w.known[key] {
			continue
		}
		data, err := w.store.Get(ctx, key)
		if errors.Is(err, blob.ErrNotFound) {
			continue // not there yet
		}
		if err != nil {
			return false, err
		}
		if bytes.Contains(data, []byte(`"`+name+`"`)) {
			return true, nil
		}
		w.known[key] = true
	}
	return false, nil
}
