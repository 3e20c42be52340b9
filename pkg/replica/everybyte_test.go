package replica_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// tampered is a store with another content for one key.
type tampered struct {
	blob.Store
	key  string
	data []byte
}

func (s *tampered) Get(ctx context.Context, key string) ([]byte, error) {
	if key == s.key {
		return s.data, nil
	}
	return s.Store.Get(ctx, key)
}

// everyByte flips each byte of a file, one bit or all, and cuts the file there:
// each refresh is refused for its digest and leaves r where it is. What is
// undamaged leads to want.
func everyByte(t *testing.T, store *tampered, r *replica.Replica, key string, want dataset.Version) {
	t.Helper()
	good, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	before := r.Current()
	refuse := func(what string, at int, bad []byte) {
		store.key, store.data = key, bad
		if err := r.Refresh(t.Context()); !errors.Is(err, blob.ErrDigest) {
			t.Errorf("%s, byte %d of %d %s: error %v, want ErrDigest", key, at, len(good), what, err)
		}
		if r.Current() != before {
			t.Fatalf("%s, byte %d of %d %s: the replica moved", key, at, len(good), what)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= []byte{0x01, 0xff, 0x80}[i%3]
		refuse("flipped", i, bad)
	}
	refuse("cut", len(good)/2, good[:len(good)/2])
	refuse("cut", 0, nil)
	refuse("more", len(good), append(bytes.Clone(good), 0))
	store.key = ""
	refresh(t, r, want)
}

// TestEveryByte damages every byte of what leads a replica to a version under a
// manifest: none is taken for what was published.
func TestEveryByte(t *testing.T) {
	memory := blob.NewMemory()
	w := newWorld(t, memory, 1) // a snapshot each
	w.grow(1)
	store := &tampered{Store: memory}
	first := pointOf(t, memory)
	m := first.Manifest
	if m.Snapshot == nil || m.Schema.IsZero() {
		t.Fatalf("no snapshot or schema in %+v", m)
	}
	fresh := func() *replica.Replica {
		return open(store, func(c *replica.Config) { c.NoFallback = true })
	}
	everyByte(t, store, fresh(), blob.ManifestKey("n", m.Version, first.Digest), m.Version)
	everyByte(t, store, fresh(), blob.SchemaKey("n", m.Schema), m.Version)
	everyByte(t, store, fresh(), blob.BlobKey("n", m.Version, m.Snapshot.Digest), m.Version)

	r := fresh()
	refresh(t, r, m.Version)
	w.grow(1)
	next := pointOf(t, memory).Manifest
	if next.Delta == nil || next.ReverseDelta == nil {
		t.Fatalf("want a delta each way in %+v", next)
	}
	everyByte(t, store, r, blob.BlobKey("n", next.Version, next.Delta.Digest), next.Version)
	r = fresh() // never had the version before
	refresh(t, r, next.Version)
	pin(t.Context(), t, memory, m.Version)
	everyByte(t, store, r, blob.BlobKey("n", next.Version, next.ReverseDelta.Digest), m.Version)
}

// pointOf returns the newest version.
func pointOf(t *testing.T, store blob.Store) replica.Point {
	t.Helper()
	points, err := open(store, nil).History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	newest := points[0]
	for _, p := range points {
		if p.Manifest.Version > newest.Manifest.Version {
			newest = p
		}
	}
	return newest
}
