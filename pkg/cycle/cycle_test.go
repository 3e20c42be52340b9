package cycle_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

const (
	a1 = `{"id":"a","v":1}`
	a2 = `{"id":"a","v":2,"tags":["x","y"]}`
	b1 = `{"id":"b","v":1}`
)

// TestUnchanged publishes nothing for what is there, in whatever order.
func TestUnchanged(t *testing.T) {
	store := blob.NewMemory()
	m := mapping(t, plain)
	c := open(t.Context(), t, config(store, m, 1))
	first := run(t, c, lines(m, a1, b1))
	if !first.Published || first.Added != 2 || first.Records != 2 || first.Previous != dataset.None {
		t.Errorf("first: %+v", first)
	}
	keys, err := store.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*cycle.Cycle{c, open(t.Context(), t, config(store, m, 1))} {
		r := run(t, c, lines(m, b1, a1))
		if r.Published || r.Version != first.Version || r.Previous != first.Version || r.Unchanged != 2 || r.Records != 2 || r.Checksum != first.Checksum {
			t.Errorf("unchanged: %+v", r)
		}
	}
	if now, err := store.List(t.Context(), ""); err != nil || len(now) != len(keys) {
		t.Errorf("the store has %d keys, had %d; error %v", len(now), len(keys), err)
	}
	r := run(t, c, lines(m, a2))
	if !r.Published || r.Previous != first.Version || r.Changed != 1 || r.Removed != 1 || r.Added != 0 {
		t.Errorf("changed: %+v", r)
	}
	verify(t, store)
}

// TestSignedZero is another content than zero.
func TestSignedZero(t *testing.T) {
	store := blob.NewMemory()
	m := mapping(t, `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; double d = 2; }`)
	c := open(t.Context(), t, config(store, m, 1))
	run(t, c, lines(m, `{"id":"a","d":0}`))
	if r := run(t, c, lines(m, `{"id":"a","d":-0.0}`)); !r.Published || r.Changed != 1 {
		t.Errorf("-0.0 after 0: %+v", r)
	}
	verify(t, store)
}

func TestSnapshotEvery(t *testing.T) {
	for _, every := range []int{1, 2, 3} {
		store := blob.NewMemory()
		m := mapping(t, plain)
		for i := range 7 {
			c := open(t.Context(), t, config(store, m, every)) // counts also across restarts
			run(t, c, lines(m, a1, `{"id":"n","v":`+string(rune('0'+i))+`}`))
		}
		for i, p := range history(t, store) {
			if want := i%every == 0; (p.Manifest.Snapshot != nil) != want {
				t.Errorf("every %d: version %d has snapshot %v", every, i, p.Manifest.Snapshot)
			}
			if (p.Manifest.Delta != nil) != (i > 0) || (p.Manifest.ReverseDelta != nil) != (i > 0) || p.Manifest.Header == nil {
				t.Errorf("every %d: version %d: %+v", every, i, p.Manifest)
			}
			if p.Manifest.Segment != history(t, store)[0].Manifest.Version {
				t.Errorf("every %d: version %d is of segment %s", every, i, p.Manifest.Segment)
			}
		}
		verify(t, store)
	}
}

// TestSchemaChanges makes a version for each change of schema, also without one
// of content, and a snapshot where a segment begins.
func TestSchemaChanges(t *testing.T) {
	for _, c := range []struct {
		name, schema, line string
		segment, delta     bool
	}{
		{"same text", plain, a1, false, false},
		{"field number", `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; repeated string tags = 9; }`, a1, false, true},
		{"field added", `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; repeated string tags = 3; double more = 4; }`, a1, true, true},
		{"field removed", `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; }`, a1, true, true},
		{"field retyped", `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; string v = 2; repeated string tags = 3; }`, `{"id":"a","v":"1"}`, true, false},
		{"type added", `message M { int32 x = 1; } message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; repeated string tags = 3; M m = 4; }`, a1, true, true},
		{"key changed", `message N { option (holdfast.v1.dataset) = {key: ["id", "v"]}; string id = 1; int32 v = 2; repeated string tags = 3; }`, a1, true, true},
		{"root renamed", `message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; repeated string tags = 3; }`, a1, true, true},
		{"key inline", `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1 [(holdfast.v1.field) = {inline: true}]; int32 v = 2; repeated string tags = 3; }`, a1, true, false},
		{"key retyped", `message N { option (holdfast.v1.dataset) = {key: ["id"]}; int32 id = 1; int32 v = 2; repeated string tags = 3; }`, `{"id":1,"v":1}`, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := blob.NewMemory()
			before, after := mapping(t, plain), mapping(t, c.schema)
			first := run(t, open(t.Context(), t, config(store, before, 100)), lines(before, a1))
			r := run(t, open(t.Context(), t, config(store, after, 100)), lines(after, c.line))
			verify(t, store)
			if c.name == "same text" {
				if r.Published {
					t.Errorf("%+v", r)
				}
				return
			}
			if !r.Published || r.Previous != first.Version || r.Records != 1 {
				t.Fatalf("%+v", r)
			}
			if anew := c.name == "key changed" || c.name == "key retyped" || c.name == "root renamed"; anew && (r.Added != 1 || r.Removed != 1) {
				t.Errorf("records with other keys are others: %+v", r)
			}
			m := history(t, store)[1].Manifest
			if got := m.Segment == m.Version; got != c.segment {
				t.Errorf("begins a segment: %v", got)
			}
			if c.segment && m.Snapshot == nil {
				t.Error("there is no snapshot")
			}
			if got := m.Delta != nil; got != c.delta && c.name != "root renamed" {
				t.Errorf("has a delta: %v", got)
			}
			if run(t, open(t.Context(), t, config(store, after, 100)), lines(after, c.line)).Published {
				t.Error("the same again was published")
			}
			back := run(t, open(t.Context(), t, config(store, before, 100)), lines(before, a1))
			if !back.Published || back.Checksum != first.Checksum {
				t.Errorf("back again: %+v", back)
			}
			verify(t, store)
		})
	}
}

