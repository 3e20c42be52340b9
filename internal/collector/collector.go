// Package collector sets the garbage collector of a process whose heap is mostly
// pages of records: the collector does not look into them and they live long, so
// a collection is cheap, and a reserve as large as the data, the default, is a
// waste. docs/adr/0007 has figures.
package collector

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// leastReserve is by how many bytes a heap may grow between two collections,
	// unless less lives: so much are some thousand requests.
	leastReserve = 16 << 20
	// reserveShare is what part of what lives the reserve is, if that is more.
	reserveShare = 16

	interval = time.Second
)

// percent returns what GOGC is to be if so many bytes live. It is never more
// than the default: what lives may have grown since it was counted.
func percent(live int64) int {
	return int(100 * max(leastReserve, live/reserveShare) / max(live, leastReserve))
}

// Follow keeps the collector's reserve in proportion to what lives until ctx
// ends, a sixteenth of it in a large process. It does nothing if the environment
// sets GOGC, and leaves GOMEMLIMIT alone, which has the last word in any case.
func Follow(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	now := 0
	for {
		if p := percent(live()); p < now*9/10 || p > now*11/10 { // setting it stops all goroutines
			debug.SetGCPercent(p)
			now = p
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

// live returns the bytes that the last collection found in use.
func live() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}
