package state_test

import (
	"encoding/binary"
	"errors"
	"testing"

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
	return map[string]*trap{
		"no fields, all ordinals":  newTrap(1).object("T", "", 0).vints(most).words().populated(1 << 12),
		"fields of no width":       wide.populated(400),
		"elements of no width":     free,
		"a list of 2^35":           newTrap(1).list(1 << 35),
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

// TestTraps holds that small blobs which announce a lot are refused, or cost
// little: a type without fields is no more than its populated bits.
func TestTraps(t *testing.T) {
	for name, p := range traps() {
		var s *state.State
		var err error
		n := allocated(func() { s, err = state.ReadSnapshot(p.blob, state.ReadOptions{}) })
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
