package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramIsNearToASortedList(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var h histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(math.Exp(r.Float64() * 30))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.999} {
		want := float64(all[int(q*float64(len(all)))])
		if got := h.quantile(q); got > want || got < want*31/32 {
			t.Errorf("%v: %v, in the list %v", q, got, want)
		}
	}
	if h.most != all[len(all)-1] {
		t.Errorf("the longest is %v, in the list %v", h.most, all[len(all)-1])
	}
}

func TestHistogramTakesAnyDuration(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 63, 64, 65, math.MaxInt64} {
		var h histogram
		h.add(d)
		want := float64(max(0, d))
		if got := h.quantile(0.5); got > want || got < want*31/32 {
			t.Errorf("%d: %v", d, got)
		}
	}
}
