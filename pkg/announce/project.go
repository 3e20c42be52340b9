package announce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

const (
	// announcedFile is where Java's Hollow looks for the version to stand at.
	announcedFile = "announced.version"
	// projectedFile remembers what the last projection was made from.
	projectedFile = ".projected"
	// maxProjected bounds what is read of either, in bytes; they have tens.
	maxProjected = 4 << 10
)

// ErrForeign says that announced.version names a version beyond our log:
// somebody else produces into the folder.
var ErrForeign = errors.New("announced.version is beyond the log")

// Project makes the names by which Java's Hollow reads dataset n from its
// folder in dir: hard links snapshot-V, delta-V1-V2, reversedelta-V2-V1 and
// header-V for each announced version, and then announced.version. Names of
// versions that are not in the chain, or whose blobs were pruned, go.
//
// The names follow from the log alone and can be made again at any time; only
// the writer of the log makes them. fold may be behind the log, the names
// never are when Project returns.
func Project(ctx context.Context, dir *blob.Dir, n dataset.Name, fold Fold) error {
	p := projection{dir: dir, name: n, folder: dir.Path(string(n))}
	for {
		newer, err := p.newer(ctx, fold)
		if err == nil && newer {
			fold, err = Open(dir, n).Refresh(ctx)
		}
		if err != nil {
			return fmt.Errorf("project names of %s: %w", n, err)
		}
		made := p.make(ctx, fold)
		// What failed, or is stale already, may be because another writer
		// was faster: then there is more to read.
		if newer, err = p.newer(ctx, fold); err == nil && newer {
			continue
		}
		if err = errors.Join(made, err); err != nil {
			return fmt.Errorf("project names of %s: %w", n, err)
		}
		_ = dir.KeepReserve() // the next writer tries it again
		return nil
	}
}

// projection is the folder of one dataset.
type projection struct {
	dir    *blob.Dir
	name   dataset.Name
	folder string
}

// projected is the content of projectedFile.
type projected struct {
	Position int64           `json:"position"`
	Horizon  dataset.Version `json:"horizon,omitzero"`
	// Announced is what announced.version was given. If that is beyond the
	// log, the log is what went back.
	Announced dataset.Version `json:"announced,omitzero"`
}

// CheckForeign returns ErrForeign if announced.version names a version that
// neither the log nor a log since lost has: then somebody else produces into
// the folder, and nobody may write into it before that version was adopted.
func CheckForeign(ctx context.Context, dir *blob.Dir, n dataset.Name, fold Fold) error {
	p := projection{dir: dir, name: n, folder: dir.Path(string(n))}
	v := p.foreign(fold)
	if v == dataset.None {
		return nil
	}
	if newer, err := p.newer(ctx, fold); err != nil || newer {
		return err // it may be ours
	}
	return fmt.Errorf("%w: %s, the head is %s: stop the other producer and take its version with holdfast adopt", ErrForeign, v, fold.Head)
}

// foreign returns a version in announced.version that is not ours.
func (p projection) foreign(fold Fold) dataset.Version {
	if v := p.announced(); v > fold.Head && v != p.projected().Announced {
		return v
	}
	return dataset.None
}

