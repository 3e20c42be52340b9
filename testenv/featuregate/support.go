package featuregate

import (
	"slices"
	"strings"

	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// support is how one browser version supports one feature.
type support uint8

const (
	none support = iota // not at all, or not known
	partial
	full
)

// parseCode reads a support code: a letter, then flags behind blanks.
func parseCode(code string) support {
	out := none
	first := true
	for word := range strings.FieldsSeq(code) {
		switch {
		case first && word[0] == 'y':
			out = full
		case first && word[0] == 'a':
			out = partial
		case !first && word == "d": // disabled by default
			return none
		}
		first = false
	}
	return out
}

// unknownSlot stands for all browser versions that are not known. No range
// covers it.
const unknownSlot = 0

// slots gives every version of every browser a small number above
// unknownSlot. A browser's numbers follow each other in its order, so a range
// of versions is a range of slots.
type slots struct {
	n        int // of slots, unknownSlot included
	browsers map[string]browserSlots
}

type browserSlots struct {
	of     map[string]int // by version
	first  int            // the slots are [first, end)
	end    int
	newest int // the last version with a release date, or unknownSlot
}

// newSlots numbers the versions. Of browsers of one name, and of versions of
// one name in a browser, the first counts.
func newSlots(browsers []*pb.Browser) slots {
	s := slots{n: unknownSlot + 1, browsers: map[string]browserSlots{}}
	for _, b := range browsers {
		if _, ok := s.browsers[b.GetId()]; ok {
			continue
		}
		own := browserSlots{of: map[string]int{}, first: s.n, newest: unknownSlot}
		for _, v := range b.GetVersions() {
			if _, ok := own.of[v.GetVersion()]; !ok {
				own.of[v.GetVersion()] = s.n
			}
			if v.Released != nil {
				own.newest = s.n
			}
			s.n++
		}
		own.end = s.n
		s.browsers[b.GetId()] = own
	}
	return s
}

// resolve returns the slot of a share's browser version. Version 0 is the
// browser's newest released one.
func (s slots) resolve(browser, version string) int {
	own, ok := s.browsers[browser]
	switch {
	case !ok:
		return unknownSlot
	case version == "0":
		return own.newest
	}
	return own.of[version] // unknownSlot if absent
}

// fill sets to, which has one element per slot, to how f is supported. Of
// several entries of a browser, and of ranges that overlap, the first counts. A
// range whose ends are not versions of the browser, or are in the wrong order,
// covers nothing.
func (s slots) fill(to []support, f *pb.Feature) {
	clear(to)
	for _, entry := range slices.Backward(f.GetSupport()) { // so that the first overwrites the others
		if own, ok := s.browsers[entry.GetBrowser()]; ok {
			own.fill(to, entry.GetRanges())
		}
	}
}

func (s browserSlots) fill(to []support, ranges []*pb.Range) {
	clear(to[s.first:s.end])
	for _, r := range slices.Backward(ranges) {
		first, last := s.of[r.GetFirst()], s.of[r.GetLast()]
		if first == unknownSlot || last < first {
			continue
		}
		code := parseCode(r.GetCode())
		for slot := first; slot <= last; slot++ {
			to[slot] = code
		}
	}
}
