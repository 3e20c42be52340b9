package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are at most a 32nd wide. It is
// small, so that counting stays out of the way of what is measured.
type histogram struct {
	counts [60 * 32]int64
	total  int64
	most   time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(uint64(max(0, d)))]++
	h.total++
	h.most = max(h.most, d)
}

// bucket is v itself below 64, and later goes by five bits behind the first one.
func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-6)
	return shift*32 + int(v>>shift)
}

// quantile returns the least nanoseconds of the bucket that holds the q'th of
// all durations, at least 0 and below 1.
func (h *histogram) quantile(q float64) float64 {
	before := int64(q * float64(h.total))
	for i, n := range h.counts {
		if before -= n; before < 0 {
			shift := max(0, i/32-1)
			return float64(uint64(i-shift*32) << shift)
		}
	}
	return float64(h.most)
}
