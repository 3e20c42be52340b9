package state_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestTrail reads snapshots of which each page of memory is given back as soon as it
// can be: the states are those read from memory that nobody gives back.
func TestTrail(t *testing.T) {
	defer state.SetTrail(4 << 10)()
	made := manyRecords(t)
	for _, shards := range []int{1, 2, 8, 128} {
		for _, typ := range made.Types() {
			state.SetShards(typ, shards)
		}
		var blob bytes.Buffer
		if err := (state.Transition{Next: made}).WriteSnapshot(&blob); err != nil {
			t.Fatal(err)
		}
		for _, processors := range []int{1, 2, 4} {
			withProcessors(processors, func() {
				got, err := state.ReadSnapshotFrom(bytes.NewReader(blob.Bytes()), int64(blob.Len()), nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := state.Same(made, got); err != nil {
					t.Errorf("%d shards, %d processors: %v", shards, processors, err)
				}
			})
		}
	}
}

// TestTrailGolden is TestStream with a step of one byte: the values of real blobs are in
// the order of their records, or they would be refused.
func TestTrailGolden(t *testing.T) {
	defer state.SetTrail(1)()
	TestStream(t)
	TestStreamFiltered(t)
}

// TestTrailGoesOneWay holds that a blob whose values are behind those of the records
// before is refused where they have been given back.
func TestTrailGoesOneWay(t *testing.T) {
	for _, schema := range []string{`T { string s; }`, `T List<U>; U { int n; }`} {
		schemas, err := state.ParseSchemas(schema)
		if err != nil {
			t.Fatal(err)
		}
		b, err := state.NewBuilder(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if len(schemas) == 1 {
				_, err = b.AddObject("T", []state.Value{state.StringValue(string(rune('a' + i)))})
			} else if o, failed := b.AddObject("U", []state.Value{state.IntValue(int32(i))}); failed == nil {
				_, err = b.AddList("T", []state.Ordinal{o, o, o, o, o, o, o, o})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := b.Finish(state.Header{Origin: -1, Tag: 1})
		if err != nil {
			t.Fatal(err)
		}
		var blob bytes.Buffer
		if err := (state.Transition{Next: s}).WriteSnapshot(&blob); err != nil {
			t.Fatal(err)
		}
		if err := state.Trailing(blob.Bytes(), "T", 0); err != nil {
			t.Errorf("%s: %v", schema, err)
		}
		if err := state.Trailing(blob.Bytes(), "T", 1); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%s, given back up to the second record: %v", schema, err)
		}
	}
}
