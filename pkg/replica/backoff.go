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

// failed notes a failure. The pause starts at a poll and doubles; it varies by
// a quarter, so that many replicas do not come back together.
func (b *backoff) failed(target dataset.Digest, err error, now time.Time, poll time.Duration) {
	b.target, b.err = target, err
	pause := poll
	for range b.failures {
		if pause *= 2; pause >= maxBackoff {
			break
		}
	}
	b.failures++
	pause = min(pause, max(maxBackoff, poll))
	b.due = now.Add(pause - pause/4 + rand.N(pause/4+1) - poll/2)
}
