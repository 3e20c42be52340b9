package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// A Verification is what a check of a dataset found.
type Verification struct {
	Dataset string `json:"dataset"`
	// Versions counts those that were not pruned.
	Versions int   `json:"versions"`
	Blobs    int   `json:"blobs"`
	Bytes    int64 `json:"bytes"`
	// Orphans are files that no announced version names: cycles that failed
	// leave them, and a prune that was interrupted. They do no harm, and the next
	// prune that comes past their versions deletes them.
	Orphans []string `json:"orphans"`
	// UnusedSchemas are schemas that no version names, or none any more. A
	// producer may be about to name one that is there, so none is ever deleted.
	UnusedSchemas []string `json:"unused_schemas"`
	// PathDependent says which deltas and reverse deltas lead to another state
	// than a reader has that starts at their version, because the schemas
	// changed: who goes by one keeps the schemas that it began with. That is how
	// Hollow is, and no problem.
	PathDependent []string `json:"path_dependent"`
	// Problems say what is wrong; none means that all is well.
	Problems []string `json:"problems"`
}

func newVerification(name string) *Verification {
	return &Verification{Dataset: name, Orphans: []string{}, UnusedSchemas: []string{}, PathDependent: []string{}, Problems: []string{}}
}

// pathDependent notes that t leads to another state than the snapshot of its
// version, if there is one, or what else is known of it.
func (v *Verification) pathDependent(t dataset.Transition, snapshot bool) {
	other := "other blobs"
	if snapshot {
		other = blobName(dataset.Transition{To: t.To})
	}
	v.PathDependent = append(v.PathDependent, fmt.Sprintf("%s leads to another state than %s: the schema changed", blobName(t), other))
}

func (v *Verification) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// Verify reads all that a store has of a dataset: the log entry by entry,
// digests, decoding, content checksums, that snapshots, deltas and reverse
// deltas lead to the same states, and that the names that Hollow's consumers
// read are those blobs. progress, if it is not nil, is told how many versions
// were verified, of at most how many. An error means that it could not be checked.
func Verify(ctx context.Context, store blob.Store, n dataset.Name, progress func(version, of int)) (*Verification, error) {
	w := newVerifier(ctx, store, n)
	f, err := w.log()
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", n, err)
	}
	points, err := w.points(f)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("verify %s: %w", n, err)
	}
	if err != nil {
		w.out.problem("manifests: %v", err)
	}
	if len(points) > 0 && points[0].Manifest.Schema.IsZero() {
		w.adopted = points[0].Manifest.Version // names before it are the producer's
	}
	for _, p := range points {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w.version(p)
		if progress != nil {
			progress(w.out.Versions, len(points))
		}
	}
	if err := errors.Join(w.orphans(), w.hollow(f)); err != nil {
		return nil, fmt.Errorf("verify %s: %w", n, err)
	}
	return w.out, nil
}

// verifier walks a chain from its oldest version on.
type verifier struct {
	ctx   context.Context
	store blob.Store
	c     *Catalog
	out   *Verification

	known     map[string]bool                // keys that the chain names
	names     map[string][]string            // Hollow's names, and their keys
	versions  map[dataset.Version]bool       // of the chain
	announced []announce.Announcement        // by the log, the valid ones
	late      map[dataset.Version][]blob.Ref // snapshots that were announced later
	pruned    map[string]bool                // keys that the log allows to be gone
	lost      map[dataset.Version]bool       // whose manifests are
	unsure    bool                           // whether one of those named a schema
	read      announce.Fold                  // of all of the log that was read

	adopted  dataset.Version // the first one, if a Java producer made it
	prev     *blob.Manifest
	previous *state.State // nil if it could not be loaded
}

func newVerifier(ctx context.Context, store blob.Store, n dataset.Name) *verifier {
	return &verifier{
		ctx: ctx, store: store, c: NewCatalog(store, n), out: newVerification(string(n)),
		known: map[string]bool{}, names: map[string][]string{},
		versions: map[dataset.Version]bool{}, late: map[dataset.Version][]blob.Ref{},
		pruned: map[string]bool{}, lost: map[dataset.Version]bool{}, read: announce.Empty(),
	}
}

