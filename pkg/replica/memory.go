package replica

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"runtime/metrics"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// ErrMemory says that a version was not loaded because it would not fit into
// the memory limit of the process (GOMEMLIMIT). What was served before is served
// on.
var ErrMemory = errors.New("not enough memory: raise GOMEMLIMIT, or serve less")

// memory says what the process may use, and uses. Both are in bytes.
type memory struct{ limit, live int64 }

// readMemory returns what the runtime knows: live is what the last collection
// found, and is too little by what came since.
func readMemory() memory {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	m := memory{limit: debug.SetMemoryLimit(-1)}
	if sample[0].Value.Kind() == metrics.KindUint64 {
		m.live = int64(sample[0].Value.Uint64())
	}
	return m
}

// need returns how much a snapshot takes: its own size while it is read, and about as
// much again as a state; of a filtered one the share that the one before had, of the
// first nobody knows.
func (c *Catalog) need(snapshot blob.Ref) int64 {
	if c.declared.Filter == nil {
		return 2 * snapshot.Size
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(2 * c.share * float64(snapshot.Size))
}

// room fails with ErrMemory if a snapshot that needs so much does not fit beside what
// is live, or will be soon.
func (m memory) room(need int64) error {
	if m.limit == math.MaxInt64 || need <= m.limit-m.live {
		return nil
	}
	const mib = 1 << 20
	return fmt.Errorf("%w: the snapshot needs about %d MiB, %d of %d MiB are in use",
		ErrMemory, need/mib, m.live/mib, m.limit/mib)
}
