package cycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// ErrNothingToAdopt says that the folder's version is in the log, or that a
// newer one is.
var ErrNothingToAdopt = errors.New("nothing to adopt")

// MaxAdopted is the greatest version that Adopt takes: as many are left above
// it for what follows, which counts on from it. Java's producers make versions
// of 17 digits, as we do; nanoseconds since 1970 reach it in the year 2116.
const MaxAdopted dataset.Version = 1 << 62

// ErrNoRoom says that no version, or too few, can follow the newest one.
var ErrNoRoom = errors.New("no room for versions above it")

// Adoption says what Adopt takes into the log.
type Adoption struct {
	Dataset dataset.Name
	Store   blob.Store
	// Folder is where a Java producer publishes and announces.
	Folder string
	// Declared says what the folder does not show; the manifest keeps it.
	Declared replica.Declared
	Author   announce.Author
	Now      func() time.Time
	Logger   *slog.Logger
}

// Adopt takes the version that a Java producer has announced into our log, as
// a version with a snapshot, a content checksum and digests, which follows the
// log's head. The version keeps its name; from there on it is like any other.
// The producer must have stopped: who goes on writes into a folder that has
// another owner now. A version above MaxAdopted is ErrNoRoom.
func Adopt(ctx context.Context, a Adoption) (Result, error) {
	r := replica.Open(replica.Config{
		Dataset: a.Dataset, Folder: a.Folder, Declared: a.Declared, Keep: 2, Now: a.Now, Logger: a.Logger,
	})
	if err := r.Refresh(ctx); err != nil {
		return Result{}, fmt.Errorf("adopt: %w", err)
	}
	view, log := r.Current(), announce.Open(a.Store, a.Dataset)
	if v := view.Version(); v > MaxAdopted {
		return Result{}, fmt.Errorf("adopt %s@%s: %w: have the Java producer make a version of at most %s", a.Dataset, v, ErrNoRoom, MaxAdopted)
	}
	for {
		result, err := a.adopt(ctx, log, view)
		if errors.Is(err, announce.ErrConflict) {
			continue // another was faster: follow that one
		}
		if err != nil {
			return Result{}, fmt.Errorf("adopt %s@%s: %w", a.Dataset, view.Version(), err)
		}
		return result, nil
	}
}

func (a Adoption) adopt(ctx context.Context, log *announce.Log, view *replica.View) (Result, error) {
	f, err := log.Refresh(ctx)
	if err != nil {
		return Result{}, err
	}
	v := view.Version()
	if f.Head >= v {
		return Result{}, fmt.Errorf("%w: the log's head is %s", ErrNothingToAdopt, f.Head)
	}
	snapshot, err := a.snapshot(view)
	if err != nil {
		return Result{}, err
	}
	ref := blob.RefOf(snapshot)
	m := &blob.Manifest{
		Dataset: a.Dataset, Version: v, Previous: f.Head, PreviousManifest: f.Manifest, Segment: v,
		Snapshot: &ref, Fingerprint: view.State.Fingerprint(), Records: map[string]int{},
		Root: a.Declared.Root, Key: a.Declared.Key,
		Lineage: dataset.Lineage{Producer: a.Author.Name}, Created: a.Now().UTC(),
	}
	for _, t := range view.State.Types() {
		m.Records[t.Schema().Name] = t.Len()
	}
	if m.Checksum, err = view.State.Checksum(); err != nil {
		return Result{}, err
	}
	manifest, err := m.Encode()
	if err != nil {
		return Result{}, err
	}
	d := dataset.DigestOf(manifest)
	if err := put(ctx, a.Store, blob.BlobKey(a.Dataset, v, ref.Digest), snapshot); err != nil {
		return Result{}, err
	}
	if err := put(ctx, a.Store, blob.ManifestKey(a.Dataset, v, d), manifest); err != nil {
		return Result{}, err
	}
	if f, err = log.Announce(ctx, a.Author, announce.AnnouncementOf(m, d)); err != nil {
		return Result{}, err
	}
	project(ctx, a.Store, a.Dataset, f, a.Logger)
	return Result{
		Dataset: a.Dataset, Version: v, Previous: m.Previous, Published: true,
		Records: view.Root().Len(), Added: view.Root().Len(), Bytes: ref.Size, Checksum: m.Checksum,
	}, nil
}

// snapshot returns the producer's own snapshot of a version, if there is one and
// it is what was loaded; else one of our own.
func (a Adoption) snapshot(view *replica.View) ([]byte, error) {
	data, err := blob.ReadFile(filepath.Join(a.Folder, "snapshot-"+view.Version().String()), math.MaxInt64)
	if err == nil {
		s, err := state.ReadSnapshot(data, state.ReadOptions{})
		if err == nil && s.HollowChecksum() == view.State.HollowChecksum() && state.SameModel(s, view.State) {
			return data, nil
		}
	}
	var b bytes.Buffer
	if err := (state.Transition{Next: view.State}).WriteSnapshot(&b); err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	s, err := state.ReadSnapshot(b.Bytes(), state.ReadOptions{})
	if err == nil && s.HollowChecksum() != view.State.HollowChecksum() {
		err = errors.New("the snapshot is not what was loaded")
	}
	return b.Bytes(), err
}
