package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// announcedFile is where a Java producer announces.
const announcedFile = "announced.version"

// maxAnnounced bounds what is read of it, in bytes; it has tens.
const maxAnnounced = 4 << 10

// foreign follows a folder that a Java producer writes. There is no log and
// there are no digests, so guarantees G1, G2 and G5 do not hold for it.
type foreign struct {
	name     dataset.Name
	path     string
	declared Declared
	fetches  *Fetches // may be nil
}

var (
	_ log     = (*foreign)(nil)
	_ catalog = (*foreign)(nil)
)

// Refresh returns a fold that says what the folder announces.
func (x *foreign) Refresh(context.Context) (announce.Fold, error) {
	f := announce.Empty()
	text, err := blob.ReadFile(filepath.Join(x.path, announcedFile), maxAnnounced)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read announced version: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	v, err := dataset.ParseVersion(strings.TrimSuffix(line, "\r"))
	if err != nil {
		return f, fmt.Errorf("read %s: %w", filepath.Join(x.path, announcedFile), err)
	}
	f.Position, f.Head, f.Manifest = int64(v), v, foreignDigest(v)
	return f, nil
}

func (x *foreign) Check(context.Context) error { return nil }

func (x *foreign) Whole(context.Context) error { return nil }

func (x *foreign) Reset() {}

// foreignDigest stands for the manifest that a foreign version does not have.
func foreignDigest(v dataset.Version) dataset.Digest {
	return dataset.DigestOf([]byte("foreign " + v.String()))
}

func (x *foreign) point(v dataset.Version) Point {
	return Point{&blob.Manifest{Dataset: x.name, Version: v, Segment: v}, foreignDigest(v)}
}

func (x *foreign) Manifest(_ context.Context, v dataset.Version, _ dataset.Digest) (*blob.Manifest, error) {
	return x.point(v).Manifest, nil
}

// Find returns any version that the folder's blobs lead to.
func (x *foreign) Find(ctx context.Context, f announce.Fold, v dataset.Version) (Point, error) {
	all, err := x.History(ctx, f)
	if err != nil {
		return Point{}, err
	}
	for _, p := range all {
		if p.Manifest.Version == v {
			return p, nil
		}
	}
	return Point{}, fmt.Errorf("dataset %s, version %s: %w", x.name, v, ErrNoVersion)
}

// History returns the versions up to the announced one that the folder names.
// Some of them may never have been announced: only the producer knows.
func (x *foreign) History(_ context.Context, f announce.Fold) ([]Point, error) {
	folder, err := OpenFolder(x.path)
	if err != nil {
		return nil, err
	}
	versions := slices.Clone(folder.Snapshots)
	for _, t := range folder.Steps {
		versions = append(versions, t.From, t.To)
	}
	slices.Sort(versions)
	var out []Point
	for _, v := range slices.Compact(versions) {
		if v <= f.Head {
			out = append(out, x.point(v))
		}
	}
	return out, nil
}

// Load follows deltas or reverse deltas from current where they lead to the
// version, else the newest snapshot before it. Across a change of schemas it
// takes the version's own snapshot, if there is one.
func (x *foreign) Load(ctx context.Context, current *View, at Point) (*View, error) {
	folder, err := OpenFolder(x.path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", x.name, err)
	}
	kind := Delta
	if current == nil {
		kind = Snapshot
	}
	leave, err := x.fetches.enter(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", x.name, err)
	}
	defer leave()
	v := at.Manifest.Version
	var s *state.State
	err = ErrNoPath
	if current != nil {
		s, err = folder.follow(current.State, current.Version(), v)
	}
	if err != nil || changedSchemas(s) && slices.Contains(folder.Snapshots, v) {
		if s, err = folder.load(v, x.fetches); err != nil {
			return nil, fmt.Errorf("load %s@%s: %w", x.name, v, err)
		}
	}
	view, err := x.declared.newView(at, s, nil, current)
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", x.name, v, err)
	}
	at.Manifest.Records = map[string]int{}
	for _, t := range s.Types() {
		at.Manifest.Records[t.Schema().Name] = t.Len()
	}
	return view, nil
}

// changedSchemas says whether the producer's schemas are no longer those that
// s was loaded with.
func changedSchemas(s *state.State) bool {
	want, err := strconv.ParseInt(s.Header().Tags["hollow.schema.hash"], 10, 32)
	if err != nil {
		return false // the producer does not say
	}
	var own []*state.Schema
	for _, x := range s.Schemas() {
		own = append(own, x)
	}
	return int32(want) != state.SchemaHash(own)
}

// load reads a version by the newest snapshot from which deltas lead to it.
func (f *Folder) load(v dataset.Version, fetches *Fetches) (*state.State, error) {
	var first error // of the newest one
	for _, from := range slices.Backward(f.Snapshots) {
		if from > v || f.path(from, v) == nil {
			continue
		}
		s, err := f.loadSnapshot(from, fetches)
		if err == nil {
			s, err = f.follow(s, from, v)
		}
		if err == nil {
			return s, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, cmp.Or(first, ErrNoPath)
}

// loadSnapshot reads a snapshot, unless it does not fit into memory.
func (f *Folder) loadSnapshot(v dataset.Version, fetches *Fetches) (*state.State, error) {
	t := dataset.Transition{To: v}
	info, err := os.Stat(filepath.Join(f.Path, blobName(t)))
	if err != nil {
		return nil, err
	}
	free, err := fetches.reserve(2 * info.Size())
	if err != nil {
		return nil, err
	}
	defer free()
	data, err := f.read(t)
	if err != nil {
		return nil, err
	}
	return state.ReadSnapshot(data, state.ReadOptions{})
}

// follow applies the deltas, or the reverse deltas, from one version to
// another. It fails with ErrNoPath if there are none.
func (f *Folder) follow(s *state.State, from, to dataset.Version) (*state.State, error) {
	path := f.path(from, to)
	if path == nil {
		return nil, fmt.Errorf("from version %s to %s: %w", from, to, ErrNoPath)
	}
	for _, t := range path {
		data, err := f.read(t)
		if err != nil {
			return nil, err
		}
		if s, err = s.Apply(data); err != nil {
			return nil, fmt.Errorf("%s: %w", blobName(t), err)
		}
	}
	return s, nil
}

// path returns the steps from one version to another, all in one direction;
// nil if there are none. Deltas of cycles that failed lead nowhere, so every
// step is tried.
func (f *Folder) path(from, to dataset.Version) []dataset.Transition {
	if from == to {
		return []dataset.Transition{}
	}
	came := map[dataset.Version]dataset.Transition{}
	for queue := []dataset.Version{from}; len(queue) > 0; queue = queue[1:] {
		for _, t := range f.Steps {
			ahead := (t.To > t.From) == (to > from)
			between := t.To <= max(from, to) && t.To >= min(from, to)
			if _, seen := came[t.To]; t.From != queue[0] || seen || !ahead || !between {
				continue
			}
			came[t.To] = t
			queue = append(queue, t.To)
		}
	}
	var path []dataset.Transition
	for v := to; v != from; v = came[v].From {
		if _, ok := came[v]; !ok {
			return nil
		}
		path = append(path, came[v])
	}
	slices.Reverse(path)
	return path
}
