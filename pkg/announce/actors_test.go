package announce_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// events is what a producer's source says, one after the other. The second
// takes the first back.
var events = []string{"a", "", "b", "", "c", "", "d", "", "e", "", "f", "", "g", ""}

// lapses are the rules that writers keep beside those of the Log; what is set
// is not kept.
type lapses struct {
	resend      bool // derive the intent anew after a lost race
	fromClock   bool // a version is greater than the head
	noClaim     bool // a producer claims before anything else
	lateClaim   bool // it restores from the fold at its claim
	noSettle    bool // a cycle starts from what the last one came to
	anyHead     bool // positions advance on the head that they are of
	evaluateAny bool // a run is recorded on its output
	resendPrune bool // a prune is planned anew after a lost race
	deleteFirst bool // what goes is in the log before it goes
	resendPin   bool // a pin is looked up anew after a lost race
	unconfirmed bool // nothing is acknowledged under another's claim
	takeover    bool // another's claim is taken over only on purpose
	greedyPrune bool // a prune names only what nobody needs
	ownDigest   bool // a pin is of the manifest that was announced
}

// writer is what all processes of the protocol test are made of.
type writer struct {
	*announcetest.Process
	log   *announce.Log
	truth *truth
	lapses
	ticks int
	bare  bool          // it announces no snapshots: they come later
	acts  int           // so far; each has a number
	after announce.Fold // after its newest announcement
}

// now returns the time of a clock that jumps by years.
func (w *writer) now() time.Time {
	w.ticks++
	years := []int{0, 10, -10, 3}[(w.ticks+len(w.Name)+w.Life)%4]
	return time.Date(2026+years, 1, 2, 3, 4, 5, 0, time.UTC)
}

func (w *writer) who(why string) announce.Author {
	return announce.Author{Name: w.String(), Why: why}
}

// act returns the number of the next act of w, as an author and as truth is
// told. Who has done an act does the earlier ones no more.
func (w *writer) act(verb string) (announce.Author, string) {
	w.acts++
	why := fmt.Sprintf("%s %d of %s", verb, w.acts, w.String())
	return w.who(why), why
}

// publish writes c as the version after f and announces it.
func (w *writer) publish(f announce.Fold, c content) error {
	a, err := w.write(f, c)
	if err != nil {
		return err
	}
	return w.announce(a, c)
}

// write writes c as the version after f.
func (w *writer) write(f announce.Fold, c content) (announce.Announcement, error) {
	v := dataset.NextVersion(f.Head, w.now())
	if w.fromClock {
		v = dataset.NextVersion(dataset.None, w.now())
	}
	data, err := json.Marshal(c)
	if err != nil {
		return announce.Announcement{}, err
	}
	ref := blob.RefOf(data)
	m := &blob.Manifest{Dataset: usage, Version: v, Previous: f.Head, PreviousManifest: f.Manifest, Segment: v, Snapshot: &ref}
	if c.Upto > 0 {
		m.Lineage.Positions = upTo(c)
	}
	manifest, err := m.Encode()
	if w.fromClock {
		m.Format = 1
		manifest, err = json.Marshal(m)
	}
	if err != nil {
		return announce.Announcement{}, err
	}
	d := dataset.DigestOf(manifest)
	err = w.Put(w.Context(), blob.BlobKey(usage, v, ref.Digest), data)
	if err == nil || errors.Is(err, blob.ErrExists) {
		err = w.Put(w.Context(), blob.ManifestKey(usage, v, d), manifest)
	}
	if err != nil && !errors.Is(err, blob.ErrExists) {
		return announce.Announcement{}, err
	}
	a := announce.AnnouncementOf(m, d)
	if w.bare {
		a.Snapshot = nil
	}
	return a, nil
}

func (w *writer) announce(a announce.Announcement, c content) (err error) {
	if w.resend {
		_, w.after, err = w.log.Append(w.Context(), func(announce.Fold) (announce.Entry, error) {
			return announce.Entry{Author: w.who(c.Op), Body: a}, nil
		})
	} else {
		w.after, err = w.log.Announce(w.Context(), w.who(c.Op), a)
	}
	if err == nil {
		w.truth.acknowledge(c.Op)
	}
	return err
}

// read returns the newest fold and what its head says.
func (w *writer) read() (f announce.Fold, c content, err error) {
	if f, err = w.log.Refresh(w.Context()); err != nil || f.Head == dataset.None {
		return f, c, err
	}
	_, c, err = load(w.Process, f.Head, f.Manifest)
	return f, c, err
}

// oneShot publishes one change, as often as others are faster.
func (w *writer) oneShot(name string) {
	for !w.Crashed() {
		f, c, err := w.read()
		if err != nil {
			return
		}
		if err := w.publish(f, add(c, name)); !errors.Is(err, announce.ErrConflict) {
			return // done, or not: nobody was told that it is
		}
	}
}

