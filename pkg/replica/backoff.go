package replica

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// maxBackoff bounds the pause between two attempts at the same version.
const maxBackoff = 15 * time.Second

// backoff spaces attempts at a version that cannot be loaded: the blobs of a
// large dataset are not fetched again at each look. Another version is tried at
// once. The zero backoff lets everything through.
type backoff struct {
	target   dataset.Digest // of the manifest that failed last
	failures int            // in a row, whatever the target
	due      time.Time
	err      error
}

// wait returns why target is not tried at now, nil if it is.
func (b *backoff) wait(target dataset.Digest, now time.Time) error {
	if b.failures > 0 && b.target == target && now.Before(b.due) {
		return b.err
	}
	return nil
}

// failed notes a failure. The pause starts at a poll and doubles.
func (b *backoff) failed(target dataset.Digest, err error, now time.Time, poll time.Duration) {
	b.target, b.err = target, err
	b.due = now.Add(doubled(poll, maxBackoff, b.failures) - poll/2)
	b.failures++
}

// doubled returns the pause after some failures before this one: it starts at
// first, doubles up to most, and varies by a quarter, so that many replicas do
// not come back together.
func doubled(first, most time.Duration, failures int) time.Duration {
	pause := first
	for range failures {
		if pause *= 2; pause >= most {
			break
		}
	}
	pause = min(pause, max(most, first))
	return pause - pause/4 + rand.N(pause/4+1)
}

// pause spaces attempts to keep something in a cache, whose failures are worth
// less than what they cost the store and the log. The zero pause is over.
type pause struct {
	failures int // in a row
	due      time.Time
}

// maxPause bounds a pause.
const maxPause = time.Hour

// over says whether it is time for another attempt.
func (p *pause) over(now time.Time) bool { return !now.Before(p.due) }

// failed notes a failure at now; the first pause is as long as first.
func (p *pause) failed(now time.Time, first time.Duration) {
	p.due = now.Add(doubled(first, maxPause, p.failures))
	p.failures++
}
