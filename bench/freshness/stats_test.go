package main

import (
	"math"
	"testing"
)

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values  []float64
		p, want float64
	}{
		{nil, 50, 0},
		{[]float64{7}, 0, 7},
		{[]float64{7}, 100, 7},
		{[]float64{3, 1, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 51, 3},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
	} {
		if got := percentile(c.values, c.p); got != c.want {
			t.Errorf("percentile(%v, %v) = %v, want %v", c.values, c.p, got, c.want)
		}
	}
}

func TestSlope(t *testing.T) {
	for _, c := range []struct {
		x, y []float64
		want float64
	}{
		{nil, nil, 0},
		{[]float64{5}, []float64{9}, 0},
		{[]float64{5, 5}, []float64{1, 9}, 0},
		{[]float64{0, 1, 2}, []float64{7, 7, 7}, 0},
		{[]float64{500, 1000, 1500}, []float64{1, 2, 3}, 0.002},
		{[]float64{0, 1, 2, 3}, []float64{1, 0, 3, 2}, 0.6},
	} {
		if got := slope(c.x, c.y); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("slope(%v, %v) = %v, want %v", c.x, c.y, got, c.want)
		}
	}
}