func (w *verifier) version(p Point) {
	m := p.Manifest
	hadPrevious := w.previous != nil
	var across *state.State // of the segment before
	if w.prev != nil && (m.Previous != w.prev.Version || m.Segment != w.prev.Segment) {
		if m.Previous == w.prev.Version {
			across = w.previous
		}
		w.previous = nil // nothing leads on from it for our replicas
	}
	w.known[blob.ManifestKey(w.c.name, m.Version, p.Digest)] = true
	if !m.Schema.IsZero() {
		w.known[blob.SchemaKey(w.c.name, m.Schema)] = true
		if _, err := w.c.Mapping(w.ctx, m.Schema); err != nil {
			w.out.problem("%s: schema: %v", m.Version, err)
		}
	}
	before := len(w.out.Problems)
	w.name(m)
	snapshot, delta := w.fetch(m, "snapshot", m.Snapshot), w.fetch(m, "delta", m.Delta)
	reverse, header := w.fetch(m, "reverse delta", m.ReverseDelta), w.fetch(m, "header", m.Header)
	var now *state.State
	if snapshot != nil {
		now = w.snapshot(m, "snapshot", snapshot)
	}
	for _, ref := range w.late[m.Version] {
		if data := w.fetch(m, "later snapshot", &ref); data != nil {
			now = cmp.Or(w.snapshot(m, "later snapshot", data), now)
		}
	}
	if header != nil {
		if _, _, err := state.ReadHeader(header); err != nil {
			w.out.problem("%s: header: %v", m.Version, err)
		}
	}
	if delta != nil && w.previous != nil {
		s := w.decoded(m, "delta", m.Checksum, func() (*state.State, error) { return w.previous.Apply(delta) })
		if now == nil {
			now = s
		}
		if s != nil && s.HollowChecksum() != now.HollowChecksum() {
			w.out.problem("%s: delta and snapshot lead to different ordinals", m.Version)
		}
	}
	if reverse != nil && now != nil && w.previous != nil {
		w.decoded(m, "reverse delta", w.prev.Checksum, func() (*state.State, error) { return now.Apply(reverse) })
	}
	if across != nil && now != nil {
		w.cross(dataset.Transition{From: w.prev.Version, To: m.Version}, delta, across, now, m.Snapshot != nil)
		w.cross(dataset.Transition{From: m.Version, To: w.prev.Version}, reverse, now, across, w.prev.Snapshot != nil)
	}
	quiet := now == nil && len(w.out.Problems) == before
	if quiet && hadPrevious && m.Version >= w.read.Horizon {
		w.out.problem("%s: no blob leads to it", m.Version)
	}
	if !quiet || m.Version >= w.read.Horizon { // else it was pruned, up to its manifest
		w.out.Versions++
	}
	w.prev, w.previous = m, now
}

// cross reads a delta that leads from one schema segment into another, which
// only Java's consumers take; data is nil if there is none.
func (w *verifier) cross(t dataset.Transition, data []byte, from, to *state.State, snapshot bool) {
	if data == nil {
		return
	}
	s, err := from.Apply(data)
	switch {
	case err != nil:
		w.out.problem("%s: %s: %v", max(t.From, t.To), blobName(t), err)
	case !state.SameModel(s, to):
		w.out.pathDependent(t, snapshot)
	case s.HollowChecksum() != to.HollowChecksum():
		w.out.problem("%s: %s: leads to different ordinals than other blobs do", max(t.From, t.To), blobName(t))
	}
}

func (w *verifier) snapshot(m *blob.Manifest, what string, data []byte) *state.State {
	return w.decoded(m, what, m.Checksum, func() (*state.State, error) {
		return state.ReadSnapshot(data, state.ReadOptions{})
	})
}

// fetch returns a blob whose digest is right, else nil.
func (w *verifier) fetch(m *blob.Manifest, what string, ref *blob.Ref) []byte {
	if ref == nil {
		return nil
	}
	key := blob.BlobKey(w.c.name, m.Version, ref.Digest)
	w.known[key] = true
	data, err := blob.Get(w.ctx, w.store, key, *ref)
	if w.gone(key, err) {
		return nil
	}
	if err != nil {
		w.out.problem("%s: %s: %v", m.Version, what, err)
		return nil
	}
	w.out.Blobs++
	w.out.Bytes += ref.Size
	return data
}

// decoded returns what read yields if its content checksum is right, else nil.
func (w *verifier) decoded(m *blob.Manifest, what string, want dataset.Digest, read func() (*state.State, error)) *state.State {
	s, err := read()
	if err != nil {
		w.out.problem("%s: %s: %v", m.Version, what, err)
		return nil
	}
	got, err := s.Checksum()
	if err == nil && got != want {
		err = errors.New("content checksum is not the manifest's")
	}
	if err != nil {
		w.out.problem("%s: %s: %v", m.Version, what, err)
		return nil
	}
	return s
}

// keyVersion returns the version in the key of a blob or manifest, None if it
// has none.
func keyVersion(key string) dataset.Version {
	text, _, _ := strings.Cut(path.Base(key), "-")
	v, err := dataset.ParseVersion(text)
	if err != nil {
		return dataset.None
	}
	return v
}

// orphans lists the blobs, manifests and schemas that the chain does not name.
func (w *verifier) orphans() error {
	lists := map[string]*[]string{"blobs": &w.out.Orphans, "versions": &w.out.Orphans, "schemas": &w.out.UnusedSchemas}
	if w.unsure {
		delete(lists, "schemas")
	}
	for folder, list := range lists {
		infos, err := w.store.List(w.ctx, string(w.c.name)+"/"+folder+"/")
		if err != nil {
			return err
		}
		for _, info := range infos {
			if !w.known[info.Key] && !w.lost[keyVersion(info.Key)] {
				*list = append(*list, strings.TrimPrefix(info.Key, string(w.c.name)+"/"))
			}
		}
	}
	slices.Sort(w.out.Orphans)
	return nil
}
