package diff_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// benchStates returns two versions of one chain, one record in a hundred apart,
// and a copy of the second in a chain of its own.
func benchStates(b *testing.B, n int32) (from, to, alone *state.State) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	all := films{}
	for id := range n {
		all[id] = randomFilm(rnd)
	}
	from = build(b, nil, filmSchema, 1, all)
	for id := int32(0); id < n; id += 100 {
		f := all[id]
		f.title = fmt.Sprint("new ", id)
		all[id] = f
	}
	return from, build(b, from, filmSchema, 2, all), build(b, nil, filmSchema, 2, all)
}

func BenchmarkStates(b *testing.B) {
	from, to, alone := benchStates(b, 100000)
	for name, s := range map[string]*state.State{"chain": to, "any": alone} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := diff.States(b.Context(), from, s, diff.Options{Examples: 10})
				if err != nil || r.Changed != 1000 {
					b.Fatalf("%+v, error %v", r, err)
				}
			}
		})
	}
}
