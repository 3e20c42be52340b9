package announce

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// inputs gathers the versions of a dataset that kept outputs were made from.
type inputs struct {
	dataset  dataset.Name
	policy   blob.PrunePolicy
	known    *knowledge
	versions map[dataset.Version][]string // with those outputs, as DATASET@VERSION
	unread   []unread
}

// add adds the inputs of the outputs in a store, the i'th of a Pruner, as far as
// these were not pruned: what each was made from, and of
// the runs that changed nothing the newest ones that the policy keeps, and all
// that are too young. Where it is lost what one read, that is in unread.
func (in *inputs) add(ctx context.Context, i int, store blob.Store) error {
	names, err := blob.Datasets(ctx, store)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := in.addOutput(ctx, outputLog{i, name}, store); err != nil {
			return fmt.Errorf("read lineages of %s: %w", name, err)
		}
	}
	return withoutLog(ctx, store, names)
}

// withoutLog fails if a directory store has a dataset besides those that it seems to have:
// one whose log is gone, as a whole, and that Hollow's names were made of.
func withoutLog(ctx context.Context, store blob.Store, names []dataset.Name) error {
	dir, ok := store.(*blob.Dir)
	if !ok {
		return nil
	}
	folders, err := os.ReadDir(dir.Root())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for datasets: %w", err)
	}
	for _, folder := range folders {
		n, err := dataset.ParseName(folder.Name())
		if err != nil || slices.Contains(names, n) || !folder.IsDir() {
			continue
		}
		if err := Open(store, n).shrunk(ctx); err != nil {
			return fmt.Errorf("read lineages of %s: %w", n, err)
		}
	}
	return nil
}

func (in *inputs) addOutput(ctx context.Context, at outputLog, store blob.Store) error {
	log := Open(store, at.name)
	f, err := log.Refresh(ctx)
	if err != nil {
		return err
	}
	if err := log.shrunk(ctx); err != nil {
		return err // its newest runs are lost
	}
	outputs, lost, err := chain(ctx, store, at.name, f)
	if err != nil {
		return err
	}
	there, err := kept(ctx, store, at.name, f)
	if err != nil {
		return err
	}
	made := map[dataset.Version]*dataset.Evaluation{}
	for _, o := range outputs {
		v := o.Lineage.Evaluation
		if made[o.Version] = v; v != nil && there(o.Version) {
			in.addRun(at.name, *v, o.Version)
		}
	}
	lost = slices.DeleteFunc(lost, func(v dataset.Version) bool { return !there(v) })
	unchanged, err := in.unchanged(ctx, at, log, f, made, in.retrace(at.name, made, lost))
	if err != nil {
		return err
	}
	for _, v := range unchanged.list {
		if there(v.Output) {
			in.addRun(at.name, v, v.Output)
		}
	}
	in.unread = append(in.unread, unchanged.unread...)
	return nil
}

// retrace adds what may have been read for the versions of an output that are lost, beside
// those that are known, and says whether one of the latter was made from the input.
func (in *inputs) retrace(name dataset.Name, made map[dataset.Version]*dataset.Evaluation, lost []dataset.Version) (reads bool) {
	r := retracer{input: in.dataset}
	all := slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(made)), lost...)))
	for _, v := range slices.Backward(all) {
		if e, ok := made[v]; ok {
			r.known(e)
		} else {
			r.lose(fmt.Sprintf("%s@%s, whose manifest is lost", name, v))
		}
	}
	in.unread = append(in.unread, r.end()...)
	return r.reads
}

// kept returns what says whether an output's version was not pruned: below the horizon
// some stay, as the inputs of others, with their blobs.
func kept(ctx context.Context, store blob.Store, n dataset.Name, f Fold) (func(dataset.Version) bool, error) {
	below := map[dataset.Version]bool{}
	if f.Horizon != dataset.None {
		files, err := store.List(ctx, fmt.Sprintf("%s/blobs/", n))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, _, _ := strings.Cut(path.Base(file.Key), "-")
			if v, err := dataset.ParseVersion(text); err == nil {
				below[v] = true
			}
		}
	}
	return func(v dataset.Version) bool { return v >= f.Horizon || below[v] }, nil
}

// addRun adds the inputs of a run.
func (in *inputs) addRun(name dataset.Name, v dataset.Evaluation, output dataset.Version) {
	for _, from := range v.Inputs {
		if from.Dataset == in.dataset {
			in.versions[from.Version] = append(in.versions[from.Version], fmt.Sprintf("%s@%s", name, output))
		}
	}
}

// outputLog is the log of a dataset in one of the stores of a Pruner.
type outputLog struct {
	store int
	name  dataset.Name
}

// runs are those of a logic that changed nothing, as far as they are kept.
type runs struct {
	read   int64 // up to which position of the log
	list   []dataset.Evaluation
	unread []unread
}

// oldEntries is how many entries in a row have to be too old before all earlier ones
// are taken for that, too: each has the clock of who wrote it.
const oldEntries = 100

// unchanged returns the runs whose output was the version before, also one that no
// logic made. It reads the log backwards, and not further than it has to: a log is
// never pruned, and has an entry for each run. made are the versions that are known;
// reads says that a run that made one reads the input.
func (in *inputs) unchanged(ctx context.Context, at outputLog, log *Log, f Fold, made map[dataset.Version]*dataset.Evaluation, reads bool) (*runs, error) {
	r := in.known.runs[at]
	if r == nil {
		r = &runs{read: -1}
		in.known.runs[at] = r
	}
	most, n, old, young := max(in.policy.Keep, 1), 0, 0, true
	back := retracer{input: in.dataset, reads: reads}
	for pos := f.Position; pos > r.read && (n < most || old < oldEntries || len(back.lost) > 0); pos-- {
		line, err := log.line(ctx, pos)
		if err != nil {
			return nil, err
		}
		if line.Lost != nil {
			if young || n < most { // as the entry behind it was
				back.lose(fmt.Sprintf("%s, of whose log position %d is lost", at.name, pos))
			}
			continue
		}
		e := line.Entry
		young = in.policy.Now.Sub(e.When) < in.policy.KeepFor
		if old++; young {
			old = 0
		}
		if _, valid := e.Fold.Apply(e); !valid {
			continue
		}
		switch body := e.Body.(type) {
		case Evaluated:
			back.known(&body.Evaluation)
			if n++; young || n <= most {
				r.list = append(r.list, body.Evaluation)
			}
		case Announcement:
			n++
			if e, ok := made[body.Version]; ok {
				back.known(e)
			}
		}
	}
	r.read, r.unread = f.Position, append(r.unread, back.end()...)
	return r, nil
}
