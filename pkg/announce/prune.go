package announce

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// maxPruneKeys bounds the keys of one prune entry, which every reader reads: a
// greater prune takes several entries.
const maxPruneKeys = 256

// Pruner deletes the files of versions that nobody needs any more. It is safe
// beside producers and others of its kind.
type Pruner struct {
	Store   blob.Store
	Dataset dataset.Name
	// Policy says what stays; its Now is set at each plan.
	Policy blob.PrunePolicy
	// InputsOf are further stores whose kept outputs keep their inputs.
	InputsOf []blob.Store
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// Plan returns what Run would delete now. It changes nothing.
func (p Pruner) Plan(ctx context.Context) (blob.PrunePlan, error) {
	f, err := Open(p.Store, p.Dataset).Refresh(ctx)
	if err != nil {
		return blob.PrunePlan{}, fmt.Errorf("plan prune of %s: %w", p.Dataset, err)
	}
	return p.plan(ctx, f, newKnowledge())
}

// Run makes known in the log what goes, and then deletes exactly that; again
// until nothing is left that can go. It returns what was deleted. If it is
// interrupted, the next run deletes the rest. On a full file system it spends
// the store's reserve on the entries of the log, and keeps a new one at the end.
func (p Pruner) Run(ctx context.Context, who Author) (blob.PrunePlan, error) {
	r := pruning{Pruner: p, log: Open(p.Store, p.Dataset), who: who, deleted: map[string]bool{}, known: newKnowledge()}
	for {
		more, err := r.step(ctx)
		if err != nil && r.makeRoom(ctx, err) {
			continue
		}
		if err != nil {
			return r.done, fmt.Errorf("prune %s: %w", p.Dataset, err)
		}
		if !more {
			return r.done, nil
		}
	}
}

// pruning is one run of a Pruner.
type pruning struct {
	Pruner
	log     *Log
	who     Author
	known   *knowledge
	fold    Fold // after the last entry
	named   int  // how many of done's files may still have Hollow's names
	done    blob.PrunePlan
	deleted map[string]bool // keys of done; a listing may still show them
}

// knowledge is what was read for the plans of one run.
type knowledge struct {
	sound map[string]bool // blobs that were read: whether they are what their digests say
	runs  map[outputLog]*runs
}

func newKnowledge() *knowledge { return &knowledge{map[string]bool{}, map[outputLog]*runs{}} }

// step deletes what one entry names; more is false if nothing was left.
func (r *pruning) step(ctx context.Context) (more bool, err error) {
	var files []blob.Info
	fold, err := r.log.intend(ctx, r.who, func(f Fold) (Body, error) {
		plan, err := r.plan(ctx, f, r.known)
		if err != nil {
			return nil, err
		}
		r.done.Horizon, r.done.Lost, r.done.Damaged, r.done.Unread = plan.Horizon, plan.Lost, plan.Damaged, plan.Unread
		r.done.Kept, r.done.Why = plan.Kept, plan.Why
		files = slices.DeleteFunc(plan.Files, func(f blob.Info) bool { return r.deleted[f.Key] })
		files = files[:min(len(files), maxPruneKeys)]
		if len(files) == 0 {
			return nil, errDone
		}
		body := Prune{Horizon: plan.Horizon}
		for _, f := range files {
			body.Keys = append(body.Keys, f.Key)
		}
		return body, nil
	})
	if err != nil {
		return false, err
	}
	r.fold = fold
	if len(files) == 0 {
		r.done.Horizon = fold.Horizon
		return false, r.project(ctx, fold)
	}
	for _, f := range files {
		if err := r.Store.Delete(ctx, string(r.Dataset)+"/"+f.Key); err != nil {
			return false, err
		}
		r.deleted[f.Key] = true
		r.named++
		r.done.Files = append(r.done.Files, f)
	}
	return true, nil
}

// makeRoom makes room in a file system that is full, if it can: the names by
// which Hollow reads what was deleted hold its space; else there is a reserve.
func (r *pruning) makeRoom(ctx context.Context, err error) bool {
	dir, ok := r.Store.(*blob.Dir)
	if !ok || !blob.IsFull(err) {
		return false
	}
	if r.named > 0 {
		r.named = 0
		return r.project(ctx, r.fold) == nil
	}
	return dir.SpendReserve()
}

// plan returns what can go after fold f. What goes could stand in for what
// stays, so that is read first.
func (p Pruner) plan(ctx context.Context, f Fold, known *knowledge) (blob.PrunePlan, error) {
	policy := p.Policy
	policy.Now = time.Now()
	if p.Now != nil {
		policy.Now = p.Now()
	}
	in, err := p.prunable(ctx, f, policy, known)
	if err != nil {
		return blob.PrunePlan{}, fmt.Errorf("plan prune of %s: %w", p.Dataset, err)
	}
	in.Damaged = map[string]bool{}
	for key, whole := range known.sound {
		if !whole {
			in.Damaged[key] = true
		}
	}
	for {
		plan := blob.PlanPrune(in, policy)
		if len(plan.Files) == 0 {
			return plan, nil
		}
		before := len(in.Damaged)
		for _, n := range plan.Needs {
			if err := p.examine(ctx, n, known); err != nil {
				return plan, fmt.Errorf("plan prune of %s: %w", p.Dataset, err)
			}
			if !known.sound[n.Key] {
				in.Damaged[n.Key] = true
			}
		}
		if len(in.Damaged) == before {
			return plan, nil
		}
	}
}

// examine reads a blob unless that was done before.
func (p Pruner) examine(ctx context.Context, n blob.Needed, known *knowledge) error {
	if _, ok := known.sound[n.Key]; ok {
		return nil
	}
	_, err := blob.Get(ctx, p.Store, n.Key, n.Ref)
	if err != nil && !IsLost(err) {
		return err
	}
	known.sound[n.Key] = err == nil
	return nil
}

func (p Pruner) prunable(ctx context.Context, f Fold, policy blob.PrunePolicy, known *knowledge) (in blob.Prunable, err error) {
	in.Horizon = f.Horizon
	if f.Pin != nil {
		in.Pin = f.Pin.Version
	}
	if s := f.Snapshot; s != nil {
		in.Snapshot = blob.BlobKey(p.Dataset, s.Version, s.Blob.Digest)
	}
	// Inputs come last: what an output was made from before that is in it, and
	// what is in use since is too young.
	for _, folder := range []string{"blobs", "versions"} {
		files, err := p.Store.List(ctx, fmt.Sprintf("%s/%s/", p.Dataset, folder))
		if err != nil {
			return in, err
		}
		in.Files = append(in.Files, files...)
	}
	if in.Chain, in.Lost, err = chain(ctx, p.Store, p.Dataset, f); err != nil {
		return in, err
	}
	of := inputs{dataset: p.Dataset, policy: policy, known: known, versions: map[dataset.Version][]string{}}
	for i, store := range append([]blob.Store{p.Store}, p.InputsOf...) {
		if err := of.add(ctx, i, store); err != nil {
			return in, err
		}
	}
	in.Inputs = of.versions
	for _, x := range of.unread {
		in.Unread = append(in.Unread, x.what)
		for _, c := range in.Chain {
			if c.Version >= x.least && c.Version <= x.most {
				in.Inputs[c.Version] = append(in.Inputs[c.Version], x.what)
			}
		}
	}
	return in, nil
}

// chain returns the announced versions whose manifests are there, oldest
// first, and those of which they are lost.
func chain(ctx context.Context, store blob.Store, n dataset.Name, f Fold) (out []blob.Chained, lost []dataset.Version, err error) {
	log := Open(store, n)
	for at, err := range log.Walk(ctx, f, log.manifests) {
		if err != nil {
			return nil, nil, err
		}
		if at.Lost != nil {
			lost = append(lost, at.Version)
			continue
		}
		out = append(out, blob.Chained{Manifest: at.Manifest, Digest: at.Digest})
	}
	slices.Reverse(out)
	slices.Reverse(lost)
	return out, lost, nil
}

// project removes the names by which Hollow's consumers read what is gone.
func (p Pruner) project(ctx context.Context, f Fold) error {
	dir, ok := p.Store.(*blob.Dir)
	if !ok || f.Horizon == dataset.None {
		return nil
	}
	// Without this file the names are compared with what there is.
	if err := os.Remove(filepath.Join(dir.Path(string(p.Dataset)), projectedFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("project names of %s: %w", p.Dataset, err)
	}
	return Project(ctx, dir, p.Dataset, f)
}
