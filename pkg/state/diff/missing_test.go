package diff_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// TestMissingElements compares states of which one, or both, lack the type of what
// collections hold: that is said.
func TestMissingElements(t *testing.T) {
	filter, err := state.ParseFilter("rules:excludeAll,include:Film,include:Words")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"List<Word>", "Set<Word>", "Map<Word,Word>"} {
		for name, filters := range map[string][2]*state.Filter{
			"both lack it": {filter, filter}, "the first lacks it": {filter, nil}, "the second lacks it": {nil, filter},
		} {
			from, to := wordFilms(t, kind, 0, filters[0]), wordFilms(t, kind, 1, filters[1])
			if _, err := diff.States(context.Background(), from, to, diff.Options{Type: "Film"}); !errors.Is(err, state.ErrDangling) {
				t.Errorf("%s, %s: error %v, want ErrDangling", kind, name, err)
			}
		}
	}
}

// wordFilms returns films that have a collection of words, as far as filter loads them.
func wordFilms(t *testing.T, kind string, first int32, filter *state.Filter) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas(`Film @PrimaryKey(id) { int id; Words words; } Words ` + kind + `; Word { int n; }`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(40) {
		word, err := b.AddObject("Word", []state.Value{state.IntValue(first + i/2)})
		if err != nil {
			t.Fatal(err)
		}
		var words state.Ordinal
		switch kind[0] {
		case 'L':
			words, err = b.AddList("Words", []state.Ordinal{word, word})
		case 'S':
			words, err = b.AddSet("Words", []state.Ordinal{word})
		default:
			words, err = b.AddMap("Words", []state.Entry{{Key: word, Value: word}})
		}
		if err == nil {
			_, err = b.AddObject("Film", []state.Value{state.IntValue(i), state.ReferenceValue(words)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	var blob bytes.Buffer
	if err := (state.Transition{Next: s}).WriteSnapshot(&blob); err != nil {
		t.Fatal(err)
	}
	s, err = state.ReadSnapshot(blob.Bytes(), state.ReadOptions{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
