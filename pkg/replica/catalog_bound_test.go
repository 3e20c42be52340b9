package replica

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestCatalogForgets follows a chain for long: what the catalog remembers is
// bounded, and it is the newest versions that it remembers.
func TestCatalogForgets(t *testing.T) {
	store := blob.NewMemory()
	c := NewCatalog(store, "n")
	prev, digest := dataset.None, dataset.Digest{}
	var kept []dataset.Digest
	for v := range dataset.Version(3 * maxManifests) {
		m := &blob.Manifest{Dataset: "n", Version: v + 1, Previous: prev, PreviousManifest: digest, Segment: 1}
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		prev, digest = m.Version, dataset.DigestOf(b)
		if err := store.Put(t.Context(), blob.ManifestKey("n", m.Version, digest), b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Manifest(t.Context(), m.Version, digest); err != nil {
			t.Fatal(err)
		}
		if len(c.manifests) > maxManifests {
			t.Fatalf("after %d versions %d manifests are remembered, want at most %d", m.Version, len(c.manifests), maxManifests)
		}
		kept = append(kept, digest)
	}
	for i, digest := range kept[len(kept)-maxManifests/2:] {
		if c.manifests[digest] == nil {
			t.Errorf("the manifest of version %d from the end is forgotten, want the newest %d remembered", maxManifests/2-i, maxManifests/2)
		}
	}
	if _, err := c.Manifest(t.Context(), 1, kept[0]); err != nil {
		t.Errorf("one that was forgotten: %v", err)
	}
}
