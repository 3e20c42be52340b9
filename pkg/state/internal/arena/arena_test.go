package arena

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// version is an Arena and its naive twin.
type version struct {
	arena  Arena
	blocks map[Handle][]byte
	behind map[Handle][]byte // with the bytes that a reader may look at, too
}

func newVersion(a Arena, blocks map[Handle][]byte) *version {
	v := &version{arena: a, blocks: blocks, behind: map[Handle][]byte{}}
	for h, b := range blocks {
		v.behind[h] = bytes.Clone(a.Block(h)[:len(b)+Pad])
	}
	return v
}

func (v *version) check(t *rapid.T, name string) {
	var places []Place
	for h, want := range v.blocks {
		if got := v.arena.Block(h)[:len(want)]; !bytes.Equal(got, want) {
			t.Fatalf("%s: block %#x of %d bytes has changed", name, h, len(want))
		}
		if got := v.arena.Block(h)[:len(want)+Pad]; !bytes.Equal(got, v.behind[h]) {
			t.Fatalf("%s: bytes behind block %#x, which readers load, have changed: %x, they were %x", name, h, got[len(want):], v.behind[h][len(want):])
		}
		places = append(places, Place{h, len(want)})
	}
	if err := v.arena.Verify(places); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if v.arena.Held() < v.arena.Used() {
		t.Fatalf("%s: holds %d bytes, of which %d are used", name, v.arena.Held(), v.arena.Used())
	}
}

// edit is a Writer and its naive twin.
type edit struct {
	w      *Writer
	blocks map[Handle][]byte
	serial *uint32 // so that no two blocks are equal
}

func (v *version) edit(serial *uint32) *edit {
	return &edit{v.arena.Edit(), maps.Clone(v.blocks), serial}
}

func (e *edit) put(t *rapid.T, stream, n int) {
	block := make([]byte, n)
	*e.serial++
	for i := range block {
		block[i] = byte(i) ^ byte(*e.serial*0x9e3779b1>>(i%4*8))
	}
	h := e.w.Put(stream, block)
	if _, ok := e.blocks[h]; ok || h == 0 {
		t.Fatalf("a block of %d bytes got the handle %#x, which is taken", n, h)
	}
	e.blocks[h] = block
}

func (e *edit) drop(t *rapid.T) {
	if len(e.blocks) == 0 {
		return
	}
	list := slices.Sorted(maps.Keys(e.blocks))
	h := list[rapid.IntRange(0, len(list)-1).Draw(t, "dropped")]
	e.w.Drop(h, len(e.blocks[h]))
	delete(e.blocks, h)
}

// dropRange drops all blocks between two, so that segments get empty.
func (e *edit) dropRange(t *rapid.T) {
	list := slices.Sorted(maps.Keys(e.blocks))
	from := rapid.IntRange(0, len(list)).Draw(t, "from")
	to := rapid.IntRange(from, len(list)).Draw(t, "to")
	for _, h := range list[from:to] {
		e.w.Drop(h, len(e.blocks[h]))
		delete(e.blocks, h)
	}
}

// evacuate moves what Sparse names. It must empty the segments that it names,
// and not move more than was written.
func (e *edit) evacuate(t *rapid.T) {
	credit := e.w.credit
	sparse := e.w.Sparse(0)
	before := slices.Clone(e.w.segs)
	moved := int64(0)
	for _, h := range slices.Sorted(maps.Keys(e.blocks)) {
		if !In(sparse, h) {
			continue
		}
		block := e.blocks[h]
		to := e.w.Put(Moved, e.w.Block(h)[:len(block)])
		e.w.Drop(h, len(block))
		delete(e.blocks, h)
		e.blocks[to] = block
		moved += int64(roundUp(len(block)))
	}
	for number := range sparse {
		if now := e.w.segs[number]; sparse[number] && now != nil && &now[0] == &before[number][0] {
			t.Fatalf("segment %d was to be emptied and has %d bytes", number, e.w.live[number])
		}
	}
	if moved > credit {
		t.Fatalf("%d bytes were moved, %d could be", moved, credit)
	}
}

var lengths = rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 100), rapid.IntRange(0, 2000), rapid.IntRange(0, 9000),
	rapid.SampledFrom([]int{firstSegment - Pad, firstSegment - Pad + 1, firstSegment, SegmentBytes - Pad, SegmentBytes - 3, SegmentBytes, SegmentBytes + 5}))

// step does one thing to a version under construction.
func (e *edit) step(t *rapid.T) {
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0:
		e.dropRange(t)
	case 1, 2, 3:
		e.drop(t)
	case 4:
		for range rapid.IntRange(1, 60).Draw(t, "blocks") {
			e.put(t, New, 100)
		}
	default:
		stream := rapid.SampledFrom([]int{New, New, Moved}).Draw(t, "stream")
		e.put(t, stream, lengths.Draw(t, "length"))
	}
}

