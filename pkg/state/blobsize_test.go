package state

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// counted counts what is written, and keeps how much it was told to expect.
type counted struct{ expected, written int }

func (c *counted) Grow(n int) { c.expected = n }

func (c *counted) Write(b []byte) (int, error) {
	c.written += len(b)
	return len(b), nil
}

// TestExpectedSize holds that a blob is hardly longer than its writer was told, so
// that a buffer does not grow, and hardly shorter.
func TestExpectedSize(t *testing.T) {
	const n = 20_000
	const sized = "E { long i; string s; bytes b; double d; } L List<E>; S Set<E>; M Map<E,L>;"
	const wider = "E { long i; string s; bytes b; double d; string more; } L List<E>; S Set<E>; M Map<E,L>;"
	all := func(int) string { return "" }
	first := buildSized(t, sized, nil, n, all)
	for name, next := range map[string]*State{
		"same":       buildSized(t, sized, first, n, all),
		"few":        buildSized(t, sized, first, n, func(i int) string { return strings.Repeat("x", max(0, 3-i%1000)) }),
		"every":      buildSized(t, sized, first, n, func(int) string { return "changed" }),
		"longer":     buildSized(t, sized, first, n, func(i int) string { return strings.Repeat("é", i%200) }),
		"fewer":      buildSized(t, sized, first, n/10, all),
		"other few":  buildSized(t, sized, first, n/10, func(int) string { return "changed" }),
		"none":       buildSized(t, sized, first, 0, all),
		"many":       buildSized(t, sized, first, 2*n, all),
		"wider":      buildSized(t, wider, first, n, all),
		"narrower":   buildSized(t, sized, buildSized(t, wider, nil, n, all), n, all),
		"from empty": buildSized(t, sized, buildSized(t, sized, nil, 0, all), n, all),
	} {
		prev := first
		switch name {
		case "from empty":
			prev = buildSized(t, sized, nil, 0, all)
		case "narrower":
			prev = buildSized(t, wider, nil, n, all)
		}
		step := Transition{Prev: prev, Next: next}
		for blob, write := range map[string]func(io.Writer) error{
			"first snapshot": Transition{Next: next}.WriteSnapshot, "snapshot": step.WriteSnapshot,
			"delta": step.WriteDelta, "reverse delta": step.WriteReverseDelta,
		} {
			var c counted
			if err := write(&c); err != nil {
				t.Fatalf("%s, %s: %v", name, blob, err)
			}
			if c.expected < c.written || c.expected > c.written+c.written/20+8<<10 {
				t.Errorf("%s, %s: %d bytes expected, %d written", name, blob, c.expected, c.written)
			}
		}
	}
}

// buildSized returns a version with records of all kinds, to whose texts change adds
// something.
func buildSized(t *testing.T, types string, base *State, n int, change func(i int) string) *State {
	t.Helper()
	schemas, err := ParseSchemas(types)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var list []Ordinal
	add := func(o Ordinal, err error) Ordinal {
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	for i := range n {
		text := fmt.Sprintf("%d %s %s", i, strings.Repeat("-", random.IntN(40)), change(i))
		values := []Value{LongValue(random.Int64()), StringValue(text), BytesValue([]byte(text)), Null(), StringValue("more")}
		list = append(list, add(b.AddObject("E", values[:len(schemas[0].Fields)])))
		some := list[max(0, len(list)-random.IntN(12)):]
		l := add(b.AddList("L", some))
		add(b.AddSet("S", some))
		add(b.AddMap("M", []Entry{{list[i], l}}))
	}
	s, err := b.Finish(Header{Tag: random.Int64()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
