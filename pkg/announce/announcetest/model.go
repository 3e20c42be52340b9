// Package announcetest holds the naive twin of the fold, and builders of
// entries, for tests of whoever reads or writes announcement logs.
package announcetest

import (
	"slices"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Model says what a log means by looking at all of its entries again each
// time, straight from the rules. It keeps no fold.
type Model struct {
	entries []announce.Entry
	valid   []bool
}

// Add appends e and says whether it counts.
func (m *Model) Add(e announce.Entry) bool {
	ok := m.counts(e)
	m.entries, m.valid = append(m.entries, e), append(m.valid, ok)
	return ok
}

// counted yields the bodies of the entries that count, newest first.
func counted[B announce.Body](m *Model) []B {
	var out []B
	for i, e := range slices.Backward(m.entries) {
		if b, ok := e.Body.(B); ok && m.valid[i] {
			out = append(out, b)
		}
	}
	return out
}

// epoch returns the position of the newest claim that counts, and whether a
// release followed.
func (m *Model) epoch() (epoch int64, holder string, released bool) {
	for i, e := range slices.Backward(m.entries) {
		c, ok := e.Body.(announce.Claim)
		if !ok || !m.valid[i] {
			continue
		}
		if c.Released {
			released = true
			continue
		}
		return int64(i), c.Holder, released
	}
	return -1, "", false
}

// head returns the newest announcement that counts.
func (m *Model) head() announce.Announcement {
	if all := counted[announce.Announcement](m); len(all) > 0 {
		return all[0]
	}
	return announce.Announcement{}
}

// pin returns the pin that holds; zero if none does.
func (m *Model) pin() announce.Pin {
	if all := counted[announce.Pin](m); len(all) > 0 {
		return all[0]
	}
	return announce.Pin{}
}

// horizon returns the prune horizon.
func (m *Model) horizon() dataset.Version {
	var out dataset.Version
	for _, p := range counted[announce.Prune](m) {
		out = max(out, p.Horizon)
	}
	return out
}

// counts says whether e, at the next position, counts.
func (m *Model) counts(e announce.Entry) bool {
	epoch, holder, released := m.epoch()
	head := m.head()
	switch b := e.Body.(type) {
	case announce.Claim:
		if b.Released {
			return epoch >= 0 && !released && e.Epoch == epoch && b.Holder == holder
		}
		return b.Holder != "" && e.Epoch == int64(len(m.entries))
	case announce.Announcement:
		return e.Epoch == epoch && b.Previous == head.Version && b.Version > head.Version && !b.Manifest.IsZero()
	case announce.Snapshot:
		return m.mayName(b.Version, b.Manifest) && !b.Blob.Digest.IsZero()
	case announce.Evaluated:
		return e.Epoch == epoch && head.Version != dataset.None && b.Evaluation.Output == head.Version
	case announce.Pin:
		return b == announce.Pin{} || m.mayName(b.Version, b.Manifest)
	case announce.Prune:
		limit := head.Version
		if pin := m.pin(); pin.Version != dataset.None {
			limit = min(limit, pin.Version)
		}
		return b.Horizon > 0 && b.Horizon >= m.horizon() && b.Horizon <= limit
	case announce.Advance:
		return e.Epoch == epoch && head.Version != dataset.None && len(b.Positions) > 0
	}
	return false
}

// mayName says whether an entry may name v with the manifest d.
func (m *Model) mayName(v dataset.Version, d dataset.Digest) bool {
	head := m.head()
	return v > 0 && v >= m.horizon() && !d.IsZero() && (v < head.Version || v == head.Version && d == head.Manifest)
}

// Fold returns the fold of all entries.
func (m *Model) Fold() announce.Fold {
	f := announce.Fold{Position: int64(len(m.entries)) - 1, Horizon: m.horizon()}
	f.Epoch, f.Holder, f.Released = m.epoch()
	head := m.head()
	f.Head, f.Manifest = head.Version, head.Manifest
	if pin := m.pin(); pin != (announce.Pin{}) {
		f.Pin = &pin
	}
	for i, e := range m.entries {
		if !m.valid[i] {
			continue
		}
		switch b := e.Body.(type) {
		case announce.Announcement:
			if b.Snapshot != nil {
				m.newest(&f, announce.Snapshot{Version: b.Version, Manifest: b.Manifest, Blob: *b.Snapshot})
			}
			if len(b.Positions) > 0 {
				f.Positions = b.Positions
			}
		case announce.Snapshot:
			m.newest(&f, b)
		case announce.Advance:
			f.Positions = b.Positions
		}
	}
	return f
}

// newest keeps the snapshot of the newest version, of two the first.
func (m *Model) newest(f *announce.Fold, s announce.Snapshot) {
	if f.Snapshot == nil || s.Version > f.Snapshot.Version {
		f.Snapshot = &s
	}
}