// finish ends the edit in one way or another; nil is no version.
func (e *edit) finish(t *rapid.T) *version {
	if rapid.Bool().Draw(t, "evacuate") {
		e.evacuate(t)
	}
	closing := e.w.Close
	switch rapid.IntRange(0, 7).Draw(t, "end") {
	case 0, 1:
		e.w.Discard()
		return nil
	case 2:
		closing = e.w.CloseTrimmed
	}
	a, err := closing()
	if err != nil {
		t.Fatal(err)
	}
	return newVersion(a, e.blocks)
}

// TestVersions makes a tree of versions out of random changes, up to three of
// one version at once, and holds all of them against maps.
func TestVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var serial uint32
		versions := []*version{newVersion(Arena{}, map[Handle][]byte{})}
		for range rapid.IntRange(1, 15).Draw(t, "versions") {
			// Mostly the newest: a chain.
			base := len(versions) - 1
			if rapid.IntRange(0, 3).Draw(t, "branch") == 0 {
				base = rapid.IntRange(0, len(versions)-1).Draw(t, "base")
			}
			var edits []*edit
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "edits") {
				edits = append(edits, versions[base].edit(&serial))
			}
			for range rapid.IntRange(0, 30).Draw(t, "steps") {
				edits[rapid.IntRange(0, len(edits)-1).Draw(t, "edit")].step(t)
			}
			for _, e := range edits {
				if v := e.finish(t); v != nil {
					versions = append(versions, v)
				}
			}
			for _, v := range versions {
				v.check(t, "a version")
			}
			if len(versions) > 8 {
				versions = versions[len(versions)-8:]
			}
		}
	})
}

// TestEvacuation replaces random blocks of one chain: what is moved is in
// proportion to what was written, and is enough to hold little more than is
// used.
func TestEvacuation(t *testing.T) {
	for seed := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var a Arena
		var list []Handle
		block := make([]byte, 400)
		written, moved := 0, 0
		for cycle := range 300 {
			w := a.Edit()
			n := 60
			if cycle == 0 {
				n = 6000
			}
			for range n {
				list = append(list, w.Put(New, block))
				written += len(block)
				if cycle > 0 {
					k := rnd.IntN(len(list))
					w.Drop(list[k], len(block))
					list = slices.Delete(list, k, k+1)
				}
			}
			sparse := w.Sparse(0)
			for k, h := range list {
				if In(sparse, h) {
					list[k] = w.Put(Moved, w.Block(h)[:len(block)])
					w.Drop(h, len(block))
					moved += len(block)
				}
			}
			var err error
			if a, err = w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if moved == 0 || moved > written*movesPerByte {
			t.Errorf("seed %d: %d bytes were moved and %d written", seed, moved, written)
		}
		if most := a.used*5/4 + 2*SegmentBytes; a.held > most {
			t.Errorf("seed %d: holds %d bytes for %d that are used", seed, a.held, a.used)
		}
	}
}

// TestCredit holds that what is moved is paid for by what was written.
func TestCredit(t *testing.T) {
	movesFor(t, movesPerByte, func(*Writer) {})
	movesFor(t, 1, func(w *Writer) { w.MoveAtMost(1) })
}

// movesFor is TestCredit of a Writer that limit has told how much it may move for each
// byte.
func movesFor(t *testing.T, perByte int64, limit func(*Writer)) {
	t.Helper()
	first := new(Arena).Edit()
	var list []Handle
	block := make([]byte, 100)
	for range 400 {
		list = append(list, first.Put(New, block))
	}
	a, err := first.CloseTrimmed()
	if err != nil {
		t.Fatal(err)
	}
	if a, _, err = Join([]Arena{a}); err != nil { // nothing is written to its credit
		t.Fatal(err)
	}
	w := a.Edit()
	limit(w)
	for i, h := range list {
		if i%4 != 0 {
			w.Drop(h, len(block))
		}
	}
	if sparse := w.Sparse(0); sparse != nil {
		t.Errorf("without a byte written, %v are to be emptied", sparse)
	}
	for written := 2500; written > 0; written -= len(block) {
		w.Put(New, block)
	}
	if sparse := w.Sparse(2 * SegmentBytes); sparse != nil {
		t.Errorf("%v are to be emptied, which is not worth the search", sparse)
	}
	live := int64(0)
	for number, yes := range w.Sparse(0) {
		if yes {
			live += w.live[number]
		}
	}
	if live <= 2500*(perByte-1) || live > 2500*perByte {
		t.Errorf("2500 bytes were written and %d are to be moved, %d for each", live, perByte)
	}
	if sparse := w.Sparse(0); sparse != nil {
		t.Errorf("the same credit is spent twice: %v", sparse)
	}
}

