package index

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// entries returns what stands in a table; it fails t if a probe misses any.
func entries(t *testing.T, x table, hashOf func(state.Ordinal) uint64) []state.Ordinal {
	t.Helper()
	var out []state.Ordinal
	for chain := range x.chains {
		for b := x.head(chain); b != nil; b = b.next {
			for _, o := range b.ords[:b.used] {
				out = append(out, o)
				p := x.probe(hashOf(o))
				found := p.next()
				for found != o && found != state.NoOrdinal {
					found = p.next()
				}
				if found != o {
					t.Fatalf("entry %d is not found by its hash", o)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestTable lets tables grow and shrink at random, each made from the one
// before, with hashes that differ well, little and not at all.
func TestTable(t *testing.T) {
	for name, hashOf := range map[string]func(state.Ordinal) uint64{
		"good":  func(o state.Ordinal) uint64 { return mix(hashSeed, uint64(o)) },
		"few":   func(o state.Ordinal) uint64 { return mix(hashSeed, uint64(o%5)) },
		"equal": func(state.Ordinal) uint64 { return 7 },
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 2))
			type version struct {
				x    table
				want []state.Ordinal
			}
			var versions []version
			have := map[state.Ordinal]bool{}
			now := table{}
			for range 12 {
				e := now.edit(hashOf)
				grow := rnd.IntN(2) == 0
				for range rnd.IntN(600) {
					o := state.Ordinal(rnd.IntN(3000))
					switch {
					case have[o] && (!grow || rnd.IntN(8) == 0):
						if !e.remove(hashOf(o), o) {
							t.Fatalf("entry %d is not there", o)
						}
						delete(have, o)
					case !have[o] && grow:
						e.add(hashOf(o), o)
						have[o] = true
					case !have[o] && e.remove(hashOf(o), o):
						t.Fatalf("entry %d was never there", o)
					}
				}
				now = e.table
				versions = append(versions, version{now, slices.Sorted(maps.Keys(have))})
			}
			for i, v := range versions {
				if got := entries(t, v.x, hashOf); !slices.Equal(got, v.want) || v.x.count != len(got) {
					t.Errorf("version %d has %d entries, counts %d, want %d", i, len(got), v.x.count, len(v.want))
				}
			}
		})
	}
}
