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
}

// A Report is what one run of a candidate showed. Counts are of records of the
// root type, by key.
type Report struct {
	// Candidate is the build that ran.
	Candidate string `json:"candidate"`
	// Output is PROD's version that the candidate's output was compared with,
	// Evaluation the run that made it.
	Output     dataset.Version    `json:"output"`
	Evaluation dataset.Evaluation `json:"evaluation"`

	Added     int `json:"added"`
	Removed   int `json:"removed"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	// Fields counts changed records by field path, Transitions those of some
	// fields by "from → to".
	Fields      map[string]int            `json:"fields"`
	Transitions map[string]map[string]int `json:"transitions,omitempty"`
	Examples    []Example                 `json:"examples,omitempty"`

	Verdict Verdict  `json:"verdict"`
	Reasons []string `json:"reasons,omitempty"`
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

// maxLine is the greatest number of bytes of a record that Print shows.
const maxLine = 160

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "  %d added, %d removed, %d changed, %d unchanged\n", r.Added, r.Removed, r.Changed, r.Unchanged)
	for _, f := range slices.Sorted(maps.Keys(r.Fields)) {
		fmt.Fprintf(w, "    %-18s differs in %d\n", f, r.Fields[f])
	}
	for _, f := range slices.Sorted(maps.Keys(r.Transitions)) {
		for _, step := range slices.Sorted(maps.Keys(r.Transitions[f])) {
			fmt.Fprintf(w, "    %-18s %s: %d\n", f, step, r.Transitions[f][step])
		}
	}
	for _, e := range r.Examples {
		e.print(w)
	}
	fmt.Fprintf(w, "  verdict: %s", r.Verdict)
	if len(r.Reasons) > 0 {
		fmt.Fprintf(w, " (%s)", strings.Join(r.Reasons, "; "))
	}
	fmt.Fprintln(w)
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