// TestGoesOn holds that a version goes on in the open segment of the one
// before, or of that whose change was discarded, at the next cache line.
func TestGoesOn(t *testing.T) {
	var a Arena
	end := 0
	for i := range 20 {
		w := a.Edit()
		h := w.Put(New, make([]byte, 10))
		if at := int(h&(1<<segmentShift-1)) << unitShift; h>>segmentShift != 1 || at%line != 0 || at < end || at > end+line {
			t.Fatalf("change %d wrote at %d of segment %d, the tail was at %d", i, at, h>>segmentShift, end)
		} else if i%3 == 1 {
			w.Discard()
			continue
		} else if i > 0 {
			end = at + line
		}
		var err error
		if a, err = w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReaders reads all versions of a chain, with the bytes behind each block,
// while further ones are written: with -race nobody may write to those.
func TestReaders(t *testing.T) {
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(stop)
	read := func(a Arena, list []Place) {
		readers.Go(func() {
			for {
				sum := byte(0)
				for _, p := range list {
					for _, x := range a.Block(p.Handle)[:p.Length+Pad] {
						sum += x
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	var a Arena
	var list []Place
	block := make([]byte, 500)
	for i := range 40 {
		w := a.Edit()
		next := slices.Clone(list)
		for k := range 7 {
			n := 1 + (i*31+k*97)%len(block)
			next = append(next, Place{w.Put(k%streams, block[:n]), n})
		}
		if i%4 == 1 { // what was written is to be written again
			w.Discard()
			continue
		}
		var err error
		if a, err = w.Close(); err != nil {
			t.Fatal(err)
		}
		list = next
		read(a, list)
	}
}

// TestFull fills the list of segments.
func TestFull(t *testing.T) {
	tiny := make([]byte, 1)
	a := Arena{segs: make([][]byte, maxSegments), live: make([]int64, maxSegments)}
	for i := 1; i < maxSegments; i++ {
		a.segs[i], a.live[i] = tiny, 4
	}
	w := a.Edit()
	for range 2 {
		if h := w.Put(New, tiny); h != 0 {
			t.Fatalf("a full arena gave the handle %#x", h)
		}
	}
	w.Drop(5<<segmentShift, 1)
	if h := w.Put(Moved, tiny); h != 0 {
		t.Errorf("after a failure there is the handle %#x", h)
	}
	if _, err := w.Close(); !errors.Is(err, ErrFull) {
		t.Errorf("Close: error %v, want ErrFull", err)
	}
	w = a.Edit()
	w.Drop(5<<segmentShift, 1)
	if h := w.Put(New, tiny); h != 5<<segmentShift {
		t.Errorf("one segment is free, 5, and the handle is %#x", h)
	}
	w.Put(Moved, tiny)
	if _, err := w.CloseTrimmed(); !errors.Is(err, ErrFull) {
		t.Errorf("CloseTrimmed: error %v, want ErrFull", err)
	}
	half := Arena{segs: a.segs[:maxSegments/2+1], live: a.live[:maxSegments/2+1]}
	if _, _, err := Join([]Arena{half, half}); !errors.Is(err, ErrFull) {
		t.Errorf("Join: error %v, want ErrFull", err)
	}
}

// TestJoin joins arenas, some of them empty, and looks their blocks up.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []Arena
		var blocks []map[Handle][]byte
		var serial uint32
		for range rapid.IntRange(0, 5).Draw(t, "parts") {
			e := newVersion(Arena{}, map[Handle][]byte{}).edit(&serial)
			for range rapid.IntRange(0, 40).Draw(t, "blocks") {
				e.put(t, New, rapid.IntRange(0, 600).Draw(t, "length"))
			}
			if rapid.IntRange(0, 3).Draw(t, "dropped") == 0 {
				e.dropRange(t)
			}
			a, err := e.w.CloseTrimmed()
			if err != nil {
				t.Fatal(err)
			}
			parts, blocks = append(parts, a), append(blocks, e.blocks)
		}
		all, shift, err := Join(parts)
		if err != nil || len(shift) != len(parts) {
			t.Fatalf("%d parts: %d shifts, error %v", len(parts), len(shift), err)
		}
		twin := map[Handle][]byte{}
		for i := range parts {
			for h, b := range blocks[i] {
				twin[h+shift[i]] = b
			}
		}
		v := newVersion(all, twin)
		v.check(t, "the join")
		e := v.edit(&serial)
		e.put(t, New, 10)
		e.dropRange(t)
		next := e.finish(t)
		v.check(t, "the join after a change")
		if next != nil {
			next.check(t, "its change")
		}
	})
}

func TestSame(t *testing.T) {
	w := new(Arena).Edit()
	first, second := w.Put(New, []byte("first")), w.Put(New, []byte("second"))
	a, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	big := a.Edit()
	h := big.Put(New, binary.AppendVarint(make([]byte, 2*firstSegment), 1))
	b, err := big.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		got  bool
		want bool
	}{
		{"a block in two versions", Same(&a, first, &b, first), true},
		{"two blocks of a segment", Same(&a, first, &b, second), false},
		{"two first blocks", Same(&a, first, &b, h), false},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %v", tc.name, tc.got)
		}
	}
	joined, shift, err := Join([]Arena{b, a})
	if err != nil {
		t.Fatal(err)
	}
	if !Same(&a, second, &joined, second+shift[1]) {
		t.Error("a block is not the same under another handle")
	}
}
