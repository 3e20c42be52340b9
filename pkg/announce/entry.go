package announce

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Kind says what an entry does.
type Kind string

// The kinds of entries.
const (
	KindClaim     Kind = "claim"     // a producer takes, or releases, the log
	KindAnnounce  Kind = "announce"  // a version becomes the head
	KindSnapshot  Kind = "snapshot"  // a snapshot was written later
	KindEvaluated Kind = "evaluated" // a logic ran and its output did not change
	KindPin       Kind = "pin"       // consumers are held at a version, or no longer
	KindPrune     Kind = "prune"     // blobs go
	KindAdvance   Kind = "advance"   // source positions moved, content did not
)

// Author says who appends an entry, and why.
type Author struct {
	// Name is a configured name, of a producer or a person.
	Name string `json:"name"`
	// Why is free text; it may be empty.
	Why string `json:"why,omitempty"`
}

// Entry is one entry of a log. A writer fills in Author and Body, the log the
// rest.
type Entry struct {
	Kind Kind
	// ID is random and tells a writer its own entry.
	ID string
	// Link is the SHA-256 of the entry before; zero at position 0.
	Link dataset.Digest
	// Epoch is the epoch that the writer works in; a claim's is its own
	// position.
	Epoch  int64
	Author Author
	When   time.Time
	Body   Body
	// Fold is the state before this entry.
	Fold Fold
}

// Position returns the position of the entry in its log.
func (e Entry) Position() int64 { return e.Fold.Position + 1 }

// Body is what an entry says: one of Claim, Announcement, Snapshot,
// Evaluated, Pin, Prune and Advance.
type Body interface {
	// kind returns the kind of an entry with this body.
	kind() Kind
	// apply returns the fold after e, whose body this is, or false if e is
	// void.
	apply(f Fold, e Entry) (Fold, bool)
}

// Claim takes ownership of the log for Holder, or gives it back.
type Claim struct {
	Holder   string `json:"holder"`
	Released bool   `json:"released,omitempty"`
}

// Announcement makes Version the head.
type Announcement struct {
	Version  dataset.Version `json:"version"`
	Previous dataset.Version `json:"previous,omitzero"`
	// Manifest is the digest of Version's manifest.
	Manifest dataset.Digest `json:"manifest"`
	// Snapshot is the snapshot that the manifest names, if any.
	Snapshot *blob.Ref `json:"snapshot,omitempty"`
	// Positions are all source positions contained in Version; none leaves
	// the fold's as they are.
	Positions map[string]string `json:"positions,omitempty"`
}

// AnnouncementOf returns the announcement of the version whose manifest is m
// with digest d.
func AnnouncementOf(m *blob.Manifest, d dataset.Digest) Announcement {
	return Announcement{
		Version: m.Version, Previous: m.Previous, Manifest: d,
		Snapshot: m.Snapshot, Positions: m.Lineage.Positions,
	}
}

// Snapshot names a snapshot of an announced version. Its key is
// blob.BlobKey of Version and the blob's digest.
type Snapshot struct {
	Version dataset.Version `json:"version"`
	// Manifest is the digest of Version's manifest.
	Manifest dataset.Digest `json:"manifest"`
	Blob     blob.Ref       `json:"blob"`
}

// Evaluated records a run of a logic whose result is the head.
type Evaluated struct {
	Evaluation dataset.Evaluation `json:"evaluation"`
}

// Pin holds consumers at Version; the zero Pin lets them go.
type Pin struct {
	Version dataset.Version `json:"version,omitzero"`
	// Manifest is the digest of Version's manifest.
	Manifest dataset.Digest `json:"manifest,omitzero"`
}

// Prune allows Keys to be deleted and forbids any key below Horizon to be
// made again. Keys are relative to the dataset's folder.
type Prune struct {
	Horizon dataset.Version `json:"horizon"`
	Keys    []string        `json:"keys"`
}

// Advance records all source positions contained in the head.
type Advance struct {
	Positions map[string]string `json:"positions"`
}

func (Claim) kind() Kind        { return KindClaim }
func (Announcement) kind() Kind { return KindAnnounce }
func (Snapshot) kind() Kind     { return KindSnapshot }
func (Evaluated) kind() Kind    { return KindEvaluated }
func (Pin) kind() Kind          { return KindPin }
func (Prune) kind() Kind        { return KindPrune }
func (Advance) kind() Kind      { return KindAdvance }

// file is the JSON form of an entry.
type file struct {
	Format int             `json:"format"`
	Kind   Kind            `json:"kind"`
	ID     string          `json:"id"`
	Link   dataset.Digest  `json:"link,omitzero"`
	Epoch  int64           `json:"epoch"`
	Who    string          `json:"who"`
	When   time.Time       `json:"when"`
	Why    string          `json:"why,omitempty"`
	Body   json.RawMessage `json:"body"`
	Fold   Fold            `json:"fold"`
}

// Encode returns the bytes to store, ended by a newline.
func (e Entry) Encode() ([]byte, error) {
	body, err := json.Marshal(e.Body)
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	b, err := json.Marshal(file{
		Format: 1, Kind: e.Kind, ID: e.ID, Link: e.Link, Epoch: e.Epoch, Who: e.Author.Name,
		When: e.When.UTC(), Why: e.Author.Why, Body: body, Fold: e.Fold,
	})
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeEntry reads the bytes of an entry; errors are blob.ErrFormat or
// blob.ErrMalformed.
func DecodeEntry(b []byte) (Entry, error) {
	f := file{Fold: Empty(), Epoch: noEpoch}
	if err := blob.DecodeJSON(b, &f); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	e := Entry{
		Kind: f.Kind, ID: f.ID, Link: f.Link, Epoch: f.Epoch,
		Author: Author{Name: f.Who, Why: f.Why}, When: f.When, Fold: f.Fold,
	}
	var err error
	if e.Body, err = decodeBody(f.Kind, f.Body); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	if e.Fold.Position < -1 || e.ID == "" || e.Link.IsZero() != (e.Position() == 0) {
		return Entry{}, fmt.Errorf("decode entry: %w: position, id and link do not fit", blob.ErrMalformed)
	}
	return e, nil
}

func decodeBody(kind Kind, b json.RawMessage) (Body, error) {
	switch kind {
	case KindClaim:
		return bodyOf[Claim](b)
	case KindAnnounce:
		return bodyOf[Announcement](b)
	case KindSnapshot:
		return bodyOf[Snapshot](b)
	case KindEvaluated:
		return bodyOf[Evaluated](b)
	case KindPin:
		return bodyOf[Pin](b)
	case KindPrune:
		return bodyOf[Prune](b)
	case KindAdvance:
		return bodyOf[Advance](b)
	}
	return nil, fmt.Errorf("%w: kind %.40q", blob.ErrMalformed, kind)
}

func bodyOf[B Body](b json.RawMessage) (Body, error) {
	var body B
	if err := blob.DecodeStrict(b, &body); err != nil {
		return nil, err
	}
	return body, nil
}
