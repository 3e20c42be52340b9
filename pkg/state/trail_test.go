package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
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

// TestTrailRefuses holds that a large snapshot is refused in which values are not where
// those of the record before end, wherever that is: what lies between them, others may
// have given back, or still need.
func TestTrailRefuses(t *testing.T) {
	const n, each, last = 1 << 17, 64, 1<<17*64 + 1<<16
	inOrder := func(i int) uint64 { return uint64(i+1) * each }
	for name, c := range map[string]struct {
		ends  func(i int) uint64 // where the values of record i end
		holes []int              // which are not there
		nulls []int
		kinds string
		ok    bool // from memory, too
	}{
		"in order": {ends: inOrder, kinds: "STRING LIST", ok: true},
		"a null's pointer is beyond all": {ends: func(i int) uint64 {
			if i == 16*maxBlock-1 {
				return 1<<31 - 1
			}
			return inOrder(i)
		}, nulls: []int{16*maxBlock - 1}, kinds: "STRING"},
		"a null's pointer goes back": {ends: func(i int) uint64 {
			if i == 16*maxBlock-1 {
				return inOrder(i - 2)
			}
			return inOrder(i)
		}, nulls: []int{16*maxBlock - 1}, kinds: "STRING", ok: true},
		"behind a hole they go on far away": {ends: func(i int) uint64 {
			switch {
			case i >= 40_000 && i < n/2:
				return n*each + uint64(i-40_000)
			case i >= n/2:
				return uint64(i+1-(n/2-40_000)) * each
			}
			return inOrder(i)
		}, holes: []int{40_000, n / 2}, kinds: "STRING LIST", ok: true},
		"the second half has those of the first": {ends: func(i int) uint64 {
			return uint64((i+1)%(n/2)) * each
		}, holes: []int{n/2 - 1, n - 1}, kinds: "STRING LIST", ok: true},
	} {
		for kind := range strings.FieldsSeq(c.kinds) {
			blob := placed(kind, n, last, c.ends, c.holes, c.nulls)
			if _, err := state.ReadSnapshot(blob, state.ReadOptions{}); (err == nil) != c.ok {
				t.Errorf("%s, %s, from memory: %v", kind, name, err)
			}
			for _, processors := range []int{1, 2, 4} {
				withProcessors(processors, func() {
					_, err := state.ReadSnapshotFrom(bytes.NewReader(blob), int64(len(blob)), nil)
					if inOrder := name == "in order"; inOrder != (err == nil) || !inOrder && !errors.Is(err, state.ErrCorrupt) {
						t.Errorf("%s, %s, %d processors: %v", kind, name, processors, err)
					}
				})
			}
		}
	}
}

// maxBlock is how many records are decoded together.
const maxBlock = 256

// placed is a snapshot of n records of a type that has a STRING, or is a LIST, the values
// of which end where ends says, in an array with last of them.
func placed(kind string, n int, last uint64, ends func(int) uint64, holes, nulls []int) []byte {
	p := newTrap(1)
	if kind == "LIST" {
		p.blob = append(p.blob, 2)
		p.utf("T").utf("X").vints(0, int32(n-1), 32, 31).vlong(0)
	} else {
		p.object("T", "STRING", 1).vints(int32(n-1), 32)
	}
	rows, live := make([]uint64, n/2), make([]uint64, n/64)
	for i := range n {
		end := ends(i)
		if slices.Contains(nulls, i) {
			end |= 1 << 31
		}
		rows[i/2] |= end << (i % 2 * 32)
		if !slices.Contains(holes, i) {
			live[i/64] |= 1 << (i % 64)
		}
	}
	p.words(rows...)
	if kind == "LIST" {
		p.words(make([]uint64, (last*31+63)/64)...)
	} else {
		p.blob = append(wire.AppendVlong(p.blob, last), bytes.Repeat([]byte("x"), int(last))...)
	}
	p.blob = binary.BigEndian.AppendUint32(p.blob, uint32(len(live)))
	for _, word := range live {
		p.blob = binary.BigEndian.AppendUint64(p.blob, word)
	}
	return p.blob
}
