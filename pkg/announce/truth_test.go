package announce_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// content is what a version of the protocol test says.
type content struct {
	Ops   []string // one-shot publishes, each of which adds its name
	Value string   // what the producer's source said last
	Upto  int      // events of the source that it contains
	Op    string   // which publish made it
}

// truth watches what really gets into the store and what processes are told,
// and knows what may never happen.
type truth struct {
	w       *announcetest.World
	apply   func(announce.Fold, announce.Entry) (announce.Fold, bool)
	fold    announce.Fold
	link    dataset.Digest
	claimer map[int64]string  // epoch → who claimed
	deposed map[string]bool   // who was, and has not come back
	chain   []dataset.Version // announced, oldest first
	digests map[dataset.Version]dataset.Digest
	says    map[dataset.Version]content
	at      []dataset.Digest  // position → effective manifest
	acked   map[string]int    // who → the number of its newest acknowledged act
	added   []string          // acknowledged one-shot publishes
	past    []map[string]bool // what readers may have seen before a restore
	lost    bool              // an entry is gone, and not the newest
}

func newTruth(w *announcetest.World, apply func(announce.Fold, announce.Entry) (announce.Fold, bool)) *truth {
	if apply == nil {
		apply = announce.Fold.Apply
	}
	t := &truth{
		w: w, apply: apply, fold: announce.Empty(), claimer: map[int64]string{}, deposed: map[string]bool{},
		digests: map[dataset.Version]dataset.Digest{}, says: map[dataset.Version]content{}, acked: map[string]int{},
	}
	w.Put, w.Deleted = t.put, t.deleted
	return t
}

// put looks at each key that is created.
func (t *truth) put(key string, data []byte) error {
	if !strings.Contains(key, "/log/") {
		return nil
	}
	e, err := announce.DecodeEntry(data)
	if err != nil {
		return err
	}
	if key != blob.LogKey(usage, t.fold.Position+1) {
		return fmt.Errorf("G2: %s is written behind position %d", key, t.fold.Position)
	}
	if e.Link != t.link || fmt.Sprint(e.Fold.Head, e.Fold.Epoch) != fmt.Sprint(t.fold.Head, t.fold.Epoch) {
		return fmt.Errorf("G2: position %d does not follow the one before", e.Position())
	}
	next, counts := t.apply(t.fold, e)
	if counts {
		if err := t.counts(e); err != nil {
			return fmt.Errorf("position %d: %w", e.Position(), err)
		}
	}
	_, before := t.fold.Effective()
	_, manifest := next.Effective()
	same := manifest == before && next.Snapshot == t.fold.Snapshot
	t.fold, t.link, t.at = next, dataset.DigestOf(data), append(t.at, manifest)
	if same {
		return nil
	}
	return t.loadable()
}

// counts judges an entry that readers believe.
func (t *truth) counts(e announce.Entry) error {
	if who, number, ok := actOf(e.Author.Why); ok && number <= t.acked[who] {
		return fmt.Errorf("G6: %s comes after number %d was acknowledged", e.Author.Why, t.acked[who])
	}
	switch b := e.Body.(type) {
	case announce.Claim:
		return t.claims(b, e)
	case announce.Announcement:
		return errors.Join(t.mayExtend(e), t.announced(b))
	case announce.Advance:
		if has := t.says[t.fold.Head].Upto; fmt.Sprint(has) != b.Positions["source"] {
			return fmt.Errorf("G7: the head contains %d events, the log says %s", has, b.Positions["source"])
		}
		return t.mayExtend(e)
	case announce.Evaluated:
		if out := b.Evaluation.Output; out != t.fold.Head {
			return fmt.Errorf("G9: a run whose output is %s is recorded on the head %s", out, t.fold.Head)
		}
		return t.mayExtend(e)
	case announce.Pin:
		return t.named(b.Version, b.Manifest)
	case announce.Snapshot:
		return t.named(b.Version, b.Manifest)
	case announce.Prune:
		if t.fold.Pin != nil && t.fold.Pin.Version < b.Horizon {
			return fmt.Errorf("a prune to %s passes the pin at %s", b.Horizon, t.fold.Pin.Version)
		}
		if b.Horizon < t.fold.Horizon {
			return fmt.Errorf("a prune to %s takes the horizon back from %s", b.Horizon, t.fold.Horizon)
		}
	}
	return nil
}

