package announce_test

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// claim claims the dataset and says whether it got it.
func (w *writer) claim(takeover bool) bool {
	verb := "claim"
	if takeover {
		verb = "takeover"
	}
	author, why := w.act(verb)
	f, err := w.log.Claim(w.Context(), author, w.Name, takeover || w.takeover)
	w.judge(err)
	if err == nil {
		w.truth.claimed(w.String(), f)
		w.truth.acknowledge(why)
	}
	return err == nil
}

// release gives the dataset back.
func (w *writer) release() {
	author, why := w.act("release")
	_, err := w.log.Release(w.Context(), author)
	w.judge(err)
	if err == nil {
		w.truth.acknowledge(why)
	}
}

// judge looks whether who is told that it was deposed is.
func (w *writer) judge(err error) {
	if errors.Is(err, announce.ErrDeposed) {
		w.truth.toldDeposed(w.String())
	}
}

// tenant claims, publishes and releases, some times. What is in doubt after one
// act is left to the next one.
func (w *writer) tenant(rounds int, takeover bool) {
	for range rounds {
		if w.claim(takeover) {
			if f, c, err := w.read(); err == nil {
				w.judge(w.publish(f, add(c, w.String()+strconv.Itoa(w.acts))))
			}
		}
		w.release()
	}
}

// operator holds consumers at v, and lets them go again.
func (w *writer) operator(v dataset.Version) {
	for _, v := range []dataset.Version{v, dataset.None, v, dataset.None} {
		author, why := w.act("pin")
		var err error
		if v == dataset.None {
			_, err = w.log.Unpin(w.Context(), author)
		} else {
			_, err = w.log.Pin(w.Context(), author, v)
		}
		if err == nil {
			w.truth.acknowledge(why)
		}
	}
}

// logic takes the dataset over and publishes what its source says; then it
// records a run that changed nothing, and positions that moved.
func (w *writer) logic(source *int, cycles int) {
	if !w.claim(true) {
		return
	}
	for range cycles {
		f, c, err := w.read()
		if err != nil {
			continue
		}
		*source++
		c.Op, c.Value, c.Upto = "feed", events[*source-1], *source
		if err = w.publish(f, c); err == nil {
			f, err = w.log.Refresh(w.Context())
		}
		if w.judge(err); err != nil {
			continue
		}
		w.judge(w.evaluated(f.Head))
		_, err = w.log.Advance(w.Context(), w.who(""), f.Head, upTo(c))
		w.judge(err)
	}
}

// feed publishes, without a claim, what the source has said up to an event.
func (w *writer) feed(upto int) {
	if f, c, err := w.read(); err == nil {
		c.Op, c.Upto, c.Value = "feed", upto, events[upto-1]
		_ = w.publish(f, c) // it may fail
	}
}

// evaluated records a run whose output is v.
func (w *writer) evaluated(v dataset.Version) error {
	body := announce.Evaluated{Evaluation: dataset.Evaluation{Output: v}}
	if w.evaluateAny {
		return w.append(body)
	}
	_, err := w.log.Evaluated(w.Context(), w.who(""), body.Evaluation)
	return err
}

// append appends body, whatever came between.
func (w *writer) append(body announce.Body) error {
	_, _, err := w.log.Append(w.Context(), func(announce.Fold) (announce.Entry, error) {
		return announce.Entry{Author: w.who(""), Body: body}, nil
	})
	return err
}

// snapshot writes a snapshot of v, whose manifest has digest d, and makes it
// known.
func (w *writer) snapshot(v dataset.Version, d dataset.Digest) {
	_, c, err := load(w.Process, v, d)
	if err != nil {
		return
	}
	data, err := json.MarshalIndent(c, "", " ") // other bytes than the producer's
	if err != nil {
		return
	}
	ref := blob.RefOf(data)
	if w.Put(w.Context(), blob.BlobKey(usage, v, ref.Digest), data) != nil {
		return
	}
	_, _ = w.log.Snapshot(w.Context(), w.who(""), announce.Snapshot{Version: v, Manifest: d, Blob: ref}) // it may be too late
}

// publishAndHold publishes once, and holds consumers at the version that it
// wrote, whoever announced that.
func (w *writer) publishAndHold(name string) {
	f, c, err := w.read()
	if err != nil {
		return
	}
	c = add(c, name)
	a, err := w.write(f, c)
	if err != nil {
		return
	}
	_ = w.announce(a, c) // it may fail
	if w.ownDigest {
		_ = w.append(announce.Pin{Version: a.Version, Manifest: a.Manifest}) // so may this
		return
	}
	_, _ = w.log.Pin(w.Context(), w.who(""), a.Version) // and this
}

// upTo returns the source positions of c.
func upTo(c content) map[string]string {
	return map[string]string{"source": strconv.Itoa(c.Upto)}
}
