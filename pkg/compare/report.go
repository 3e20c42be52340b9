package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A Check is the control's run on the same session: whether PROD's build makes
// PROD's output again.
type Check struct {
	Version    dataset.Version `json:"version"`
	Checksum   dataset.Digest  `json:"checksum"`
	Reproduced bool            `json:"reproduced"`
	// Reason is why not, if the control did not even make an output.
	Reason string `json:"reason,omitempty"`
	// Difference is how the control's output differs from PROD's, of all fields
	// whatever the rules ignore; nil if it was reproduced, or if Reason says why
	// there is none.
	Difference *Difference `json:"difference,omitempty"`
}

// A Difference is what a comparison of two outputs found. Counts are of records
// of the root type, by key.
type Difference struct {
	Added     int `json:"added"`
	Removed   int `json:"removed"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	// Fields counts changed records by field path, Transitions those of some
	// fields by "from → to".
	// Both are nil if nothing could be compared.
	Fields      map[string]int            `json:"fields"`
	Transitions map[string]map[string]int `json:"transitions,omitempty"`
	Examples    []Example                 `json:"examples,omitempty"`
}

// String says how many records differ.
func (d *Difference) String() string {
	if d.Added+d.Removed+d.Changed == 0 {
		return "no record differs, yet the content checksum does"
	}
	return fmt.Sprintf("%d records were added, %d removed, %d changed", d.Added, d.Removed, d.Changed)
}

// A Report is what one run of a candidate showed.
type Report struct {
	// Candidate is the build that ran, Control the one that PROD's output was
	// made again with; empty if there was none.
	Candidate string `json:"candidate"`
	Control   string `json:"control,omitempty"`
	// Check is the control's run; nil if there was none.
	Check *Check `json:"check,omitempty"`
	// Rules are what was compared and judged by.
	Rules Rules `json:"rules,omitzero"`
	// Output is PROD's version that the candidate's output was compared with,
	// Evaluation the run that made it; zero if that is not known any more.
	Output     dataset.Version    `json:"output"`
	Evaluation dataset.Evaluation `json:"evaluation,omitzero"`

	// Difference is how the candidate's output differs from PROD's.
	Difference

	Verdict Verdict  `json:"verdict"`
	Reasons []string `json:"reasons,omitempty"`
	// Unstable says that the candidate made two outputs of one session.
	Unstable bool `json:"unstable,omitempty"`
	// Repeat is how another output of the candidate differs from its first, of
	// all fields; nil unless it is Unstable.
	Repeat *Difference `json:"repeat,omitempty"`
	// Seconds is how long the run and the comparison took.
	Seconds float64 `json:"seconds"`
}

// An Example is one differing record. Records are ProtoJSON.
type Example struct {
	Kind    string          `json:"kind"` // added, removed or changed
	Key     []string        `json:"key"`
	From    json.RawMessage `json:"from,omitempty"`
	To      json.RawMessage `json:"to,omitempty"`
	Fields  []string        `json:"fields,omitempty"`
	Sources []Source        `json:"sources,omitempty"`
}

// A Source is an input record that an Example was computed from.
type Source struct {
	Dataset dataset.Name    `json:"dataset"`
	Version dataset.Version `json:"version"`
	Key     []string        `json:"key"`
	Record  json.RawMessage `json:"record,omitempty"`
}

// Sum returns the verdict on all reports of a candidate: what speaks against a
// release in one of them speaks against it, and what is unknown in one is not
// known. If the candidate is not deterministic, no difference says anything.
func Sum(reports []*Report) (Verdict, []string) {
	if len(reports) == 0 {
		return Inconclusive, []string{"nothing was compared"}
	}
	worst := map[Verdict]int{Inconclusive: 2, Different: 3, NoGo: 4}
	total, reasons := reports[0], []string(nil)
	for _, r := range reports {
		if r.Unstable {
			total = r
			break
		}
		if worst[r.Verdict] > worst[total.Verdict] {
			total = r
		}
	}
	for _, r := range reports {
		for _, reason := range r.Reasons {
			if r.Verdict == total.Verdict && !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	return total.Verdict, reasons
}

// maxLine is the greatest number of bytes of a record that Print shows.
const maxLine = 160

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) {
	title := ""
	for _, x := range []struct {
		title string
		diff  *Difference
	}{
		{"the control's output, compared with PROD's:", r.control()},
		{"another output of the candidate, compared with its first:", r.Repeat},
	} {
		if x.diff != nil {
			fmt.Fprintf(w, "  %s\n", x.title)
			x.diff.print(w)
			title = "  the candidate's output, compared with PROD's:\n"
		}
	}
	if r.Fields != nil { // otherwise nothing was compared
		fmt.Fprint(w, title)
		r.Difference.print(w)
	}
	fmt.Fprintf(w, "  verdict: %s", r.Verdict)
	if len(r.Reasons) > 0 {
		fmt.Fprintf(w, " (%s)", strings.Join(r.Reasons, "; "))
	}
	fmt.Fprintln(w)
}

// control returns how the control's output differs from PROD's, nil if that is
// not known or it does not.
func (r *Report) control() *Difference {
	if r.Check == nil {
		return nil
	}
	return r.Check.Difference
}

func (d *Difference) print(w io.Writer) {
	fmt.Fprintf(w, "  %d added, %d removed, %d changed, %d unchanged\n", d.Added, d.Removed, d.Changed, d.Unchanged)
	for _, f := range slices.Sorted(maps.Keys(d.Fields)) {
		fmt.Fprintf(w, "    %-18s differs in %d\n", f, d.Fields[f])
	}
	for _, f := range slices.Sorted(maps.Keys(d.Transitions)) {
		for _, step := range slices.Sorted(maps.Keys(d.Transitions[f])) {
			fmt.Fprintf(w, "    %-18s %s: %d\n", f, step, d.Transitions[f][step])
		}
	}
	for _, e := range d.Examples {
		e.print(w)
	}
}

func (e *Example) print(w io.Writer) {
	fmt.Fprintf(w, "  e.g. %s %s\n", e.Kind, strings.Join(e.Key, " "))
	for _, x := range []struct {
		name string
		data json.RawMessage
	}{{"from", e.From}, {"to", e.To}} {
		if x.data != nil {
			fmt.Fprintf(w, "    %-4s %s\n", x.name, shorten(x.data))
		}
	}
	for _, s := range e.Sources {
		fmt.Fprintf(w, "    made of %s@%s %s: %s\n", s.Dataset, s.Version, strings.Join(s.Key, " "), shorten(s.Record))
	}
}

func shorten(b []byte) string {
	text := strings.ToValidUTF8(string(b[:min(len(b), maxLine)]), "")
	if len(b) > maxLine {
		text += "…"
	}
	return text
}
