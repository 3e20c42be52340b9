package state

import "testing"

// TestHasherMemory looks at what a Hasher remembers of lists that one record each has:
// only those of the trial when a whole state is hashed, nothing afterwards, and a table
// of about as many as change in the next version.
func TestHasherMemory(t *testing.T) {
	const records, changed = 5000, 50
	one := ownLists(t, nil, records, 0)
	h := NewHasher(one)
	lists := h.types[one.Type("L")]
	if _, err := h.sumType(h.types[one.Type("T")]); err != nil {
		t.Fatal(err)
	}
	if n := remembered(lists, records); n < trial/2 || n > trial {
		t.Errorf("%d lists are remembered, want those of a trial of %d", n, trial)
	}
	sum, err := h.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	if n := remembered(lists, records); n > 0 || len(lists.memo.table) > maxProbes {
		t.Errorf("%d lists are remembered after a checksum, with room for %d", n, len(lists.memo.table))
	}
	two := ownLists(t, one, records, changed)
	h.remember(2 * changed)
	if n := len(lists.memo.table); n < 2*changed || n > 6*changed {
		t.Errorf("there is room for %d lists", n)
	}
	sum, err = h.Next(sum, two, ChangesBetween(one, two))
	if err != nil {
		t.Fatal(err)
	}
	if want, err := two.Checksum(); err != nil || sum != want {
		t.Errorf("checksum %s, want %s, error %v", sum, want, err)
	}
}

// remembered returns how many of the first n ordinals are known.
func remembered(th *typeHasher, n int) (known int) {
	for o := range Ordinal(n) {
		if th.known(o) {
			known++
		}
	}
	return known
}

// ownLists makes a version of n records with a list of their own each, some of which
// are others than in the base.
func ownLists(t *testing.T, base *State, n, changed int) *State {
	t.Helper()
	schemas, err := ParseSchemas("E { int n; }\nL List<E>;\nT @PrimaryKey(id) { int id; L l; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for id := range n {
		number := id
		if id < changed {
			number += n
		}
		e, err := b.AddObject("E", []Value{IntValue(int32(number))})
		if err != nil {
			t.Fatal(err)
		}
		l, err := b.AddList("L", []Ordinal{e})
		if err == nil {
			_, err = b.AddObject("T", []Value{IntValue(int32(id)), ReferenceValue(l)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(Header{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
