package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// Rules say what is compared and how it is judged. The zero Rules compare
// everything and have no gate.
type Rules struct {
	// Gate decides about the release.
	Gate Gate `json:"gate,omitzero"`
	// Ignore lists field paths, written as in diff.Result.Fields, that are not
	// compared, each with all below it.
	Ignore []string `json:"ignore,omitempty"`
	// Values lists field paths whose changes of value are counted.
	Values []string `json:"values,omitempty"`
	// MinRecords is how many records PROD's output must have; fewer prove
	// nothing. At least one is always wanted.
	MinRecords int `json:"min_records,omitempty"`
}

// ParseRules reads a file of rules, which is YAML:
//
//	gate:
//	  available: 0         # records in which the field may differ
//	  full_percent: 0.5%   # or their part of all records
//	  added: 10            # records that may be added; removed, changed likewise
//	ignore: [computed_at]  # fields that are not compared
//	values: [available]    # fields whose changes of value are counted
//	min_records: 1000      # fewer prove nothing
//
// Every key may be left out. A gate refuses added and removed records unless it
// says otherwise, and changed ones if it limits neither a field nor those.
// Errors are ErrRule.
func ParseRules(text []byte) (Rules, error) {
	var file struct {
		Gate       yaml.Node `yaml:"gate"`
		Ignore     []string  `yaml:"ignore"`
		Values     []string  `yaml:"values"`
		MinRecords int       `yaml:"min_records"`
	}
	var all yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&all)
	if err == nil {
		if err = knownKeys(&all); err == nil {
			err = all.Decode(&file)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return Rules{}, fmt.Errorf("read rules: %w: %w", ErrRule, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Rules{}, fmt.Errorf("read rules: %w: something follows them", ErrRule)
	}
	r := Rules{Ignore: file.Ignore, Values: file.Values, MinRecords: file.MinRecords}
	if file.MinRecords < 0 {
		return r, fmt.Errorf("read rules: %w: min_records is negative", ErrRule)
	}
	switch file.Gate.Kind {
	case 0:
		return r, nil
	case yaml.MappingNode:
	default:
		return r, fmt.Errorf("read rules: %w: line %d: gate is no mapping of fields to limits", ErrRule, file.Gate.Line)
	}
	for i := 0; i+1 < len(file.Gate.Content); i += 2 {
		l, err := parseMax(file.Gate.Content[i].Value, file.Gate.Content[i+1].Value)
		if err == nil {
			err = r.Limit(l)
		}
		if err != nil {
			return r, fmt.Errorf("read rules: line %d: %w", file.Gate.Content[i].Line, err)
		}
	}
	return r, nil
}

// knownKeys refuses a file of rules that is no mapping, or has a key that none
// may have.
func knownKeys(file *yaml.Node) error {
	known := []string{"gate", "ignore", "values", "min_records"}
	top := file.Content[0]
	if top.Kind != yaml.MappingNode && top.Tag != "!!null" {
		return fmt.Errorf("line %d: it is no mapping with the keys %s", top.Line, strings.Join(known, ", "))
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		if key := top.Content[i]; !slices.Contains(known, key.Value) {
			return fmt.Errorf("line %d: there is no key %.80q: the keys are %s", key.Line, key.Value, strings.Join(known, ", "))
		}
	}
	return nil
}

// Limit adds a limit to the gate. It fails with ErrRule if the gate has one of
// the same already. The gate from then on refuses records that are
// added or removed without a limit of their own, and as long as it limits no
// field those that are changed.
func (r *Rules) Limit(l Limit) error {
	if slices.ContainsFunc(r.Gate.Limits, func(x Limit) bool { return x.Of == l.Of || x.records() != "" && x.records() == l.records() }) {
		return fmt.Errorf("%w: there are two limits of %s", ErrRule, l.Of)
	}
	r.Gate.Limits = append(r.Gate.Limits, l)
	r.Gate.Keys = true
	return nil
}

// Options returns how a diff by these rules is made.
func (r Rules) Options(typeName string, examples int) diff.Options {
	return diff.Options{Type: typeName, Examples: examples, Ignore: r.Ignore, Values: r.Values, Groups: r.limited()}
}

// Judge returns the verdict on a diff whose first state is PROD's output.
func (r Rules) Judge(d *diff.Result) (Verdict, []string) {
	least := max(r.MinRecords, 1)
	if n := before(d); n < least {
		return Inconclusive, []string{fmt.Sprintf("too few records: PROD's output has %d, at least %d are needed", n, least)}
	}
	return r.Gate.Judge(d)
}

// limited returns the field paths that the gate limits.
func (r Rules) limited() []string {
	out := slices.Clone(r.Gate.Fields)
	for _, l := range r.Gate.Limits {
		if l.records() == "" {
			out = append(out, l.Of)
		}
	}
	return out
}

// Check fails with ErrRule if a rule names a field that no record of the root
// type has in any of the schemas, or a diff never counts; if the gate limits a
// field of the key; and if it limits, or Values counts, what Ignore leaves out
// in all or in part. Such a gate would always pass. It fails, too, if it is not
// clear whether the gate limits records or a field.
func (r Rules) Check(root string, schemas ...[]*state.Schema) error {
	limited := r.limited()
	for _, path := range slices.Concat(limited, r.Ignore, r.Values) {
		if !slices.ContainsFunc(schemas, func(list []*state.Schema) bool { return hasPath(list, root, path) }) {
			return fmt.Errorf("%w: %s has no field %s: write it as a report prints it", ErrRule, root, path)
		}
	}
	for _, path := range limited {
		if !slices.ContainsFunc(schemas, func(list []*state.Schema) bool { return newScope(list, root).holds(path, nil) }) {
			return fmt.Errorf("%w: the gate limits %s, which is of the key and cannot differ: limit added and removed instead", ErrRule, path)
		}
		if ignored, ok := overlap(r.Ignore, path); ok {
			return fmt.Errorf("%w: the gate limits %s, and ignore has %s: take one of them out", ErrRule, path, ignored)
		}
	}
	for _, path := range r.Values {
		if ignored, ok := overlap(r.Ignore, path); ok {
			return fmt.Errorf("%w: values has %s, and ignore has %s: take one of them out", ErrRule, path, ignored)
		}
	}
	return r.checkWords(root, schemas)
}

// checkWords refuses a limit of records by a word that is the name of a field,
// too.
func (r Rules) checkWords(root string, schemas [][]*state.Schema) error {
	for _, l := range r.Gate.Limits {
		if l.Of != l.records() {
			continue
		}
		if slices.ContainsFunc(schemas, func(list []*state.Schema) bool { return hasPath(list, root, l.Of) }) {
			return fmt.Errorf("%w: %s has a field %s, which a gate cannot limit by itself: write %q if %s records are meant",
				ErrRule, root, l.Of, l.Of+" records", l.Of)
		}
	}
	return nil
}

// overlap returns the first of list that is path, or above or below it.
func overlap(list []string, path string) (string, bool) {
	i := slices.IndexFunc(list, func(p string) bool { return contains(p, path) || contains(path, p) })
	if i < 0 {
		return "", false
	}
	return list[i], true
}

// contains says whether a field path is another one, or above it.
func contains(above, path string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// hasPath says whether a path, as diff.Result.Fields has them, leads to
// something in a type: the elements of a SET are not told apart, and what only
// wraps a scalar is passed over.
func hasPath(schemas []*state.Schema, typeName, path string) bool {
	i := slices.IndexFunc(schemas, func(s *state.Schema) bool { return s.Name == typeName })
	if i < 0 {
		return false
	}
	t := schemas[i]
	if t.Kind != state.Object {
		rest, ok := strings.CutPrefix(path, "[]")
		if !ok || rest == "" || t.Kind == state.Set {
			return ok && rest == ""
		}
		return leads(schemas, elementOf(t), rest)
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	f := t.FieldIndex(path[:end])
	if f < 0 {
		return false
	}
	rest := path[end:]
	return rest == "" || t.Fields[f].Type == state.Reference && leads(schemas, t.Fields[f].Ref, rest)
}

// leads says whether the rest of a path leads to something in a type that is
// referred to.
func leads(schemas []*state.Schema, typeName, rest string) bool {
	i := slices.IndexFunc(schemas, func(s *state.Schema) bool { return s.Name == typeName })
	if i < 0 || wraps(schemas[i]) {
		return false
	}
	field, ok := strings.CutPrefix(rest, ".")
	return ok == (schemas[i].Kind == state.Object) && hasPath(schemas, typeName, field)
}

// wraps says whether a type only wraps a scalar, as diff.Result.Fields has it.
func wraps(s *state.Schema) bool {
	return s.Kind == state.Object && len(s.Fields) == 1 && s.Fields[0].Name == "value" && s.Fields[0].Type != state.Reference
}
