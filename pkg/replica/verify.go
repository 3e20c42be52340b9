package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// A Verification is what a check of a dataset found.
type Verification struct {
	Dataset  string `json:"dataset"`
	Versions int    `json:"versions"`
	Blobs    int    `json:"blobs"`
	Bytes    int64  `json:"bytes"`
	// Orphans are files that no announced version names: cycles that failed
	// leave them. They do no harm.
	Orphans []string `json:"orphans"`
	// Problems say what is wrong; none means that all is well.
	Problems []string `json:"problems"`
}

func (v *Verification) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// Verify reads all that a store has of a dataset: digests, decoding, content
// checksums, and that snapshots, deltas and reverse deltas lead to the same
// states. An error means that it could not be checked.
func Verify(ctx context.Context, store blob.Store, n dataset.Name, progress func(version, of int)) (*Verification, error) {
	out := &Verification{Dataset: string(n)}
	c := NewCatalog(store, n)
	f, err := announce.Open(store, n).Refresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", n, err)
	}
	points, err := c.History(ctx, f)
	if err != nil {
		out.problem("manifests: %v", err)
	}
	out.Versions = len(points)
	w := &verifier{ctx: ctx, c: c, out: out, known: map[string]bool{}}
	for i, p := range points {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w.version(p)
		if progress != nil {
			progress(i+1, len(points))
		}
	}
	return out, w.orphans()
}

// verifier walks a chain from its oldest version on.
type verifier struct {
	ctx   context.Context
	c     *Catalog
	out   *Verification
	known map[string]bool // keys that the chain names

	prev     *blob.Manifest
	previous *state.State // nil if it could not be loaded
}

func (w *verifier) version(p Point) {
	m := p.Manifest
	w.known[blob.ManifestKey(w.c.name, m.Version, p.Digest)] = true
	if !m.Schema.IsZero() {
		w.known[blob.SchemaKey(w.c.name, m.Schema)] = true
		if _, err := w.c.Mapping(w.ctx, m.Schema); err != nil {
			w.out.problem("%s: schema: %v", m.Version, err)
		}
	}
	snapshot, delta := w.fetch(m, "snapshot", m.Snapshot), w.fetch(m, "delta", m.Delta)
	reverse, header := w.fetch(m, "reverse delta", m.ReverseDelta), w.fetch(m, "header", m.Header)
	var now *state.State
	if snapshot != nil {
		now = w.decoded(m, "snapshot", m.Checksum, func() (*state.State, error) {
			return state.ReadSnapshot(snapshot, state.ReadOptions{})
		})
	}
	if header != nil {
		if _, _, err := state.ReadHeader(header); err != nil {
			w.out.problem("%s: header: %v", m.Version, err)
		}
	}
	if delta != nil && w.previous != nil && m.Segment == w.prev.Segment {
		s := w.decoded(m, "delta", m.Checksum, func() (*state.State, error) { return w.previous.Apply(delta) })
		if now == nil {
			now = s
		}
		if s != nil && s.HollowChecksum() != now.HollowChecksum() {
			w.out.problem("%s: delta and snapshot lead to different ordinals", m.Version)
		}
	}
	if reverse != nil && now != nil && w.previous != nil && m.Segment == w.prev.Segment {
		w.decoded(m, "reverse delta", w.prev.Checksum, func() (*state.State, error) { return now.Apply(reverse) })
	}
	w.prev, w.previous = m, now
}

// fetch returns a blob whose digest is right, else nil.
func (w *verifier) fetch(m *blob.Manifest, what string, ref *blob.Ref) []byte {
	if ref == nil {
		return nil
	}
	key := blob.BlobKey(w.c.name, m.Version, ref.Digest)
	w.known[key] = true
	data, err := blob.Get(w.ctx, w.c.store, key, *ref)
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

// orphans lists the blobs and manifests that the chain does not name.
func (w *verifier) orphans() error {
	for _, folder := range []string{"blobs", "versions", "schemas"} {
		infos, err := w.c.store.List(w.ctx, string(w.c.name)+"/"+folder+"/")
		if err != nil {
			return fmt.Errorf("verify %s: %w", w.c.name, err)
		}
		for _, info := range infos {
			if !w.known[info.Key] {
				w.out.Orphans = append(w.out.Orphans, strings.TrimPrefix(info.Key, string(w.c.name)+"/"))
			}
		}
	}
	return nil
}
