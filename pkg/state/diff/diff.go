package diff

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// ErrNoRoot says that a dataset does not show which of its types is compared:
// not exactly one type has a primary key and is referred to by no other.
var ErrNoRoot = errors.New("dataset has no single root type")

// ErrKeysDiffer says that records cannot be matched, because the two states
// have different keys.
var ErrKeysDiffer = errors.New("states have different keys")

// ErrRootsDiffer says that two datasets do not have records of one type.
var ErrRootsDiffer = errors.New("the records are of different types")

// ErrTooMany says that two records differ in more fields than are told apart, so
// that those of Options.Values and Options.Groups cannot be counted.
var ErrTooMany = errors.New("too many differences")

// Options say what is compared. The zero value compares all of the records of
// the root type and keeps no examples.
type Options struct {
	// Type is the type whose records are compared; "" stands for the only type
	// with a primary key that no other type refers to. A state without it has no
	// records.
	Type string
	// Examples is how many differences of each kind are kept at most. Which
	// ones depends on their keys only.
	Examples int
	// Ignore lists field paths, written as in Result.Fields; each stands for
	// all below it, too. A difference there is none.
	Ignore []string
	// Values lists field paths, written as in Result.Fields, whose changes of
	// value are counted in Result.Transitions: flags and enumerations.
	Values []string
	// Groups lists field paths, written as in Result.Fields, at, below or above
	// which a changed record is counted once in Result.Groups.
	Groups []string
}

// Result is what was found. A record whose key occurs more than once counts
// each time: of the records with one key, as many as possible are matched with
// an equal one, the rest with a changed one, and what remains is removed or
// added.
type Result struct {
	Type                               string // the root type
	Added, Removed, Changed, Unchanged int
	// Fields has, for each field path, the number of changed records in which
	// it differs. A path leads through references, "address.city"; "[]" stands
	// for the elements of a LIST or SET and for the entries of a MAP,
	// "shares[].percent". A collection whose elements cannot be paired counts
	// as a whole, "shares[]". Types with the one field "value" are passed over. Of
	// paths in their tens of thousands, or of megabytes, which only types that refer to
	// themselves have, not all are told apart: Further stands for the rest.
	Fields map[string]int
	// Transitions has, for each path of Options.Values, the number of changed
	// records by "from → to". Beyond maxTransitions of them per path the rest
	// is counted as "other".
	Transitions map[string]map[string]int
	// Groups has, for each path of Options.Groups, the number of changed records
	// that differ at it, below it, or above it: a collection with another length
	// is a difference of all that its elements have.
	Groups map[string]int
	// Examples are in order of kind, then of the hash of their keys.
	Examples []Example
}

// Further is, in Result.Fields, where records differ in more fields than are told
// apart. No field has this name.
const Further = "…"

// Same says whether no record was added, removed or changed.
func (r *Result) Same() bool { return r.Added+r.Removed+r.Changed == 0 }

// Kind is how a record differs.
type Kind uint8

// The kinds of differences.
const (
	Added Kind = iota + 1
	Removed
	Changed
)

// String returns added, removed or changed.
func (k Kind) String() string {
	return [...]string{"none", "added", "removed", "changed"}[k]
}

// An Example is one difference. Its key and records are views of the states.
type Example struct {
	Kind     Kind
	Key      []state.Value
	From, To state.Record // the zero Record if there is none
	Fields   []string     // of a changed record: where it differs, sorted
}

// States compares two states. A nil state has no records. Errors wrap ErrNoRoot,
// ErrKeysDiffer, index.ErrKey, state.ErrNotBindable, or, for content that
// cannot be compared, state.ErrDangling, ErrCycle or ErrTooDeep, or ErrTooMany. Soon
// after ctx is done it ends with its error.
func States(ctx context.Context, from, to *state.State, o Options) (*Result, error) {
	if o.Type == "" {
		root, err := commonRoot(from, to)
		if err != nil {
			return nil, fmt.Errorf("compare states: %w", err)
		}
		o.Type = root
	}
	c, err := newComparison(ctx, from, to, o)
	if err != nil {
		return nil, fmt.Errorf("compare states: %w", err)
	}
	if err := c.run(); err != nil {
		return nil, fmt.Errorf("compare states: %w", err)
	}
	return c.finish(), nil
}

// Root returns the type that two states are compared by whose root types are from
// and to. It fails with ErrRootsDiffer if they are called otherwise: States would count
// the records of one of them only.
func Root(from, to *state.Type) (string, error) {
	a, b := from.Schema().Name, to.Schema().Name
	if a != b {
		return "", fmt.Errorf("compare states: %w: %s and %s", ErrRootsDiffer, a, b)
	}
	return b, nil
}

func commonRoot(states ...*state.State) (string, error) {
	root := ""
	for _, s := range states {
		if s == nil {
			continue
		}
		name, err := RootType(s)
		if err != nil {
			return "", err
		}
		if root != "" && root != name {
			return "", fmt.Errorf("types %s and %s: %w", root, name, ErrNoRoot)
		}
		root = name
	}
	if root == "" {
		return "", ErrNoRoot
	}
	return root, nil
}

// RootType returns the only type that has a primary key and that no type refers
// to. It fails with ErrNoRoot if there is none, or more than one.
func RootType(s *state.State) (string, error) {
	referred := map[string]bool{}
	for _, t := range s.Types() {
		for _, name := range t.Schema().References() {
			referred[name] = referred[name] || name != t.Schema().Name
		}
	}
	var roots []string
	for _, t := range s.Types() {
		name := t.Schema().Name
		if t.Schema().Kind == state.Object && len(t.Schema().Key) > 0 && !referred[name] {
			roots = append(roots, name)
		}
	}
	slices.Sort(roots)
	if len(roots) != 1 {
		return "", fmt.Errorf("%d candidates [%s]: %w", len(roots), strings.Join(roots, " "), ErrNoRoot)
	}
	return roots[0], nil
}
