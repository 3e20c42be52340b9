package announce

import (
	"maps"
	"path"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// noEpoch is the epoch of a log that nobody has claimed.
const noEpoch = -1

// Fold is what a log says as a whole, up to an entry. It is a bounded value;
// who holds one must not change what it points to.
type Fold struct {
	// Position is that of the last entry it includes; -1 when empty.
	Position int64 `json:"position"`
	// Epoch is the position of the newest claim; -1 if there is none.
	Epoch int64 `json:"epoch"`
	// Holder made that claim; Released says that it has given it back.
	Holder   string `json:"holder,omitempty"`
	Released bool   `json:"released,omitempty"`
	// Head is the newest announced version, Manifest its manifest's digest.
	Head     dataset.Version `json:"head,omitzero"`
	Manifest dataset.Digest  `json:"manifest,omitzero"`
	// Pin is nil if consumers are not held.
	Pin *Pin `json:"pin,omitempty"`
	// Snapshot is that of the newest version that has one; nil if none has.
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	// Positions are the source positions contained in Head.
	Positions map[string]string `json:"positions,omitempty"`
	// Horizon is the version below which blobs may be gone.
	Horizon dataset.Version `json:"horizon,omitzero"`
}

// Empty returns the fold of an empty log.
func Empty() Fold { return Fold{Position: -1, Epoch: noEpoch} }

// Effective returns the version to stand at, and its manifest's digest: the
// pin's, else the head's; None if nothing was announced.
func (f Fold) Effective() (dataset.Version, dataset.Digest) {
	if f.Pin != nil {
		return f.Pin.Version, f.Pin.Manifest
	}
	return f.Head, f.Manifest
}

// Claimed says whether somebody holds the log.
func (f Fold) Claimed() bool { return f.Epoch != noEpoch && !f.Released }

// Apply returns the fold after e, the entry that follows f, and whether e
// counts. The fold after a void entry differs in Position only.
func (f Fold) Apply(e Entry) (next Fold, valid bool) {
	next = f
	if e.Body != nil && e.Body.kind() == e.Kind {
		next, valid = e.Body.apply(f, e)
	}
	if !valid {
		next = f
	}
	next.Position = f.Position + 1
	return next, valid
}

// A claim's epoch is its own position; a release names the epoch it ends.
func (c Claim) apply(f Fold, e Entry) (Fold, bool) {
	if c.Released {
		own := f.Claimed() && c.Holder == f.Holder && e.Epoch == f.Epoch
		f.Released = true
		return f, own
	}
	f.Epoch, f.Holder, f.Released = f.Position+1, c.Holder, false
	return f, c.Holder != "" && e.Epoch == f.Epoch
}

// An announcement counts in the newest epoch, on the head, and upwards.
func (a Announcement) apply(f Fold, e Entry) (Fold, bool) {
	if e.Epoch != f.Epoch || a.Previous != f.Head || a.Version <= f.Head || a.Manifest.IsZero() {
		return f, false
	}
	f.Head, f.Manifest = a.Version, a.Manifest
	if a.Snapshot != nil {
		f.Snapshot = &Snapshot{Version: a.Version, Manifest: a.Manifest, Blob: *a.Snapshot}
	}
	if len(a.Positions) > 0 {
		f.Positions = maps.Clone(a.Positions)
	}
	return f, true
}

// A snapshot may be of any version that is announced and not below the
// horizon; the fold keeps that of the newest version, and of two the first.
func (s Snapshot) apply(f Fold, _ Entry) (Fold, bool) {
	if !f.names(s.Version, s.Manifest) || s.Version < f.Horizon || s.Blob.Digest.IsZero() {
		return f, false
	}
	if f.Snapshot == nil || s.Version > f.Snapshot.Version {
		f.Snapshot = &s
	}
	return f, true
}

// An evaluation's output is the head, and it counts in the newest epoch.
func (v Evaluated) apply(f Fold, e Entry) (Fold, bool) {
	out := v.Evaluation.Output
	return f, e.Epoch == f.Epoch && out != dataset.None && out == f.Head
}

// A pin names an announced version not below the horizon; an empty one unpins.
func (p Pin) apply(f Fold, _ Entry) (Fold, bool) {
	if p == (Pin{}) {
		f.Pin = nil
		return f, true
	}
	if !f.names(p.Version, p.Manifest) || p.Version < f.Horizon {
		return f, false
	}
	f.Pin = &p
	return f, true
}

// A prune raises the horizon to at most what is pinned, or the head, and
// names only blobs and manifests of versions below it.
func (p Prune) apply(f Fold, _ Entry) (Fold, bool) {
	effective, _ := f.Effective()
	if p.Horizon <= 0 || p.Horizon < f.Horizon || p.Horizon > min(effective, f.Head) {
		return f, false
	}
	for _, key := range p.Keys {
		if v, ok := prunable(key); !ok || v >= p.Horizon {
			return f, false
		}
	}
	f.Horizon = p.Horizon
	return f, true
}

// Positions advance in the newest epoch, and only of something.
func (a Advance) apply(f Fold, e Entry) (Fold, bool) {
	if e.Epoch != f.Epoch || f.Head == dataset.None || len(a.Positions) == 0 {
		return f, false
	}
	f.Positions = maps.Clone(a.Positions)
	return f, true
}

// names says whether v with manifest d can be an announced version, as far as
// the fold knows; who appends has looked at the manifests.
func (f Fold) names(v dataset.Version, d dataset.Digest) bool {
	if v <= dataset.None || v > f.Head || d.IsZero() {
		return false
	}
	return v != f.Head || d == f.Manifest
}

// prunable returns the version that key, relative to the dataset's folder,
// belongs to; false if it must not be deleted.
func prunable(key string) (dataset.Version, bool) {
	folder, name := path.Split(key)
	version, digest, _ := strings.Cut(name, "-")
	switch folder {
	case "versions/":
		var ok bool
		if digest, ok = strings.CutSuffix(digest, ".json"); !ok {
			return 0, false
		}
	case "blobs/":
	default:
		return 0, false
	}
	d, err := dataset.ParseDigest(digest)
	if err != nil || d.IsZero() {
		return 0, false
	}
	v, err := dataset.ParseVersion(version)
	return v, err == nil
}
