package blob

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Manifest names everything that belongs to one version. Its bytes never
// change; who refers to it holds their digest. Manifests are linked backwards
// and so are the history of a dataset.
type Manifest struct {
	// Format is 1.
	Format  int             `json:"format"`
	Dataset dataset.Name    `json:"dataset"`
	Version dataset.Version `json:"version"`
	// Previous and PreviousManifest name the version before; None and zero
	// in a dataset's first version.
	Previous         dataset.Version `json:"previous,omitzero"`
	PreviousManifest dataset.Digest  `json:"previous_manifest,omitzero"`
	// Segment is the first version of the schema segment that Version
	// belongs to; replicas cross segments by snapshot only.
	Segment dataset.Version `json:"segment"`
	// The blobs published with the version; nil if not written. Delta leads
	// from Previous to Version, ReverseDelta back.
	Snapshot     *Ref `json:"snapshot,omitempty"`
	Delta        *Ref `json:"delta,omitempty"`
	ReverseDelta *Ref `json:"reverse_delta,omitempty"`
	Header       *Ref `json:"header,omitempty"`
	// Checksum is the content checksum of the state.
	Checksum dataset.Digest `json:"checksum"`
	// Schema names the declared schema, Fingerprint the state's; Schema is
	// zero if none is declared.
	Schema      dataset.Digest `json:"schema,omitzero"`
	Fingerprint dataset.Digest `json:"fingerprint"`
	// Root and Key say which type's records are looked up, and by which of its
	// fields, if no schema is declared; empty if the types show it.
	Root string   `json:"root,omitempty"`
	Key  []string `json:"key,omitempty"`
	// Records counts the populated records of each type.
	Records map[string]int  `json:"records"`
	Lineage dataset.Lineage `json:"lineage,omitzero"`
	Created time.Time       `json:"created"`
}

// Encode returns the bytes to store, ended by a newline. Format is set.
func (m *Manifest) Encode() ([]byte, error) {
	out := *m
	out.Format = fileFormat
	out.Created = m.Created.UTC()
	if err := out.check(); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	b, err := json.MarshalIndent(&out, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeManifest reads the bytes of a manifest; errors are ErrFormat or
// ErrMalformed.
func DecodeManifest(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := DecodeJSON(b, m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	return m, nil
}

// check returns ErrMalformed for a manifest that cannot be.
func (m *Manifest) check() error {
	if _, err := dataset.ParseName(string(m.Dataset)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m.Version <= m.Previous || m.Previous < 0 {
		return fmt.Errorf("%w: version %s does not follow %s", ErrMalformed, m.Version, m.Previous)
	}
	if (m.Previous == dataset.None) != m.PreviousManifest.IsZero() {
		return fmt.Errorf("%w: previous and previous_manifest need each other", ErrMalformed)
	}
	if m.Segment <= 0 || m.Segment > m.Version {
		return fmt.Errorf("%w: segment %s of version %s", ErrMalformed, m.Segment, m.Version)
	}
	if m.Previous == dataset.None && (m.Delta != nil || m.ReverseDelta != nil) {
		return fmt.Errorf("%w: a first version has no delta", ErrMalformed)
	}
	for _, ref := range []*Ref{m.Snapshot, m.Delta, m.ReverseDelta, m.Header} {
		if ref != nil && (ref.Size < 0 || ref.Digest.IsZero()) {
			return fmt.Errorf("%w: a blob without digest or size", ErrMalformed)
		}
	}
	if year := m.Created.UTC().Year(); year < 0 || year > 9999 {
		return fmt.Errorf("%w: created in year %d", ErrMalformed, year)
	}
	if !m.Schema.IsZero() && (m.Root != "" || len(m.Key) > 0) {
		return fmt.Errorf("%w: root or key beside a schema, which says them", ErrMalformed)
	}
	for name, count := range m.Records {
		if count < 0 {
			return fmt.Errorf("%w: %d records of %q", ErrMalformed, count, name)
		}
	}
	return nil
}

// GetManifest reads the manifest of version v whose digest is d, and checks
// that it is that.
func GetManifest(ctx context.Context, store Store, n dataset.Name, v dataset.Version, d dataset.Digest) (*Manifest, error) {
	key := ManifestKey(n, v, d)
	b, err := store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get manifest: %w", err)
	}
	if got := dataset.DigestOf(b); got != d {
		return nil, fmt.Errorf("get manifest %s: %w: it is %s", key, ErrDigest, got)
	}
	m, err := DecodeManifest(b)
	if err != nil {
		return nil, fmt.Errorf("get manifest %s: %w", key, err)
	}
	if m.Dataset != n || m.Version != v {
		return nil, fmt.Errorf("get manifest %s: %w: it is of %s %s", key, ErrMalformed, m.Dataset, m.Version)
	}
	return m, nil
}