// TestRefused leaves everything as it was.
func TestRefused(t *testing.T) {
	store := blob.NewMemory()
	m := mapping(t, plain)
	cfg := config(store, m, 1)
	wrong := errors.New("wrong")
	bad := false
	cfg.Validate = func(cycle.Result) error {
		if bad {
			return wrong
		}
		return nil
	}
	c := open(t.Context(), t, cfg)
	first := run(t, c, lines(m, a1))
	before, err := store.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, want error, ctx context.Context, populate func(protomap.Sink) error) {
		t.Helper()
		if _, err := c.Run(ctx, dataset.Lineage{}, populate); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", name, err, want)
		}
		now, err := store.List(t.Context(), "")
		if err != nil || len(now) != len(before) {
			t.Errorf("%s: the store has %d keys, had %d; error %v", name, len(now), len(before), err)
		}
		if c.Base().Version() != first.Version {
			t.Errorf("%s: the next cycle starts from %s", name, c.Base().Version())
		}
	}
	refused("duplicate key", cycle.ErrDuplicateKey, t.Context(), lines(m, a1, a2))
	refused("source fails", wrong, t.Context(), func(sink protomap.Sink) error {
		return errors.Join(lines(m, a2)(sink), wrong)
	})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	refused("cancelled", context.Canceled, cancelled, lines(m, a2))
	bad = true
	refused("not valid", wrong, t.Context(), lines(m, a2))
	bad = false
	if r := run(t, c, lines(m, a2, b1)); r.Previous != first.Version || r.Changed != 1 || r.Added != 1 {
		t.Errorf("the next good cycle: %+v", r)
	}
	verify(t, store)
}

// TestConflict starts over on the version that another made.
func TestConflict(t *testing.T) {
	store := blob.NewMemory()
	m := mapping(t, plain)
	ours, theirs := open(t.Context(), t, config(store, m, 1)), open(t.Context(), t, config(store, m, 1))
	run(t, theirs, lines(m, a1))
	for range 2 {
		if _, err := ours.Run(t.Context(), dataset.Lineage{}, lines(m, a2)); !errors.Is(err, announce.ErrConflict) {
			t.Fatalf("error %v, want ErrConflict", err)
		}
	}
	if err := ours.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := run(t, ours, lines(m, a2)); r.Changed != 1 || r.Previous != theirs.Base().Version() {
		t.Errorf("%+v", r)
	}
	if _, err := theirs.Run(t.Context(), dataset.Lineage{}, lines(m, b1)); !errors.Is(err, announce.ErrConflict) {
		t.Errorf("error %v, want ErrConflict", err)
	}
	if points := history(t, store); len(points) != 2 {
		t.Errorf("%d versions", len(points))
	}
	verify(t, store)
}

// TestKeyChanges finds records by the new key, and duplicates of it only.
func TestKeyChanges(t *testing.T) {
	store := blob.NewMemory()
	narrow := mapping(t, plain)
	wide := mapping(t, `message N { option (holdfast.v1.dataset) = {key: ["id", "v"]}; string id = 1; int32 v = 2; repeated string tags = 3; }`)
	c := open(t.Context(), t, config(store, narrow, 1))
	run(t, c, lines(narrow, a1))
	both := lines(wide, a1, a2)
	for i := range 2 { // to begin a segment, and within it
		c = open(t.Context(), t, config(store, wide, 1))
		run(t, c, both)
		if got := content(t, c.Base()); len(got) != 2+i {
			t.Errorf("%v", got)
		}
		if _, ok := c.Base().Index.Record(state.StringValue("a"), state.IntValue(2)); !ok {
			t.Errorf("no record is found by the new key %v", c.Base().Index.Paths())
		}
		both = lines(wide, a1, a2, b1)
	}
	c = open(t.Context(), t, config(store, narrow, 1))
	if _, err := c.Run(t.Context(), dataset.Lineage{}, lines(narrow, a1, a2)); !errors.Is(err, cycle.ErrDuplicateKey) {
		t.Errorf("error %v, want ErrDuplicateKey", err)
	}
	verify(t, store)
}

// TestDuplicateKeyText names the key as who wrote the records knows it.
func TestDuplicateKeyText(t *testing.T) {
	m := mapping(t, `message N { option (holdfast.v1.dataset) = {key: ["id"]}; uint64 id = 1; int32 v = 2; }`)
	c := open(t.Context(), t, config(blob.NewMemory(), m, 1))
	const id = "9223372036854775809"
	_, err := c.Run(t.Context(), dataset.Lineage{}, lines(m, `{"id":`+id+`,"v":1}`, `{"id":`+id+`,"v":2}`))
	if !errors.Is(err, cycle.ErrDuplicateKey) || !strings.Contains(err.Error(), "["+id+"]") {
		t.Errorf("error %v, want ErrDuplicateKey of %s", err, id)
	}

	m = mapping(t, `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; }`)
	c = open(t.Context(), t, config(blob.NewMemory(), m, 1))
	_, err = c.Run(t.Context(), dataset.Lineage{}, lines(m, `{"id":"a\nb","v":1}`, `{"id":"a\nb","v":2}`))
	if !errors.Is(err, cycle.ErrDuplicateKey) || !strings.Contains(err.Error(), `[a\nb]`) {
		t.Errorf("error %q, want ErrDuplicateKey of a key on one line", err)
	}
}
