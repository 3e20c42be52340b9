package diff

import (
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// sample keeps the examples whose keys have the smallest hashes: a choice that
// depends neither on the order nor on the number of what is offered.
type sample struct {
	most int
	kept []ranked // ascending
}

type ranked struct {
	hash uint64
	Example
}

func (s *sample) offer(e Example) {
	if s.most <= 0 {
		return
	}
	r := ranked{index.Hash(e.Key), e}
	at, _ := slices.BinarySearchFunc(s.kept, r, func(a, b ranked) int {
		if a.hash <= b.hash {
			return -1
		}
		return 1
	})
	if at == s.most {
		return
	}
	if len(s.kept) == s.most {
		s.kept = s.kept[:s.most-1]
	}
	s.kept = slices.Insert(s.kept, at, r)
}

func (s *sample) examples() []Example {
	var out []Example
	for _, r := range s.kept {
		out = append(out, r.Example)
	}
	return out
}