// newer says whether the log has grown beyond fold.
func (p projection) newer(ctx context.Context, fold Fold) (bool, error) {
	_, err := p.dir.Stat(ctx, blob.LogKey(p.name, fold.Position+1))
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (p projection) path(name string) string { return filepath.Join(p.folder, name) }

// make makes the names that fold asks for.
func (p projection) make(ctx context.Context, fold Fold) error {
	if fold.Head == dataset.None {
		return nil
	}
	if v := p.foreign(fold); v != dataset.None {
		return fmt.Errorf("%w: %s, the head is %s", ErrForeign, v, fold.Head)
	}
	last := p.projected()
	// Without a memory of this log every name is looked at.
	whole := last.Position < 0 || last.Position > fold.Position
	chain, all, err := p.missing(ctx, fold, whole)
	if err != nil {
		return err
	}
	whole = whole || all
	if whole {
		if err := p.linkSnapshots(ctx); err != nil {
			return err
		}
	}
	for _, m := range slices.Backward(chain) { // oldest first: what is linked stays without gaps
		if err := p.link(p.namesOf(m)); err != nil {
			return err
		}
	}
	if s := fold.Snapshot; s != nil {
		if err := p.link(p.snapshotName(*s)); err != nil {
			return err
		}
	}
	if err := p.announce(fold); err != nil {
		return err
	}
	if whole || last.Horizon != fold.Horizon {
		if err := p.sweep(ctx, fold); err != nil {
			return err
		}
	}
	now := projected{Position: fold.Position, Horizon: fold.Horizon}
	if now.Announced, _ = fold.Effective(); last == now {
		return nil
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return p.replace(projectedFile, b, time.Now())
}

// missing returns the manifests from the head back to the newest version
// that has all its names, or all of them; whole is true if there is no such
// version.
func (p projection) missing(ctx context.Context, fold Fold, all bool) (chain []*blob.Manifest, whole bool, err error) {
	log := Open(p.dir, p.name)
	for at, err := range log.Walk(ctx, fold, log.manifests) {
		if err != nil {
			return nil, false, err
		}
		if at.Lost != nil {
			continue // nobody knows its blobs
		}
		if !all && p.linked(p.namesOf(at.Manifest)) {
			return chain, false, nil
		}
		chain = append(chain, at.Manifest)
	}
	return chain, true, nil
}

// names maps a name that Java reads to the key of the blob behind it.
type names map[string]string

func (p projection) namesOf(m *blob.Manifest) names {
	out := names{}
	add := func(ref *blob.Ref, format string, args ...any) {
		if ref != nil {
			out[fmt.Sprintf(format, args...)] = blob.BlobKey(p.name, m.Version, ref.Digest)
		}
	}
	add(m.Snapshot, "snapshot-%s", m.Version)
	add(m.Header, "header-%s", m.Version)
	add(m.Delta, "delta-%s-%s", m.Previous, m.Version)
	add(m.ReverseDelta, "reversedelta-%s-%s", m.Version, m.Previous)
	return out
}

func (p projection) snapshotName(s Snapshot) names {
	return names{"snapshot-" + s.Version.String(): blob.BlobKey(p.name, s.Version, s.Blob.Digest)}
}

// linkSnapshots links the snapshots that were written after their version, as far
// as the log's history can be read: what it does not say any more, nobody knows.
func (p projection) linkSnapshots(ctx context.Context) error {
	for e, err := range Open(p.dir, p.name).Entries(ctx) {
		if IsLost(err) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrDiverged) {
			return nil
		}
		if err != nil {
			return err
		}
		if s, ok := e.Body.(Snapshot); ok {
			if _, valid := e.Fold.Apply(e); !valid {
				continue
			}
			if err := p.link(p.snapshotName(s)); err != nil {
				return err
			}
		}
	}
	return nil
}

// linked says whether every name whose blob was not pruned is there and is
// that blob, and whether there is any.
func (p projection) linked(all names) bool {
	found := false
	for name, key := range all {
		there, err := os.Stat(filepath.Join(p.folder, name))
		want, wantErr := os.Stat(p.dir.Path(key))
		if errors.Is(wantErr, fs.ErrNotExist) {
			continue // pruned
		}
		if err != nil || wantErr != nil || !os.SameFile(there, want) {
			return false
		}
		found = true
	}
	return found
}

// link makes the names that are missing. A name that is another file is
// replaced; a blob that was pruned gets none.
func (p projection) link(all names) error {
	for name, key := range all {
		if p.linked(names{name: key}) {
			continue
		}
		temp, err := p.dir.Temp()
		if err != nil {
			return err
		}
		err = os.Link(p.dir.Path(key), temp)
		if err == nil {
			err = os.Rename(temp, filepath.Join(p.folder, name))
		}
		_ = os.Remove(temp) // is there after a failure, or if another was faster
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	return nil
}

// announced returns the version in announced.version, None if there is none
// that can be read.
func (p projection) announced() dataset.Version {
	b, err := blob.ReadFile(filepath.Join(p.folder, announcedFile), maxProjected)
	if err != nil {
		return dataset.None
	}
	v, err := dataset.ParseVersion(strings.TrimSpace(string(b)))
	if err != nil {
		return dataset.None
	}
	return v
}

// announce writes the effective version. Java's watcher looks at the time of
// the file, in milliseconds, so that has to grow whatever the clock does.
func (p projection) announce(fold Fold) error {
	v, _ := fold.Effective()
	if v == p.announced() {
		return nil
	}
	when := time.Now()
	if info, err := os.Stat(filepath.Join(p.folder, announcedFile)); err == nil {
		if least := info.ModTime().Add(2 * time.Millisecond); when.Before(least) {
			when = least
		}
	}
	return p.replace(announcedFile, []byte(v.String()), when)
}

// projected returns what the last projection was made from.
func (p projection) projected() projected {
	var out projected
	b, err := blob.ReadFile(filepath.Join(p.folder, projectedFile), maxProjected)
	if err != nil || json.Unmarshal(b, &out) != nil {
		return projected{Position: -1}
	}
	return out
}

// sweep removes the names that neither a manifest of the chain nor a blob of
// one of its versions gives.
func (p projection) sweep(ctx context.Context, fold Fold) error {
	blobs, err := p.blobs()
	if err != nil {
		return err
	}
	keep, chain, first, err := p.keep(ctx, fold, blobs)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(p.folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		v, ok := parseName(name)
		known, announced := chain[v]
		if !ok || v < first || keep[name] || announced && !known || known && p.isLateSnapshot(name, blobs[v]) {
			continue
		}
		if err := os.Remove(filepath.Join(p.folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// keep returns the names that the manifests of the chain give, as far as
// their blobs are there, and the versions of the chain: false for one whose
// manifest is lost. Names of versions before
// first were never ours: a Java producer had the folder.
func (p projection) keep(ctx context.Context, fold Fold, blobs map[dataset.Version][]string) (keep map[string]bool, chain map[dataset.Version]bool, first dataset.Version, err error) {
	keep, chain = make(map[string]bool), make(map[dataset.Version]bool)
	log := Open(p.dir, p.name)
	var oldest *blob.Manifest
	for at, err := range log.Walk(ctx, fold, log.manifests) {
		if err != nil {
			return nil, nil, dataset.None, err
		}
		chain[at.Version], oldest = at.Lost == nil, at.Manifest
		if at.Lost != nil {
			continue
		}
		if at.Manifest.Schema.IsZero() {
			first = at.Version // perhaps adopted
		}
		for name, key := range p.namesOf(at.Manifest) {
			keep[name] = slices.Contains(blobs[at.Version], path.Base(key))
		}
	}
	if oldest != nil && oldest.Previous != dataset.None {
		first = dataset.None // what came before was pruned, so it was ours
	}
	return keep, chain, first, nil
}

// blobs returns the file names of the blobs of each version.
func (p projection) blobs() (map[dataset.Version][]string, error) {
	entries, err := os.ReadDir(filepath.Join(p.folder, "blobs"))
	if err != nil {
		return nil, err
	}
	out := make(map[dataset.Version][]string)
	for _, entry := range entries {
		version, _, _ := strings.Cut(entry.Name(), "-")
		if v, err := dataset.ParseVersion(version); err == nil {
			out[v] = append(out[v], entry.Name())
		}
	}
	return out, nil
}

// isLateSnapshot says whether name is a snapshot that is one of blobs: which
// one is known to the log only.
func (p projection) isLateSnapshot(name string, blobs []string) bool {
	there, err := os.Stat(filepath.Join(p.folder, name))
	if err != nil || !strings.HasPrefix(name, "snapshot-") {
		return false
	}
	return slices.ContainsFunc(blobs, func(b string) bool {
		info, err := os.Stat(filepath.Join(p.folder, "blobs", b))
		return err == nil && os.SameFile(there, info)
	})
}

// parseName returns the version that a name of Hollow's was published with:
// of a delta or reverse delta the greater one.
func parseName(name string) (v dataset.Version, ok bool) {
	kind, rest, _ := strings.Cut(name, "-")
	first, second, two := strings.Cut(rest, "-")
	a, errA := dataset.ParseVersion(first)
	switch kind {
	case "snapshot", "header":
		return a, errA == nil && !two
	case "delta", "reversedelta":
		b, errB := dataset.ParseVersion(second)
		return max(a, b), errA == nil && errB == nil
	}
	return dataset.None, false
}

// replace gives the file name new content, at once, with the time when.
func (p projection) replace(name string, content []byte, when time.Time) error {
	temp, err := p.dir.Temp()
	if err != nil {
		return err
	}
	err = os.WriteFile(temp, content, 0o644)
	if err == nil {
		err = os.Chtimes(temp, when, when)
	}
	if err == nil {
		err = os.Rename(temp, filepath.Join(p.folder, name))
	}
	if err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