// add returns c with the change of a publish.
func add(c content, name string) content {
	c.Op, c.Ops = "add "+name, append(c.Ops, name)
	return c
}

// producer claims the dataset, restores, and publishes the state of a source
// that moves on with every cycle, whether that ends well or not.
func (w *writer) producer(source *int, cycles int) {
	f, c, err := w.read()
	if !w.noClaim {
		if _, err := w.log.Claim(w.Context(), w.who(""), w.Name, true); err != nil {
			return
		}
	}
	if !w.lateClaim && !w.noClaim {
		f, c, err = w.read()
	}
	for range cycles {
		if err != nil { // whatever it was, what is announced is looked up again
			if !w.noSettle && w.log.Settle(w.Context()) != nil {
				return
			}
			if f, c, err = w.read(); err != nil {
				continue
			}
		}
		if *source++; *source > len(events) {
			return
		}
		next := c
		next.Op = fmt.Sprintf("publish %d of %s", *source, w.Name)
		next.Value, next.Upto = events[*source-1], *source
		if next.Value == c.Value {
			err = w.unchanged(f, next)
		} else {
			err = w.publish(f, next)
		}
		if errors.Is(err, announce.ErrDeposed) || errors.Is(err, announce.ErrClaimed) || errors.Is(err, announce.ErrDiverged) {
			return
		}
		if err == nil && next.Value != c.Value {
			f, c = w.after, next
		}
	}
}

// unchanged ends a cycle that has nothing to publish: the producer looks
// whether its head still is the head.
func (w *writer) unchanged(f announce.Fold, c content) error {
	if !w.unconfirmed {
		now, err := w.log.Refresh(w.Context())
		if err != nil {
			return err
		}
		if now.Head != f.Head || now.Epoch != f.Epoch {
			return announce.ErrConflict
		}
	}
	w.truth.unchanged(f, c)
	return nil
}

// advance records the position of what it takes for the head, and a run that
// came to the same.
func (w *writer) advance() {
	f, c, err := w.read()
	if err != nil || c.Upto == 0 {
		return
	}
	if w.anyHead {
		_ = w.append(announce.Advance{Positions: upTo(c)}) // it may fail
	} else {
		_, _ = w.log.Advance(w.Context(), w.who(""), f.Head, upTo(c)) // so may this
	}
	_ = w.evaluated(f.Head) // and this
}

// reader looks a few times.
func (w *writer) reader(looks int) {
	for range looks {
		f, err := w.log.Refresh(w.Context())
		if err == nil {
			err = w.log.Check(w.Context())
		}
		if errors.Is(err, announce.ErrDiverged) {
			w.log.Reset()
			f, err = w.log.Refresh(w.Context())
		}
		if err == nil {
			w.truth.observe(f)
		}
	}
}

// pin holds consumers at the oldest version.
func (w *writer) pin(v dataset.Version) {
	if !w.resendPin {
		_, _ = w.log.Pin(w.Context(), w.who(""), v) // it may be too late
		return
	}
	f, err := w.log.Refresh(w.Context())
	if err != nil {
		return
	}
	var d dataset.Digest
	for at, digest := f.Head, f.Manifest; at >= v; {
		m, err := blob.GetManifest(w.Context(), w.Process, usage, at, digest)
		if err != nil {
			return
		}
		d = digest
		at, digest = m.Previous, m.PreviousManifest
	}
	_ = w.append(announce.Pin{Version: v, Manifest: d}) // it may be void
}

// prune deletes all but the newest version.
func (w *writer) prune() {
	pruner := announce.Pruner{Store: w.Process, Dataset: usage, Policy: blob.PrunePolicy{Keep: 1}}
	if !w.resendPrune && !w.deleteFirst && !w.greedyPrune {
		_, _ = pruner.Run(w.Context(), w.who("")) // it may fail
		return
	}
	body, err := w.plan(pruner)
	if err != nil || len(body.Keys) == 0 {
		return
	}
	if w.deleteFirst {
		w.deleteAll(body.Keys)
	}
	if err = w.append(body); err == nil {
		w.deleteAll(body.Keys)
	}
}

// plan returns what a pruner would delete; who is greedy takes all but the log.
func (w *writer) plan(pruner announce.Pruner) (announce.Prune, error) {
	plan, err := pruner.Plan(w.Context())
	if err != nil {
		return announce.Prune{}, err
	}
	body := announce.Prune{Horizon: plan.Horizon}
	files := plan.Files
	if w.greedyPrune {
		if files, err = w.List(w.Context(), string(usage)+"/blobs/"); err != nil {
			return body, err
		}
	}
	for _, f := range files {
		body.Keys = append(body.Keys, strings.TrimPrefix(f.Key, string(usage)+"/"))
	}
	return body, nil
}

func (w *writer) deleteAll(keys []string) {
	for _, key := range keys {
		if w.Delete(w.Context(), string(usage)+"/"+key) != nil {
			return
		}
	}
}
