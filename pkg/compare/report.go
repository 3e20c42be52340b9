package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

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
	return differences(d.Added, d.Removed, d.Changed)
}

// Judging is raised when the same run would be judged otherwise than before, so
// that no verdict of before is taken for one of now.
const Judging = 2

// Terms are what a verdict depends on besides the builds, the rules and the
// evaluation.
type Terms struct {
	// Judging is that of the program that judged; 0 before there was one.
	Judging int `json:"judging"`
	// Dataset is the output.
	Dataset dataset.Name `json:"dataset"`
	// Schema is the digest of the candidate's own declaration; zero if it made
	// its output with that of PROD's version.
	Schema dataset.Digest `json:"schema,omitzero"`
	// Program is a digest of the candidate's program, its name and its arguments,
	// if it is a command, ControlProgram the control's.
	Program        string `json:"program,omitempty"`
	ControlProgram string `json:"control_program,omitempty"`
	// Runs is how often the candidate ran.
	Runs int `json:"runs"`
	// TimeoutSeconds bounds a run of a command; 0 means not.
	TimeoutSeconds float64 `json:"timeout_seconds,omitempty"`
	// Breaking says that a schema which breaks PROD's readers is meant.
	Breaking bool `json:"breaking,omitempty"`
}

// A Report is what one run of a candidate showed.
type Report struct {
	// At is when the run began; zero of reports that were kept without it. Kept
	// says that it is an earlier run, which was not made again.
	At   time.Time `json:"at,omitzero"`
	Kept bool      `json:"kept,omitempty"`
	// Gone says of a kept run that its evaluation is not in PROD's store any more.
	Gone bool `json:"gone,omitempty"`
	// Candidate is the build that ran, Control the one that PROD's output was
	// made again with; empty if there was none.
	Candidate string `json:"candidate"`
	Control   string `json:"control,omitempty"`
	// Covers are the files that Candidate, or Terms.Program, is a digest of;
	// what else a command reads is not seen in its name.
	Covers []string `json:"covers,omitempty"`
	Terms  Terms    `json:"terms,omitzero"`
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

	// Breaks says why PROD's readers would misread the candidate's output, as
	// protomap.Breaking has it.
	Breaks []string `json:"breaks,omitempty"`

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
	total, reasons := reports[0], []string(nil)
	for _, r := range reports {
		if r.Unstable {
			total = r
			break
		}
		if r.Verdict.weight() > total.Verdict.weight() {
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

// weight orders verdicts: one that is none counts as inconclusive.
func (v Verdict) weight() int {
	switch v {
	case Same, Go:
		return 0
	case Different:
		return 2
	case NoGo:
		return 3
	}
	return 1
}

// maxLine is the greatest number of bytes of a record that Print shows.
const maxLine = 160

// Print writes the report for a person. What others wrote, such as keys and
// reasons, cannot make lines of its own or control a terminal.
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
	for _, why := range r.Breaks {
		fmt.Fprintf(w, "  PROD's readers would misread it: %s\n", dataset.Printable(why))
	}
	fmt.Fprintf(w, "  verdict: %s", r.Verdict)
	if len(r.Reasons) > 0 {
		fmt.Fprintf(w, " (%s)", dataset.Printable(strings.Join(r.Reasons, "; ")))
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
		fmt.Fprintf(w, "    %-18s differs in %d\n", dataset.Printable(f), d.Fields[f])
	}
	for _, f := range slices.Sorted(maps.Keys(d.Transitions)) {
		for _, step := range slices.Sorted(maps.Keys(d.Transitions[f])) {
			fmt.Fprintf(w, "    %-18s %s: %d\n", dataset.Printable(f), dataset.Printable(step), d.Transitions[f][step])
		}
	}
	for _, e := range d.Examples {
		e.print(w)
	}
}

func (e *Example) print(w io.Writer) {
	fmt.Fprintf(w, "  e.g. %s %s\n", e.Kind, dataset.Printable(strings.Join(e.Key, " ")))
	for _, x := range []struct {
		name string
		data json.RawMessage
	}{{"from", e.From}, {"to", e.To}} {
		if x.data != nil {
			fmt.Fprintf(w, "    %-4s %s\n", x.name, shorten(x.data))
		}
	}
	for _, s := range e.Sources {
		fmt.Fprintf(w, "    made of %s@%s %s: %s\n", s.Dataset, s.Version, dataset.Printable(strings.Join(s.Key, " ")), shorten(s.Record))
	}
}

func shorten(b []byte) string {
	text := dataset.Printable(strings.ToValidUTF8(string(b[:min(len(b), maxLine)]), ""))
	if len(b) > maxLine {
		text += "…"
	}
	return text
}
