package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// A trap is a small blob that looks legal and announces a lot.
type trap struct {
	blob []byte
}

// newTrap begins a snapshot of that many types.
func newTrap(types int32) *trap {
	b := append([]byte{0, 0, 4, 6}, make([]byte, 16)...)
	b = wire.AppendVint(b, 0) // no schemas in the header
	b = append(b, 0, 0)       // no tags
	return &trap{wire.AppendVint(b, types)}
}

func (p *trap) utf(s string) *trap {
	p.blob = append(binary.BigEndian.AppendUint16(p.blob, uint16(len(s))), s...)
	return p
}

func (p *trap) vints(list ...int32) *trap {
	for _, v := range list {
		p.blob = wire.AppendVint(p.blob, v)
	}
	return p
}

func (p *trap) vlong(v uint64) *trap {
	p.blob = wire.AppendVlong(p.blob, v)
	return p
}

func (p *trap) words(list ...uint64) *trap {
	p.blob = wire.AppendWords(p.blob, list)
	return p
}

// object begins an OBJECT type of one shard.
func (p *trap) object(name string, fieldType string, fields int) *trap {
	p.blob = append(p.blob, 0)
	p.utf(name)
	p.blob = binary.BigEndian.AppendUint16(p.blob, uint16(fields))
	for range fields {
		p.utf("f").utf(fieldType)
	}
	return p.vints(0)
}

// populated ends a type: ones in every word.
func (p *trap) populated(words int32) *trap {
	p.blob = binary.BigEndian.AppendUint32(p.blob, uint32(words))
	for range words {
		p.blob = append(p.blob, 255, 255, 255, 255, 255, 255, 255, 255)
	}
	return p
}

func traps() map[string]*trap {
	const most = state.MaxOrdinal
	free := newTrap(40)
	for i := range 40 {
		free.blob = append(free.blob, 2)
		free.utf("L"+string(rune('a'+i/26))+string(rune('a'+i%26))).utf("X").vints(0, 0, 20, 0).vlong(1 << 20)
		free.words(1 << 19).words()
		free.blob = append(binary.BigEndian.AppendUint32(free.blob, 1), 0, 0, 0, 0, 0, 0, 0, 1)
	}
	overlap := newTrap(1).object("T", "STRING", 1)
	overlap.vints(2047, 16)
	var rows []uint64
	for range 512 {
		rows = append(rows, 0x4000_0000_4000_0000) // 0, 16384, 0, 16384
	}
	overlap.words(rows...)
	overlap.blob = append(wire.AppendVlong(overlap.blob, 16384), make([]byte, 16384)...)
	overlap.blob = binary.BigEndian.AppendUint32(overlap.blob, 32)
	for range 32 {
		overlap.blob = binary.BigEndian.AppendUint64(overlap.blob, 0xaaaa_aaaa_aaaa_aaaa)
	}
	wide := newTrap(1).object("T", "INT", 3000)
	wide.vints(most).vints(make([]int32, 3000)...).words()
	for range 3000 {
		wide.vlong(0)
	}
	lengths := newTrap(1).list64("L", 5, 1<<63, 0, 1<<63) // of ordinals 0 and 2
	return map[string]*trap{
		"no fields, all ordinals":  newTrap(1).object("T", "", 0).vints(most).words().populated(1 << 12),
		"fields of no width":       wide.populated(400),
		"elements of no width":     free,
		"a list of 2^35":           newTrap(1).list(1 << 35),
		"lengths that sum to 2^64": lengths,
		"two lists of 2^63":        newTrap(2).list64("L", 1, 1<<63-1).list64("M", 1, 1<<63-1),
		"values that overlap":      overlap,
		"a count of types":         newTrap(1<<31 - 1),
		"a count of words":         newTrap(1).object("T", "INT", 1).vints(10, 8).vlong(1 << 61),
		"a length of a byte range": newTrap(1).object("T", "STRING", 1).vints(0, 8).words(0).vlong(1 << 62),
	}
}

func (p *trap) list(n uint64) *trap {
	p.blob = append(p.blob, 2)
	return p.utf("L").utf("X").vints(0, 0, 40, 0).vlong(n).words(n).words().populated(1)
}

// list64 is a LIST type with pointers of 64 bits to elements of none, and one word of
// populated ordinals.
func (p *trap) list64(name string, populated uint64, pointers ...uint64) *trap {
	p.blob = append(p.blob, 2)
	p.utf(name).utf("X").vints(0, int32(len(pointers)-1), 64, 0).vlong(0).words(pointers...).words()
	p.blob = binary.BigEndian.AppendUint32(p.blob, 1)
	p.blob = binary.BigEndian.AppendUint64(p.blob, populated)
	return p
}