// claims judges a claim, or the end of one (G5).
func (t *truth) claims(b announce.Claim, e announce.Entry) error {
	who, owner := e.Author.Name, t.claimer[t.fold.Epoch]
	if b.Released {
		if owner != who {
			return fmt.Errorf("G5: %s releases the claim of %s", who, owner)
		}
		return nil
	}
	if strings.HasPrefix(e.Author.Why, "claim ") && (t.deposed[who] || t.fold.Claimed() && t.fold.Holder != b.Holder) {
		return fmt.Errorf("G5: %s takes the claim of %s, and did not mean to", who, owner)
	}
	if t.fold.Claimed() && owner != who {
		t.deposed[owner] = true
	}
	delete(t.deposed, who)
	t.claimer[e.Position()] = who
	return nil
}

// named judges a version that consumers are sent to, or that they start from:
// None, or one that was announced and not pruned, with the manifest that was.
func (t *truth) named(v dataset.Version, d dataset.Digest) error {
	if v == dataset.None {
		return nil
	}
	if !slices.Contains(t.chain, v) || t.digests[v] != d {
		return fmt.Errorf("G2: consumers are sent to %s with manifest %s, which was not announced", v, d)
	}
	if v < t.fold.Horizon {
		return fmt.Errorf("consumers are sent to %s, below the horizon %s", v, t.fold.Horizon)
	}
	return nil
}

// mayExtend says whether who wrote e may extend the dataset's log (G5).
func (t *truth) mayExtend(e announce.Entry) error {
	if owner := t.claimer[t.fold.Epoch]; t.fold.Claimed() && owner != e.Author.Name {
		return fmt.Errorf("G5: %s writes under the claim of %s", e.Author.Name, owner)
	}
	return nil
}

// announced judges a new head.
func (t *truth) announced(b announce.Announcement) error {
	m, c, err := load(t.w.Store, b.Version, b.Manifest)
	if err != nil {
		return fmt.Errorf("G2: %s cannot be read: %w", b.Version, err)
	}
	if b.Previous != t.fold.Head || m.PreviousManifest != t.fold.Manifest || b.Version <= t.fold.Head {
		return fmt.Errorf("G2: %s on %s follows the head %s", b.Version, b.Previous, t.fold.Head)
	}
	before := t.says[t.fold.Head]
	var want []string
	if want = slices.Clone(before.Ops); strings.HasPrefix(c.Op, "add ") {
		want = append(want, strings.TrimPrefix(c.Op, "add "))
	}
	if !slices.Equal(c.Ops, want) || len(slices.Compact(slices.Sorted(slices.Values(c.Ops)))) != len(c.Ops) {
		return fmt.Errorf("%s says %v after %v", b.Version, c.Ops, before.Ops)
	}
	if c.Upto < before.Upto || b.Positions != nil && b.Positions["source"] != fmt.Sprint(c.Upto) || c.Upto > 0 && c.Value != events[c.Upto-1] {
		return fmt.Errorf("G7: %s contains %d events and says %q, positions %v, after %d", b.Version, c.Upto, c.Value, b.Positions, before.Upto)
	}
	t.chain, t.says[b.Version], t.digests[b.Version] = append(t.chain, b.Version), c, b.Manifest
	return nil
}

// deleted looks at what is left after each deletion.
func (t *truth) deleted(string) error { return t.loadable() }

// loadable says whether a consumer without memory finds what it is to serve,
// and the snapshot that the log names.
func (t *truth) loadable() error {
	if s := t.fold.Snapshot; s != nil {
		key := blob.BlobKey(usage, s.Version, s.Blob.Digest)
		if _, err := blob.Get(context.Background(), t.w.Store, key, s.Blob); err != nil {
			return fmt.Errorf("consumers start from the snapshot of %s, which is gone: %w", s.Version, err)
		}
	}
	v, d := t.fold.Effective()
	if v == dataset.None {
		return nil
	}
	if _, _, err := load(t.w.Store, v, d); err != nil {
		return fmt.Errorf("consumers are sent to %s, which is gone: %w", v, err)
	}
	return nil
}

// acknowledge notes that a process was told that its publish is in the head.
func (t *truth) acknowledge(op string) {
	if name, ok := strings.CutPrefix(op, "add "); ok {
		t.added = append(t.added, name)
		return
	}
	who, number, _ := actOf(op)
	t.acked[who] = max(t.acked[who], number)
}

