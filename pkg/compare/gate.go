package compare

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
	// and changed for records.
	Of string `json:"of"`
	// Max is the greatest number of records, or with Percent the greatest part
	// in per cent of those compared.
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
	if !l.Percent {
		n, err := strconv.ParseUint(most, 10, 53)
		if err != nil {
			return l, fmt.Errorf("read limit of %.80s: %w: %.40q is neither a number of records nor a percentage", of, ErrRule, most)
		}
		l.Max = float64(n)
		return l, nil
	}
	var err error
	if l.Max, err = strconv.ParseFloat(strings.TrimSpace(most), 64); err != nil || !(l.Max >= 0 && l.Max <= 100) {
		return l, fmt.Errorf("read limit of %.80s: %w: %.40q is no percentage", of, ErrRule, most+"%")
	}
	return l, nil
}

// Judge returns the verdict on a diff, and what speaks against a release. The
// zero Gate only tells the same from the different.
func (g Gate) Judge(d *diff.Result) (Verdict, []string) {
	if len(g.Fields) == 0 && !g.Keys && len(g.Limits) == 0 {
		if d.Same() {
			return Same, nil
		}
		return Different, []string{fmt.Sprintf("%d records were added, %d removed, %d changed", d.Added, d.Removed, d.Changed)}
	}
	var reasons []string
	for _, l := range g.limits() {
		if reason := l.broken(d); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) > 0 {
		return NoGo, reasons
	}
	return Go, nil
}

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
	if !slices.ContainsFunc(limits, func(l Limit) bool { return !l.ofRecords() }) {
		refused = append(refused, ofChanged) // else nothing would look at what is in the records
	}
	for _, of := range refused {
		if !slices.ContainsFunc(g.Limits, func(l Limit) bool { return l.Of == of }) {
			limits = append(limits, Limit{Of: of})
		}
	}
	return limits
}

// broken says how a diff breaks the limit; nothing if it does not.
func (l Limit) broken(d *diff.Result) string {
	n := l.count(d)
	most := l.Max
	if l.Percent {
		most = l.Max / 100 * float64(d.Added+d.Removed+d.Changed+d.Unchanged)
	}
	if float64(n) <= most {
		return ""
	}
	what := fmt.Sprintf("%d records were %s", n, l.Of)
	if !l.ofRecords() {
		what = fmt.Sprintf("%s differs in %d records", l.Of, n)
	}
	switch {
	case l.Max == 0:
		return what
	case l.Percent:
		return fmt.Sprintf("%s, at most %v%% may be", what, l.Max)
	}
	return fmt.Sprintf("%s, at most %.0f may be", what, l.Max)
}

func (l Limit) ofRecords() bool { return l.Of == ofAdded || l.Of == ofRemoved || l.Of == ofChanged }

// count returns how many records differ; of several fields at, below or above a
// path the sum, which is never too small. A difference above it, such as a list
// with another length or a record that is missing, is one of all that is below.
func (l Limit) count(d *diff.Result) int {
	switch l.Of {
	case ofAdded:
		return d.Added
	case ofRemoved:
		return d.Removed
	case ofChanged:
		return d.Changed
	}
	n := 0
	for _, path := range slices.Sorted(maps.Keys(d.Fields)) {
		if contains(l.Of, path) || contains(path, l.Of) {
			n += d.Fields[path]
		}
	}
	return n
}
