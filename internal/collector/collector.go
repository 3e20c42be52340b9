// Package collector sets the garbage collector of a process whose heap is mostly
// pages of records: the collector does not look into them and they live long, so
// a collection is cheap, and a reserve as large as the data, the default, is a
// waste. docs/adr/0007 has figures.
package collector

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// leastReserve is by how many bytes a heap may grow between two collections,
	// unless less lives: so much are some thousand requests.
	leastReserve = 12 << 20

	interval = time.Second
)

// A Reserve is which part of what lives a heap may grow by between two collections,
// if that is more than some megabytes: 24 is a twenty-fourth.
type Reserve int64

const (
	// Serving is for who holds records and answers.
	Serving Reserve = 24
	// Making is for who makes versions: beside pages it has much for a while that the
	// collector looks into, so collections are dearer.
	Making Reserve = 4
)

// percent returns what GOGC is to be if so many bytes live. It is never more
// than the default: what lives may have grown since it was counted.
func (r Reserve) percent(live int64) int {
	return int(100 * max(leastReserve, live/int64(r)) / max(live, leastReserve))
}

// Follow keeps the collector's reserve in proportion to what lives until ctx
// ends. It does nothing if the environment sets GOGC, and leaves GOMEMLIMIT alone,
// which has the last word in any case.
//
// A process whose data was dropped collects every few milliseconds, as long as
// its reserve is in proportion to what it had: that is noticed after a collection.
// One that loads data grows, and more reserve saves it collections that find
// nothing: that it has less to come is noticed after an interval.
func Follow(ctx context.Context, r Reserve) {
	if os.Getenv("GOGC") != "" {
		return
	}
	collected := make(chan struct{}, 1)
	watch(ctx, collected)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	now, less := 0, true // whether it may be set to less
	for {
		if p := r.percent(live()); worthwhile(now, p, less) {
			debug.SetGCPercent(p)
			now = p
		}
		select {
		case <-ctx.Done():
			return
		case <-collected:
			less = false
		case <-tick.C:
			less = true
		}
	}
}

// worthwhile says whether to set the collector from one percentage to another, which
// stops all goroutines; to a lesser one only if it may be less.
func worthwhile(now, next int, less bool) bool {
	return next > now*11/10 || less && next < now*9/10
}

// watch sends to a channel with room for one after each collection, until ctx
// ends.
func watch(ctx context.Context, collected chan<- struct{}) {
	dropped := new([64]byte) // an object of its own, which the next collection finds
	runtime.AddCleanup(dropped, func(struct{}) {
		if ctx.Err() != nil {
			return
		}
		select {
		case collected <- struct{}{}:
		default:
		}
		watch(ctx, collected)
	}, struct{}{})
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
