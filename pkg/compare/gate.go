package compare

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// A Verdict is the outcome of a comparison.
type Verdict string

// The verdicts. Same and Different are those without a gate.
const (
	Same         Verdict = "SAME"
	Different    Verdict = "DIFFERENT"
	Go           Verdict = "GO"
	NoGo         Verdict = "NO-GO"
	Inconclusive Verdict = "INCONCLUSIVE"
)

// Good says whether nothing speaks against a release.
func (v Verdict) Good() bool { return v == Same || v == Go }

// A Gate says which differences a release may not make. The zero Gate is none.
type Gate struct {
	// Fields are field paths, written as in diff.Result.Fields, in which no
	// record may differ. A path stands for all below it, too.
	Fields []string `json:"fields,omitempty"`
	// Keys refuses records that are added or removed and, if neither Fields nor
	// Limits name a field, those that are changed.
	Keys bool `json:"keys,omitempty"`
	// Limits bound what may differ. One on added, removed or changed records
	// goes before Keys.
	Limits []Limit `json:"limits,omitempty"`
}

// A Limit is how much may differ.
type Limit struct {
	// Of is a field path, as in Gate.Fields, or one of the words added, removed
	// and changed for records. "added records" and so on are the same words, for
	// a type that has a field of such a name.
	Of string `json:"of"`
	// Max is the greatest number of records, or with Percent the greatest part
	// in per cent of the records that PROD's output has.
	Max     float64 `json:"max"`
	Percent bool    `json:"percent,omitempty"`
}

// The words that a Limit has for records.
const (
	ofAdded   = "added"
	ofRemoved = "removed"
	ofChanged = "changed"
)

// ErrRule says that a rule cannot be read, or that it is not one for the
// dataset.
var ErrRule = errors.New("bad rule")

// ParseLimit reads a limit such as "available: 0" or "full_percent: 0.5%".
func ParseLimit(text string) (Limit, error) {
	of, most, ok := strings.Cut(text, ":")
	of = strings.TrimSpace(of)
	if !ok || of == "" {
		return Limit{}, fmt.Errorf("read limit %.80q: %w: write FIELD: MAX, such as \"available: 0\"", text, ErrRule)
	}
	return parseMax(of, strings.TrimSpace(most))
}

func parseMax(of, most string) (Limit, error) {
	l := Limit{Of: of}
	most, l.Percent = strings.CutSuffix(most, "%")
	var err error
	if l.Percent {
		l.Max, err = strconv.ParseFloat(strings.TrimSpace(most), 64)
		if err != nil || !(l.Max >= 0 && l.Max <= 100) {
			return l, fmt.Errorf("read limit of %.80s: %w: %.40q is no percentage", of, ErrRule, most+"%")
		}
	} else {
		n, err := strconv.ParseUint(most, 10, 53)
		if err != nil {
			return l, fmt.Errorf("read limit of %.80s: %w: %.40q is neither a number of records nor a percentage", of, ErrRule, most)
		}
		l.Max = float64(n)
	}
	if l.neverFails() {
		return l, fmt.Errorf("read limit of %.80s: %w: at most %s could never fail: lower it", of, ErrRule, l.most())
	}
	return l, nil
}

// neverFails says whether no output could break the limit. Only added records may
// be as many as there were, and more.
func (l Limit) neverFails() bool {
	if l.Percent {
		return l.Max >= 100 && l.records() != ofAdded
	}
	return l.Max > state.MaxOrdinal
}

// most returns Max for a person.
func (l Limit) most() string {
	if l.Percent {
		return fmt.Sprintf("%v%%", l.Max)
	}
	return fmt.Sprintf("%.0f", l.Max)
}

