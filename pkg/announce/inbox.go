package announce

import (
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

const (
	// hintLife is how long an unconfirmed hint is remembered, so that its
	// repetitions are not delivered.
	hintLife = 10 * time.Second
	// lookPause is the least time between two deliveries for one dataset.
	lookPause = 100 * time.Millisecond
	// sweepPause is the least time between two looks for expired hints.
	sweepPause = time.Second
	// maxUnconfirmed bounds the datasets that strangers can make us remember.
	maxUnconfirmed = 4096
)

// inbox decides which received hints are delivered, and when. Hints are
// delivered if they are newer than what was confirmed; unconfirmed ones
// neither hide others nor are passed on. It has no clock and no lock of its
// own.
type inbox struct {
	confirmed   Table
	unconfirmed map[dataset.Name]unconfirmed
	swept       time.Time // when what had expired was last forgotten
}

// unconfirmed is what is known of a dataset by hearsay.
type unconfirmed struct {
	last    Hint      // the last one received
	until   time.Time // when it is forgotten
	waiting bool      // next is to be delivered
	next    Hint      // the newest of those received since the last delivery
	due     time.Time // not to be delivered before
}

func newInbox() *inbox {
	return &inbox{confirmed: Table{}, unconfirmed: make(map[dataset.Name]unconfirmed)}
}

// confirm notes a hint that was found true, and says whether it is news.
func (in *inbox) confirm(h Hint) bool { return in.confirmed.Add(h) }

// forget forgets what was confirmed of a dataset. What is known by hearsay may
// be of its new log, and stays.
func (in *inbox) forget(n dataset.Name) { delete(in.confirmed, n) }

// receive notes a hint from another, and says whether it is to be delivered.
func (in *inbox) receive(h Hint, now time.Time) bool {
	if known, ok := in.confirmed[h.Dataset]; ok && !h.newer(known) {
		return false
	}
	u, known := in.unconfirmed[h.Dataset]
	if !known && !in.room(now) {
		return false
	}
	if known && u.last == h && now.Before(u.until) {
		return false
	}
	u.last, u.until = h, now.Add(hintLife)
	if !u.waiting || h.newer(u.next) {
		u.waiting, u.next = true, h
	}
	in.unconfirmed[h.Dataset] = u
	return true
}

// room says whether another dataset can be remembered. If need be it forgets
// what has expired, but not often: a flood must not make every hint costly.
func (in *inbox) room(now time.Time) bool {
	if len(in.unconfirmed) < maxUnconfirmed {
		return true
	}
	if now.Sub(in.swept) < sweepPause {
		return false
	}
	in.swept = now
	for name, u := range in.unconfirmed {
		if !u.waiting && !now.Before(u.until) {
			delete(in.unconfirmed, name)
		}
	}
	return len(in.unconfirmed) < maxUnconfirmed
}

// take returns the hints to deliver at now, and how long to wait until there
// may be more; 0 if nothing waits.
func (in *inbox) take(now time.Time) (deliver []Hint, wait time.Duration) {
	for name, u := range in.unconfirmed {
		if !u.waiting {
			continue
		}
		if pause := u.due.Sub(now); pause > 0 {
			if wait == 0 || pause < wait {
				wait = pause
			}
			continue
		}
		if known, ok := in.confirmed[name]; !ok || u.next.newer(known) {
			deliver = append(deliver, u.next)
			u.due = now.Add(lookPause)
		}
		u.waiting = false
		in.unconfirmed[name] = u
	}
	return deliver, wait
}
