package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// guard notices a candidate that writes to PROD's store behind the back of its
// session. PROD itself may go on meanwhile, so it looks for what PROD would not
// do: entries of writers that a dataset did not have before, datasets that were
// not there, and files that are not what they were, since a store's files never
// change and go only as the log says.
type guard struct {
	store  blob.Store
	before map[dataset.Name]announce.Fold // of the datasets that were there
	files  map[string]blob.Info           // theirs, by key
}

func newGuard(ctx context.Context, store blob.Store) (*guard, error) {
	g := &guard{store: store, before: map[dataset.Name]announce.Fold{}}
	names, err := blob.Datasets(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("watch store: %w", err)
	}
	for _, n := range names {
		if g.before[n], err = announce.Open(store, n).Refresh(ctx); err != nil {
			return nil, fmt.Errorf("watch store: %w", err)
		}
	}
	if g.files, err = g.list(ctx); err != nil {
		return nil, fmt.Errorf("watch store: %w", err)
	}
	return g, nil
}

// list returns the files of the datasets that were there, but for the names
// that Hollow's consumers read, which are made anew from the log.
func (g *guard) list(ctx context.Context) (map[string]blob.Info, error) {
	out := map[string]blob.Info{}
	for n := range g.before {
		infos, err := g.store.List(ctx, string(n)+"/")
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			if slices.Contains([]string{"blobs", "versions", "schemas", "log"}, folder(info.Key)) {
				out[info.Key] = info
			}
		}
	}
	return out, nil
}

// folder returns the second segment of a key.
func folder(key string) string { return path.Base(path.Dir(key)) }

// intruders says what was done that PROD would not do.
func (g *guard) intruders(ctx context.Context) ([]string, error) {
	out, err := g.appeared(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch store: %w", err)
	}
	now, err := g.list(ctx) // before the logs: what goes is in them before it goes
	if err != nil {
		return nil, fmt.Errorf("watch store: %w", err)
	}
	for _, n := range slices.Sorted(maps.Keys(g.before)) {
		files, err := g.suspects(ctx, n, now)
		if err != nil {
			return nil, fmt.Errorf("watch store: %w", err)
		}
		said, err := g.judge(ctx, n, files)
		if err != nil {
			return nil, fmt.Errorf("watch store: %w", err)
		}
		out = append(out, said...)
	}
	return out, nil
}

func (g *guard) appeared(ctx context.Context) ([]string, error) {
	names, err := blob.Datasets(ctx, g.store)
	var out []string
	for _, n := range names {
		if _, ok := g.before[n]; !ok {
			out = append(out, fmt.Sprintf("dataset %s appeared in the store while the candidate ran", n))
		}
	}
	return out, err
}

// suspect is a file that is not what it was.
type suspect struct {
	key  string
	gone bool
}

// suspects returns the files of a dataset that are gone or were written anew.
// A listing may be stale, so each is asked for by itself.
func (g *guard) suspects(ctx context.Context, n dataset.Name, now map[string]blob.Info) ([]suspect, error) {
	var out []suspect
	for key, was := range g.files {
		if is, ok := now[key]; !strings.HasPrefix(key, string(n)+"/") || ok && sameInfo(is, was) {
			continue
		}
		is, err := g.store.Stat(ctx, key)
		gone := errors.Is(err, blob.ErrNotFound)
		switch {
		case err != nil && !gone:
			return nil, err
		case gone || !sameInfo(is, was):
			out = append(out, suspect{key, gone})
		}
	}
	slices.SortFunc(out, func(a, b suspect) int { return strings.Compare(a.key, b.key) })
	return out, nil
}

func sameInfo(a, b blob.Info) bool { return a.Size == b.Size && a.Modified.Equal(b.Modified) }

// judge says what PROD would not have done to a dataset.
func (g *guard) judge(ctx context.Context, n dataset.Name, files []suspect) ([]string, error) {
	log := announce.Open(g.store, n)
	inLog := slices.IndexFunc(files, func(f suspect) bool { return folder(f.key) == "log" })
	if inLog >= 0 {
		return accuse(files[inLog : inLog+1]), nil // it cannot be read any more
	}
	f, err := log.Refresh(ctx)
	if err != nil || f.Position == g.before[n].Position && len(files) == 0 {
		return nil, err
	}
	seen, err := look(ctx, log, g.before[n].Position)
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(f suspect) bool {
		return f.gone && (seen.pruned[strings.TrimPrefix(f.key, string(n)+"/")] || g.draft(n, f.key))
	})
	var out []string
	for _, x := range seen.strangers {
		out = append(out, fmt.Sprintf(x.format, x.who, n)+": if the candidate did not, run it again")
	}
	return append(out, accuse(files)...), nil
}

// draft says whether a file may be of a version that was not announced when the
// guard began: on a full file system its producer deletes it again.
func (g *guard) draft(n dataset.Name, key string) bool {
	text, _, _ := strings.Cut(path.Base(key), "-")
	v, err := dataset.ParseVersion(text)
	return err == nil && v > g.before[n].Head
}

// maxAccused bounds the files that are named.
const maxAccused = 3

func accuse(files []suspect) []string {
	var out []string
	for i, f := range files {
		what := "was changed"
		if f.gone {
			what = "is gone"
		}
		if i == maxAccused {
			return append(out, fmt.Sprintf("%d more files of the store are gone or were changed", len(files)-i))
		}
		out = append(out, fmt.Sprintf("%s %s, which nothing in the log allows, since the candidate began to run", f.key, what))
	}
	return out
}

// seen is what a log says of writers and files.
type seen struct {
	strangers []stranger
	pruned    map[string]bool // keys that may be gone, within the dataset's folder
}

// stranger is a writer that a dataset did not have before, and what it did.
type stranger struct{ who, format string }

// look reads a log. Who wrote content up to position since is no stranger.
func look(ctx context.Context, log *announce.Log, since int64) (seen, error) {
	out := seen{pruned: map[string]bool{}}
	var known []string
	for e, err := range log.Entries(ctx) {
		if err != nil {
			return out, err
		}
		format := "%s, who never did before, wrote to dataset %s while the candidate ran"
		switch body := e.Body.(type) {
		case announce.Prune:
			for _, key := range body.Keys {
				out.pruned[key] = true
			}
			format = "%s, who never wrote to dataset %s, pruned it while the candidate ran"
		case announce.Pin:
			format = "%s, who never wrote to dataset %s, pinned it while the candidate ran"
			if body == (announce.Pin{}) {
				format = "%s, who never wrote to dataset %s, unpinned it while the candidate ran"
			}
		default:
			if e.Position() <= since {
				known = append(known, e.Author.Name)
			}
		}
		x := stranger{e.Author.Name, format}
		if e.Position() > since && !slices.Contains(known, x.who) && !slices.Contains(out.strangers, x) {
			out.strangers = append(out.strangers, x)
		}
	}
	return out, nil
}
