package state_test

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// scattered is a blob with LISTs of one shard whose elements lie in any order, which no
// writer makes, and what is in them: every other row is a record, the one before it a hole
// that says where it begins.
type scattered struct {
	blob  []byte
	lists [][]int32
}

// scatter makes lists of elements, which have w bits; begins says where each begins among all,
// and long how many it has.
func scatter(elements []uint64, w int, begins, long []int) scattered {
	var out scattered
	var rows, items bits.Packer
	n := 2 * len(begins)
	rows.Reset(uint64(n * 32))
	items.Reset(uint64(len(elements) * w))
	for i, x := range elements {
		items.Set(uint64(i*w), w, x)
	}
	live := make([]uint64, (n+63)/64)
	for i, from := range begins {
		rows.Set(uint64(64*i), 32, uint64(from))
		rows.Set(uint64(64*i+32), 32, uint64(from+long[i]))
		live[(2*i+1)/64] |= 1 << ((2*i + 1) % 64)
		var list []int32
		for _, x := range elements[from : from+long[i]] {
			list = append(list, int32(x))
		}
		out.lists = append(out.lists, list)
	}
	p := newTrap(1)
	p.blob = append(p.blob, 2)
	p.utf("L").utf("X").vints(0, int32(n-1), 32, int32(w)).vlong(uint64(len(elements)))
	p.words(rows.Words()...).words(items.Words()...)
	p.blob = binary.BigEndian.AppendUint32(p.blob, uint32(len(live)))
	for _, word := range live {
		p.blob = binary.BigEndian.AppendUint64(p.blob, word)
	}
	out.blob = p.blob
	return out
}

// TestElementsInAnyOrder reads lists whose elements lie in any order, near each other or not.
func TestElementsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.IntRange(1, 31).Draw(t, "width")
		elements := make([]uint64, rapid.IntRange(1, 20_000).Draw(t, "elements"))
		for i := range elements {
			elements[i] = uint64(i) * 0x9e3779b97f4a7c15 >> (64 - w)
		}
		var begins, long []int
		room := len(elements) // entries that overlap are refused
		for range rapid.IntRange(1, 300).Draw(t, "lists") {
			n := min(room, rapid.IntRange(0, 40).Draw(t, "long"))
			room -= n
			begins = append(begins, rapid.IntRange(0, len(elements)-n).Draw(t, "begins"))
			long = append(long, n)
		}
		made := scatter(elements, w, begins, long)
		s, err := state.ReadSnapshot(made.blob, state.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range made.lists {
			r := s.Type("L").Record(state.Ordinal(2*i + 1))
			var got []int32
			for k := range r.Len() {
				got = append(got, int32(r.Element(k)))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("list %d, %d elements of %d bits from %d on: %v, want %v", i, long[i], w, begins[i], got, want)
			}
		}
	})
}

// TestElementsFarApart reads lists that lie far from each other in each block: what they
// are read from is made once, however many decode parts of the type.
func TestElementsFarApart(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	const n, words = 1 << 17, 1 << 19
	begins, long := make([]int, n), make([]int, n)
	for i := range n {
		begins[i] = i % 2 * (words*64/16 - 1)
		long[i] = i % 2
	}
	made := scatter(make([]uint64, words*64/16), 16, begins, long)
	var err error
	got := allocated(func() { _, err = state.ReadSnapshot(made.blob, state.ReadOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	if most := uint64(3 * len(made.blob)); got > most {
		t.Errorf("%d bytes took %d of memory, more than %d", len(made.blob), got, most)
	}
}
