package main

import (
	"math/rand/v2"
	"testing"
)

func TestMedianIntervalHasKnownRanks(t *testing.T) {
	for _, c := range []struct{ n, low, high int }{ // from tables, counted from one
		{1, 1, 1}, {5, 1, 5}, {6, 1, 6}, {10, 2, 9}, {20, 6, 15}, {60, 22, 39}, {100, 40, 61}, {180, 77, 104},
	} {
		v := make([]float64, c.n)
		for i := range v {
			v[i] = float64(i + 1)
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(c.n, func(i, j int) { v[i], v[j] = v[j], v[i] })
		if got := medianInterval(v); got != [2]float64{float64(c.low), float64(c.high)} {
			t.Errorf("of %d: %v, want %d and %d", c.n, got, c.low, c.high)
		}
	}
}

func TestMedianIntervalHoldsTheMedian(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	held, narrow := 0, 0
	const rounds = 5000
	for range rounds {
		v := make([]float64, 60)
		for i := range v {
			v[i] = r.ExpFloat64() // whose median is the logarithm of two
		}
		in := medianInterval(v)
		if in[0] <= 0.6931 && 0.6931 <= in[1] {
			held++
		}
		if in[1]-in[0] < 1 {
			narrow++
		}
	}
	if held < rounds*94/100 || held > rounds*98/100 || narrow < rounds*99/100 {
		t.Errorf("of %d intervals %d hold the median, %d are narrow", rounds, held, narrow)
	}
}
