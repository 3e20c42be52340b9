package index

import "github.com/holdfast-data/holdfast/pkg/state"

// grouped holds ordinals by number of key.
type grouped struct {
	ends     []int32
	ordinals []state.Ordinal
}

func (g grouped) of(n int32) []state.Ordinal {
	start := int32(0)
	if n > 0 {
		start = g.ends[n-1]
	}
	return g.ordinals[start:g.ends[n]]
}

// group groups records by key, of which there are n; keysOf returns those of
// record i.
func group(records []state.Ordinal, n int, keysOf func(i int) []uint32) grouped {
	parts := split(len(records), max(1<<12, n/4))
	counts := make([][]int32, len(parts)) // by part of the records, then by key
	inParts(parts, func(p, from, to int) {
		counts[p] = make([]int32, n)
		for i := from; i < to; i++ {
			for _, key := range keysOf(i) {
				counts[p][key]++
			}
		}
	})
	sum := int32(0)
	for key := range n {
		for p := range counts {
			sum, counts[p][key] = sum+counts[p][key], sum
		}
	}
	ordinals := make([]state.Ordinal, sum)
	inParts(parts, func(p, from, to int) {
		ends := counts[p] // from the start of a part's to its end
		for i := from; i < to; i++ {
			for _, key := range keysOf(i) {
				ordinals[ends[key]] = records[i]
				ends[key]++
			}
		}
	})
	return grouped{counts[len(counts)-1], ordinals}
}
