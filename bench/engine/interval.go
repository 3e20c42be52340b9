package main

import (
	"math"
	"slices"
)

// medianInterval returns two of the values between which the median of what they
// are drawn from lies with a probability of at least 95 %, whatever its
// distribution is: the order statistics that leave at most 2.5 % on either side.
// Of fewer than six values it returns the ends, which say less.
func medianInterval(v []float64) [2]float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	r := 0 // how many of the least values, and of the greatest, leave too little
	for below := half(n, 0); below <= 0.025; below += half(n, r) {
		r++
	}
	r = max(0, r-1)
	return [2]float64{s[r], s[n-1-r]}
}

// half returns the probability that k of n values lie below the median.
func half(n, k int) float64 {
	ln := func(i int) float64 { v, _ := math.Lgamma(float64(i + 1)); return v }
	return math.Exp(ln(n) - ln(k) - ln(n-k) - float64(n)*math.Ln2)
}
