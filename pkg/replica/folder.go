package replica

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// A Folder lists the blobs that stand in a folder under the names that Hollow's
// filesystem publisher gives them. Such a folder has no log and no digests.
type Folder struct {
	Path      string
	Snapshots []dataset.Version // ascending
	// Steps are the deltas and reverse deltas, by version they start from.
	Steps []dataset.Transition
}

// OpenFolder lists a folder; names that are not Hollow's are passed over.
func OpenFolder(path string) (*Folder, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	f := &Folder{Path: path}
	for _, e := range entries {
		t, ok := parseBlobName(e.Name())
		switch {
		case !ok:
		case t.From == dataset.None:
			f.Snapshots = append(f.Snapshots, t.To)
		default:
			f.Steps = append(f.Steps, t)
		}
	}
	slices.Sort(f.Snapshots)
	slices.SortFunc(f.Steps, func(a, b dataset.Transition) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return f, nil
}

// parseBlobName reads snapshot-V, delta-A-B and reversedelta-B-A.
func parseBlobName(name string) (t dataset.Transition, ok bool) {
	kind, versions, _ := strings.Cut(name, "-")
	from, to, two := strings.Cut(versions, "-")
	var err error
	switch {
	case kind == "snapshot" && !two:
		t.To, err = dataset.ParseVersion(from)
		return t, err == nil
	case kind != "delta" && kind != "reversedelta" || !two:
		return t, false
	}
	if t.From, err = dataset.ParseVersion(from); err != nil {
		return t, false
	}
	t.To, err = dataset.ParseVersion(to)
	return t, err == nil && (t.From < t.To) == (kind == "delta")
}

// blobName is the inverse of parseBlobName.
func blobName(t dataset.Transition) string {
	switch {
	case t.From == dataset.None:
		return "snapshot-" + t.To.String()
	case t.From < t.To:
		return "delta-" + t.From.String() + "-" + t.To.String()
	}
	return "reversedelta-" + t.From.String() + "-" + t.To.String()
}

func (f *Folder) read(t dataset.Transition) ([]byte, error) {
	return blob.ReadFile(filepath.Join(f.Path, blobName(t)), math.MaxInt64)
}

// Verify decodes every blob of the folder and compares where paths meet. After
// a change of schemas Hollow's states depend on the path: where, is noted, and
// only states with the same schemas are compared.
func (f *Folder) Verify(ctx context.Context) (*Verification, error) {
	out := newVerification(f.Path)
	states := map[dataset.Version]*state.State{}
	versions := map[dataset.Version]bool{}
	for _, v := range f.Snapshots {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		versions[v] = true
		if s := f.verify(out, dataset.Transition{To: v}, nil, nil); s != nil {
			states[v] = s
		}
	}
	left := f.Steps
	for _, t := range left {
		versions[t.From], versions[t.To] = true, true
	}
	for before := -1; len(left) != before; { // there and back, until nothing more is reached
		before = len(left)
		for range 2 {
			var err error
			if left, err = f.verifySteps(ctx, out, left, states); err != nil {
				return nil, err
			}
			slices.Reverse(left)
		}
	}
	for _, t := range left {
		out.Orphans = append(out.Orphans, blobName(t))
	}
	out.Versions = len(versions)
	if len(f.Snapshots) == 0 {
		out.problem("there is no snapshot")
	}
	return out, nil
}

// verifySteps verifies the steps that start from a known state, in order, and
// returns the others.
func (f *Folder) verifySteps(ctx context.Context, out *Verification, steps []dataset.Transition, states map[dataset.Version]*state.State) (left []dataset.Transition, err error) {
	for _, t := range steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if states[t.From] == nil {
			left = append(left, t)
			continue
		}
		if s := f.verify(out, t, states[t.From], states[t.To]); s != nil && states[t.To] == nil {
			states[t.To] = s
		}
	}
	return left, nil
}

// verify decodes one blob and compares the state that it leads to with the one
// that is known, nil if none is.
func (f *Folder) verify(out *Verification, t dataset.Transition, from, known *state.State) *state.State {
	data, err := f.read(t)
	if err != nil {
		out.problem("%s: %v", blobName(t), err)
		return nil
	}
	out.Blobs++
	out.Bytes += int64(len(data))
	var s *state.State
	if from == nil {
		s, err = state.ReadSnapshot(data, state.ReadOptions{})
	} else {
		s, err = from.Apply(data)
	}
	switch {
	case err != nil:
		out.problem("%s: %v", blobName(t), err)
		return nil
	case known != nil && !state.SameModel(s, known):
		_, snapshot := slices.BinarySearch(f.Snapshots, t.To)
		out.pathDependent(t, snapshot)
	case known != nil && s.HollowChecksum() != known.HollowChecksum():
		out.problem("%s: leads to another state of %s than other blobs do", blobName(t), t.To)
	}
	return s
}
