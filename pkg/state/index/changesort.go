package index

import (
	"cmp"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// tableChange is one entry that comes or goes.
type tableChange struct {
	hash uint64
	o    state.Ordinal
	add  bool
}

// order is that in which changes are made: by group, what goes before what comes.
func (t *table) order(c *tableChange) uint64 {
	order := t.placeOf(c.hash).group << 1
	if c.add {
		order |= 1
	}
	return order
}

// changeSorter sorts changes of a table in parts, of which no two have changes in
// one part of the directory.
type changeSorter struct {
	t       *table
	changes []tableChange // part after part
	room    []tableChange // as much, for who sorts; nil if there is one part
	parts   [][2]int
}

// leastChanges is how many changes are worth a goroutine.
const leastChanges = 1 << 11

// sorter returns a changeSorter, which takes changes over.
func (t *table) sorter(changes []tableChange) *changeSorter {
	parts := len(split(min(len(changes), leastChanges*len(t.dir)), leastChanges))
	if parts == 1 {
		return &changeSorter{t, changes, nil, [][2]int{{0, len(changes)}}}
	}
	each := (len(t.dir) + parts - 1) / parts // parts of the directory
	at := make([]int, parts+1)               // where the next change of a part belongs
	for i := range changes {
		at[t.partOf(&changes[i], each)+1]++
	}
	s := &changeSorter{t: t, changes: make([]tableChange, len(changes)), room: changes, parts: make([][2]int, parts)}
	for i := range parts {
		at[i+1] += at[i]
		s.parts[i] = [2]int{at[i], at[i+1]}
	}
	for i := range changes {
		to := &at[t.partOf(&changes[i], each)]
		s.changes[*to] = changes[i]
		*to++
	}
	return s
}

// partOf returns the part of a change, if each has so many parts of the directory.
func (t *table) partOf(c *tableChange, each int) int {
	return int(t.placeOf(c.hash).group>>dirShift) / each
}

// sort sorts the changes of a part and returns them.
func (s *changeSorter) sort(part int) []tableChange {
	p := s.parts[part]
	if s.room == nil {
		return s.t.sortChanges(s.changes, nil)
	}
	return s.t.sortChanges(s.changes[p[0]:p[1]], s.room[p[0]:p[1]])
}

const (
	digitBits = 11 // a pass of sortChanges looks at so many
	// fewChanges are sorted sooner by comparing.
	fewChanges = 256
)

// sortChanges sorts changes, many of them digit by digit, from the lowest on. What
// it returns may be in room, which is as long if it is not nil.
func (t *table) sortChanges(changes, room []tableChange) []tableChange {
	if len(changes) < fewChanges {
		slices.SortFunc(changes, func(a, b tableChange) int { return cmp.Compare(t.order(&a), t.order(&b)) })
		return changes
	}
	if room == nil {
		room = make([]tableChange, len(changes))
	}
	for shift := 0; t.groups<<1>>shift != 0; shift += digitBits {
		var ends [1 << digitBits]int
		for i := range changes {
			ends[t.order(&changes[i])>>shift%(1<<digitBits)]++
		}
		sum := 0
		for i, n := range ends {
			ends[i] = sum
			sum += n
		}
		for i := range changes {
			at := &ends[t.order(&changes[i])>>shift%(1<<digitBits)]
			room[*at] = changes[i]
			*at++
		}
		changes, room = room, changes
	}
	return changes
}