// claimed notes that who was told that it has claimed, with f after it.
func (t *truth) claimed(who string, f announce.Fold) {
	if t.claimer[f.Epoch] != who || !f.Claimed() {
		t.w.Fail(fmt.Errorf("G5: %s is told that it has the log, which %q has claimed, released: %v", who, t.claimer[f.Epoch], f.Released))
	}
}

// toldDeposed notes that who was told that another has claimed after it.
func (t *truth) toldDeposed(who string) {
	if t.claimer[t.fold.Epoch] == who {
		t.w.Fail(fmt.Errorf("G5: %s is told that it is deposed, and the newest claim is its own", who))
	}
}

// unchanged notes that a process was told that the head f says c already.
func (t *truth) unchanged(f announce.Fold, c content) {
	if now := t.says[t.fold.Head]; now.Value != c.Value || t.fold.Epoch != f.Epoch {
		t.w.Fail(fmt.Errorf("G7: %s is acknowledged with %q, the head says %q", c.Op, c.Value, now.Value))
	}
	t.acknowledge(c.Op)
}

// observe judges what a reader believes.
func (t *truth) observe(f announce.Fold) {
	v, d := f.Effective()
	seen := observation(f.Position, d)
	ok := f.Position < 0 || f.Position < int64(len(t.at)) && t.at[f.Position] == d
	for _, past := range t.past {
		ok = ok || past[seen]
	}
	if !ok {
		t.w.Fail(fmt.Errorf("G2: a reader is at %s at position %d, which was not announced there", v, f.Position))
	}
}

func observation(position int64, d dataset.Digest) string { return fmt.Sprint(position, d) }

// restored takes the store back to the first entries of the log.
func (t *truth) restored(entries int64) {
	past := map[string]bool{}
	for i, d := range t.at {
		past[observation(int64(i), d)] = true
	}
	t.past = append(t.past, past)
	entries = min(entries, int64(len(t.at)))
	f, link := announce.Empty(), dataset.Digest{}
	for pos := range int64(len(t.at)) {
		key := blob.LogKey(usage, pos)
		if pos >= entries {
			_ = t.w.Store.Delete(context.Background(), key) // never fails
			continue
		}
		data, err := t.w.Store.Get(context.Background(), key)
		if err != nil {
			t.w.Fail(err)
			return
		}
		e, err := announce.DecodeEntry(data)
		if err != nil {
			t.w.Fail(err)
			return
		}
		f, _ = t.apply(f, e)
		link = dataset.DigestOf(data)
	}
	t.fold, t.link, t.at = f, link, t.at[:entries]
	t.chain = slices.DeleteFunc(t.chain, func(v dataset.Version) bool { return v > f.Head })
	maps.DeleteFunc(t.says, func(v dataset.Version, _ content) bool { return v > f.Head })
	t.added, t.acked = nil, map[string]int{} // what was acknowledged is lost with the store
}

// loses takes an entry away, but not the newest one.
func (t *truth) loses(pos int64) {
	if pos < t.fold.Position {
		t.lost = true
		_ = t.w.Store.Delete(context.Background(), blob.LogKey(usage, pos)) // never fails
	}
}

// end judges what is left when all have ended.
func (t *truth) end() error {
	has := t.says[t.fold.Head].Ops
	for _, name := range t.added {
		if !slices.Contains(has, name) {
			return fmt.Errorf("publish %s was acknowledged and is lost; the head has %v", name, has)
		}
	}
	f, err := announce.Open(t.w.Store, usage).Refresh(context.Background())
	if t.lost && errors.Is(err, announce.ErrCorrupt) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("G2: a reader without memory: %w", err)
	}
	if f.Head != t.fold.Head || f.Position != t.fold.Position {
		return fmt.Errorf("G2: a reader without memory is at %s, the head is %s", f.Head, t.fold.Head)
	}
	return nil
}

// load reads a version.
func load(store blob.Store, v dataset.Version, d dataset.Digest) (*blob.Manifest, content, error) {
	var c content
	m, err := blob.GetManifest(context.Background(), store, usage, v, d)
	if err != nil {
		return nil, c, err
	}
	data, err := blob.Get(context.Background(), store, blob.BlobKey(usage, v, m.Snapshot.Digest), *m.Snapshot)
	if err != nil {
		return nil, c, err
	}
	return m, c, json.Unmarshal(data, &c)
}

// actOf reads whose act an entry is, and its number.
func actOf(why string) (who string, number int, ok bool) {
	var verb string
	n, _ := fmt.Sscanf(why, "%s %d of %s", &verb, &number, &who)
	return who, number, n == 3
}
