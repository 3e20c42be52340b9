package compare

import (
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// A Verdict is the outcome of a comparison.
type Verdict string

// The verdicts.
const (
	Go           Verdict = "GO"
	NoGo         Verdict = "NO-GO"
	Inconclusive Verdict = "INCONCLUSIVE"
)

// A Gate says which differences a release may not make.
type Gate struct {
	// Fields are field paths, written as in diff.Result.Fields, in which no
	// record may differ.
	Fields []string
	// Keys refuses records that are added or removed.
	Keys bool
}

// Judge returns the verdict on a diff, and what speaks against a release.
func (g Gate) Judge(d *diff.Result) (Verdict, []string) {
	var reasons []string
	for _, f := range g.Fields {
		if n := d.Fields[f]; n > 0 {
			reasons = append(reasons, fmt.Sprintf("%s differs in %d records", f, n))
		}
	}
	if g.Keys && d.Added > 0 {
		reasons = append(reasons, fmt.Sprintf("%d records were added", d.Added))
	}
	if g.Keys && d.Removed > 0 {
		reasons = append(reasons, fmt.Sprintf("%d records were removed", d.Removed))
	}
	if len(reasons) > 0 {
		return NoGo, reasons
	}
	return Go, nil
}
