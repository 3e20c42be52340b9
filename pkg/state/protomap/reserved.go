package protomap

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// interval is some consecutive numbers of fields or of values, both ends included.
type interval struct{ from, to int64 }

// reservedFields returns the numbers that a message reserves, ascending.
func reservedFields(m protoreflect.MessageDescriptor) (list []interval) {
	r := m.ReservedRanges()
	for i := range r.Len() {
		list = append(list, interval{int64(r.Get(i)[0]), int64(r.Get(i)[1]) - 1})
	}
	return sortIntervals(list)
}

// reservedValues returns the numbers that an enum reserves, ascending.
func reservedValues(e protoreflect.EnumDescriptor) (list []interval) {
	r := e.ReservedRanges()
	for i := range r.Len() {
		list = append(list, interval{int64(r.Get(i)[0]), int64(r.Get(i)[1])})
	}
	return sortIntervals(list)
}

func sortIntervals(list []interval) []interval {
	slices.SortFunc(list, func(a, b interval) int { return int(a.from - b.from) })
	return list
}

// freed says which numbers that were reserved are not any more: whoever has a
// declaration from before they were would misread what gets them.
func freed(what string, old, next []interval) (why []string) {
	for _, s := range old {
		at := s.from // all before it are reserved still
		for _, n := range next {
			if n.from <= at && at <= n.to {
				at = n.to + 1
			}
		}
		if at <= s.to {
			why = append(why, fmt.Sprintf("number %d of %s is no longer reserved: what had it would be read as what has it now", at, what))
		}
	}
	return why
}

// reserves says whether a number is in a list.
func reserves(list []interval, number int64) bool {
	return slices.ContainsFunc(list, func(s interval) bool { return s.from <= number && number <= s.to })
}