// TestTraps holds that small blobs which announce a lot are refused, or cost
// little: a type without fields is no more than its populated bits.
func TestTraps(t *testing.T) {
	for name, p := range traps() {
		var s *state.State
		var err error
		n := allocated(func() { s, err = state.ReadSnapshot(p.blob, state.ReadOptions{}) })
		if _, other := state.ReadSnapshotFrom(bytes.NewReader(p.blob), int64(len(p.blob)), nil); (other == nil) != (err == nil) {
			t.Errorf("%s: error %v, from a stream %v", name, err, other)
		}
		if most := uint64(200<<20) + 300*uint64(len(p.blob)); n > most {
			t.Errorf("%s: %d bytes allocated %d", name, len(p.blob), n)
		}
		if name == "no fields, all ordinals" {
			if err != nil || s.Type("T").Len() != 1<<18 {
				t.Errorf("%s: error %v", name, err)
			}
			continue
		}
		if !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%s: error %v, want ErrCorrupt", name, err)
		}
	}
}

// TestFarOrdinals holds that a small delta whose records have ordinals far beyond those
// of the state is refused, and one that goes a little beyond is not.
func TestFarOrdinals(t *testing.T) {
	types := func(far int32) *trap {
		p := newTrap(40)
		for i := range 40 {
			p.object("T"+string(rune('A'+i)), "", 0)
			if far == 0 {
				p.vints(63).words().populated(1)
				continue
			}
			gaps := wire.AppendVint(nil, far)
			p.vints(far).vlong(0).vlong(uint64(len(gaps)))
			p.blob = append(p.blob, gaps...)
			p.words()
		}
		return p
	}
	s, err := state.ReadSnapshot(types(0).blob, state.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.Apply(types(800_000).blob)
	if err != nil {
		t.Fatal(err)
	}
	if n := next.Type("TA").Len(); n != 65 {
		t.Errorf("%d records, want 65", n)
	}
	n := allocated(func() { _, err = s.Apply(types(state.MaxOrdinal).blob) })
	if !errors.Is(err, state.ErrCorrupt) || n > 100<<20 {
		t.Errorf("%d bytes allocated, error %v, want ErrCorrupt", n, err)
	}
}

// TestManyPopulatedWords holds that ordinals above the greatest are refused, also
// where their numbers end in the same 32 bits as others.
func TestManyPopulatedWords(t *testing.T) {
	for _, first := range []int64{1 << 23, 1 << 25} {
		p := newTrap(1).object("T", "", 0).vints(state.MaxOrdinal).words()
		p.blob = binary.BigEndian.AppendUint32(p.blob, uint32(first+4))
		blob := io.MultiReader(bytes.NewReader(p.blob), io.LimitReader(all(0), 8*first), io.LimitReader(all(0xff), 8*4))
		if _, err := state.ReadSnapshotFrom(blob, int64(len(p.blob))+8*(first+4), nil); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("from word %d on: error %v, want ErrCorrupt", first, err)
		}
	}
}

// all is a reader of one byte again and again.
type all byte

func (a all) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(a)
	}
	return len(b), nil
}

// TestReadStopsAtAnError holds that a snapshot is not read to its end after one of its
// types was wrong, be it many small ones more or a large one.
func TestReadStopsAtAnError(t *testing.T) {
	for _, types := range []int{100, 1} {
		p := newTrap(int32(types)+1).object("T", "STRING", 1).vints(0, 0).words(0).vlong(0).populated(1) // no width
		for i := range types {
			p.object("T"+string(rune('a'+i)), "", 0).vints(0).words(make([]uint64, 1<<22/types)...).populated(1)
		}
		r := bytes.NewReader(p.blob)
		_, err := state.ReadSnapshotFrom(slow{r}, int64(len(p.blob)), nil)
		if !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("error %v, want ErrCorrupt", err)
		}
		if r.Len() == 0 {
			t.Error("all was read")
		}
	}
}

// slow is a reader that gives others time.
type slow struct{ io.Reader }

func (s slow) Read(b []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return s.Reader.Read(b)
}

// TestSkippedTrap passes over a type of a million shards with many fields each, whose
// first one is bad. Who went on would be at it for a quarter of an hour.
func TestSkippedTrap(t *testing.T) {
	const shards = 1 << 20
	frame := newTrap(1)
	start := len(frame.blob)
	frame.object("T", "INT", 1<<16-1)
	schema := frame.blob[start : len(frame.blob)-1]
	p := &trap{append([]byte{0, 0, 4, 6}, make([]byte, 16)...)}
	p.vints(1, 1) // an envelope with one schema
	p.blob = append(p.blob, schema...)
	p.vints(0)
	p.blob = append(p.blob, 0, 0) // no tags
	p.vints(1)
	p.blob = append(p.blob, schema...)
	p.vints(1, 0, shards, 7)
	p.vints(7, 65) // wider than any number
	p.blob = append(p.blob, make([]byte, 2*shards)...)
	filter, err := state.ParseFilter("rules:excludeAll")
	if err != nil {
		t.Fatal(err)
	}
	_, err = state.ReadSnapshotFrom(bytes.NewReader(p.blob), int64(len(p.blob)), filter)
	if !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "width of 65 bits") {
		t.Errorf("error %v", err)
	}
}