// Judge returns the verdict on a diff whose first state is PROD's output, and
// what speaks against a release. The zero Gate only tells the same from the
// different. A gate that no output with the diff's number of records could have
// failed proves nothing: Inconclusive.
func (g Gate) Judge(d *diff.Result) (Verdict, []string) {
	if g.none() {
		if d.Same() {
			return Same, nil
		}
		return Different, []string{differences(d.Added, d.Removed, d.Changed)}
	}
	var broken, moot []string
	for _, l := range g.limits() {
		switch most, n := l.of(d), l.count(d); {
		case !(float64(n) <= most): // also if it is no number
			broken = append(broken, l.broken(n))
		case most >= float64(before(d)) && l.records() != ofAdded:
			moot = append(moot, fmt.Sprintf("the limit of %s could not have failed: at most %s may be, and PROD's output has %s: lower it",
				l.Of, l.most(), records(before(d))))
		}
	}
	switch {
	case len(broken) > 0:
		return NoGo, broken
	case len(moot) > 0:
		return Inconclusive, moot
	}
	return Go, nil
}

func (g Gate) none() bool { return len(g.Fields) == 0 && !g.Keys && len(g.Limits) == 0 }

// Against returns the verdict if something speaks against a release.
func (g Gate) Against() Verdict {
	if g.none() {
		return Different
	}
	return NoGo
}

// before returns how many records the first state of a diff has.
func before(d *diff.Result) int { return d.Removed + d.Changed + d.Unchanged }

// limits returns the limits and what else the gate implies.
func (g Gate) limits() []Limit {
	limits := slices.Clone(g.Limits)
	for _, f := range g.Fields {
		limits = append(limits, Limit{Of: f})
	}
	if !g.Keys {
		return limits
	}
	refused := []string{ofAdded, ofRemoved}
	if !slices.ContainsFunc(limits, func(l Limit) bool { return l.records() == "" }) {
		refused = append(refused, ofChanged) // else nothing would look at what is in the records
	}
	for _, of := range refused {
		if !slices.ContainsFunc(g.Limits, func(l Limit) bool { return l.records() == of }) {
			limits = append(limits, Limit{Of: of})
		}
	}
	return limits
}

// of returns the greatest number of records that may differ.
func (l Limit) of(d *diff.Result) float64 {
	if l.Percent {
		return l.Max / 100 * float64(before(d))
	}
	return l.Max
}

// broken says how many records break the limit.
func (l Limit) broken(n int) string {
	what := fmt.Sprintf("%s differs in %s", l.Of, records(n))
	if of := l.records(); of != "" {
		what = fmt.Sprintf("%s %s", were(n), of)
	}
	if l.Max == 0 {
		return what
	}
	return fmt.Sprintf("%s, at most %s may be", what, l.most())
}

// records returns the word that the limit has for records; nothing if it is one
// of a field.
func (l Limit) records() string {
	switch of := strings.TrimSuffix(l.Of, " records"); of {
	case ofAdded, ofRemoved, ofChanged:
		return of
	}
	return ""
}

// count returns how many records differ. A difference above a path, such as a
// list with another length, is one of all that is below.
func (l Limit) count(d *diff.Result) int {
	switch l.records() {
	case ofAdded:
		return d.Added
	case ofRemoved:
		return d.Removed
	case ofChanged:
		return d.Changed
	}
	if n, ok := d.Groups[l.Of]; ok {
		return n
	}
	n := d.Fields[diff.Further] // who did not ask for the group gets the sum of its fields, which is never too small
	for _, path := range slices.Sorted(maps.Keys(d.Fields)) {
		if contains(l.Of, path) || contains(path, l.Of) {
			n += d.Fields[path]
		}
	}
	return n
}

// records says how many records there are.
func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// were says how many records were, before what they were.
func were(n int) string {
	if n == 1 {
		return "1 record was"
	}
	return fmt.Sprintf("%d records were", n)
}

// differences says how many records differ.
func differences(added, removed, changed int) string {
	return fmt.Sprintf("%s added, %d removed, %d changed", were(added), removed, changed)
}
