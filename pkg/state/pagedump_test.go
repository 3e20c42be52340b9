package state_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestDumpPagesOfGolden dumps the pages of states of a Java producer: every
// ordinal is in a page that is shown, and the parts of a type add up.
func TestDumpPagesOfGolden(t *testing.T) {
	types := 0
	for _, c := range golden.Cases(t) {
		for name, blob := range c.Files {
			if !strings.HasPrefix(filepath.Base(name), "snapshot-") || len(blob) > 1<<18 {
				continue
			}
			s, err := state.ReadSnapshot(blob, state.ReadOptions{})
			if err != nil {
				continue // there are corrupt ones among them
			}
			for _, typ := range s.Types() {
				types++
				checkDump(t, c.Name+" "+name, typ)
			}
		}
	}
	if types < 100 {
		t.Errorf("only %d types were dumped", types)
	}
}

func checkDump(t *testing.T, where string, typ *state.Type) {
	t.Helper()
	var pages, memory bytes.Buffer
	if err := typ.DumpPages(&pages); err != nil {
		t.Fatal(err)
	}
	if err := typ.DumpMemory(&memory); err != nil {
		t.Fatal(err)
	}
	sum, all := 0, 0
	for i, line := range strings.Split(memory.String(), "\n") {
		words := strings.Fields(line)
		if i < 2 || len(words) < 3 {
			continue
		}
		n, err := strconv.Atoi(words[len(words)-2])
		if err != nil {
			t.Fatalf("%s: line %q: %v", where, line, err)
		}
		if sum += n; words[0] == "all" && len(words) == 3 {
			sum, all = sum-n, n
		}
	}
	if sum != all || all < 8*typ.Len()/1000 {
		t.Fatalf("%s: the parts have %d bytes, all is %d:\n%s", where, sum, all, &memory)
	}
	seen := 0
	for line := range strings.Lines(pages.String()) {
		list, ok := strings.CutPrefix(line, "page ")
		if !ok {
			continue
		}
		_, list, _ = strings.Cut(list, ": ordinals ")
		list, _, _ = strings.Cut(list, ";")
		for _, r := range strings.Fields(list) {
			var from, to state.Ordinal
			if n, _ := fmt.Sscanf(r, "%d-%d", &from, &to); n < 2 {
				to = from
			}
			for ; from <= to; from++ {
				if seen++; !typ.Populated(from) {
					t.Fatalf("%s: %s %d is shown and has no record", where, typ.Schema().Name, from)
				}
			}
		}
	}
	if seen != typ.Len() {
		t.Fatalf("%s: %d of %d records of %s are shown", where, seen, typ.Len(), typ.Schema().Name)
	}
}

// TestDumpPagesIsBounded dumps what small blobs make that announce a lot, have
// long names or odd bytes. What is written is in proportion to them.
func TestDumpPagesIsBounded(t *testing.T) {
	long := newTrap(1)
	long.blob = append(long.blob, 0)
	long.utf(strings.Repeat("\x1b[2Jname", 5000)).blob = append(long.blob, 0, 2)
	long.utf(strings.Repeat("a", 60_000)).utf("INT").utf(strings.Repeat("\u202e", 10_000)).utf("STRING").vints(0)
	long.vints(2047, 8, 8).words(make([]uint64, 512)...).vlong(0).vlong(0).populated(32)
	blobs := map[string][]byte{"long names": long.blob}
	for name, p := range traps() {
		blobs[name] = p.blob
	}
	for name, blob := range golden.Load(t, "00-minimal").Files {
		for i := range min(len(blob), 300) {
			bad := bytes.Clone(blob)
			bad[i] ^= 0xff
			blobs[fmt.Sprintf("%s, byte %d", name, i)] = bad
		}
	}
	dumped := 0
	for name, blob := range blobs {
		s, err := state.ReadSnapshot(blob, state.ReadOptions{})
		if err != nil {
			if name == "long names" {
				t.Error(err)
			}
			continue
		}
		dumped++
		var out bytes.Buffer
		for _, typ := range s.Types() {
			if err := typ.DumpPages(&out); err != nil {
				t.Fatal(err)
			}
			if err := typ.DumpMemory(&out); err != nil {
				t.Fatal(err)
			}
		}
		if most := 1<<13 + 100*len(blob); out.Len() > most {
			t.Errorf("%s: %d bytes give %d", name, len(blob), out.Len())
		}
		if strings.ContainsAny(out.String(), "\x1b\u202e") {
			t.Errorf("%s: control characters are written", name)
		}
	}
	if dumped < 10 {
		t.Errorf("only %d blobs were dumped", dumped)
	}
}
