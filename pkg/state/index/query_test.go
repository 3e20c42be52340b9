package index_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// manyFilms is a state of films with all twins.
func manyFilms(t interface{ Fatal(args ...any) }, n int) (*state.State, films) {
	all := films{}
	for i := range n {
		all[int32(i)] = manyFilm(uint64(i+1) * 0x9e3779b97f4a7c15 >> 7)
	}
	return withTwins(t, buildFilms(t, nil, 1, all)), all
}

// asked is a query and what a scan finds for it.
type asked struct {
	text string
	q    index.Query
	want map[state.Ordinal]bool
}

// asker makes queries of films.
type filmAsker struct {
	s   *state.State
	all films
	ids []state.Ordinal // all ordinals
}

func (a filmAsker) film(o state.Ordinal) film {
	id, _ := a.s.Type("Film").Record(o).Int(0)
	return a.all[id]
}

// scan returns what holds of a film.
func (a filmAsker) scan(holds func(f film) bool) map[state.Ordinal]bool {
	out := map[state.Ordinal]bool{}
	for _, o := range a.ids {
		if holds(a.film(o)) {
			out[o] = true
		}
	}
	return out
}

func (a filmAsker) draw(t *rapid.T, depth int) asked {
	kind := rapid.IntRange(0, 8).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		return a.tags(t)
	case 1:
		return a.scores(t)
	case 2:
		prefix := rapid.SampledFrom([]string{"", "t", "title 1", "title 19", "title 1999", "u"}).Draw(t, "prefix")
		x := a.s.Index("by title").(*index.Sorted)
		return asked{fmt.Sprintf("title %q…", prefix), x.Prefix(text(prefix)).Query(), a.scan(func(f film) bool {
			return f.title != "" && bytes.HasPrefix([]byte(f.title), []byte(prefix))
		})}
	case 3:
		country := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "country")
		x := a.s.Index("country").(*index.Multi)
		return asked{"country " + country, x.Is(text(country)), a.scan(func(f film) bool {
			return slices.ContainsFunc(f.windows, func(w window) bool { return w.country == country })
		})}
	case 4:
		in := a.draw(t, depth-1)
		return asked{"not " + in.text, index.Not(in.q), a.scanOrdinals(func(o state.Ordinal) bool { return !in.want[o] })}
	case 5:
		return a.limit(t, a.draw(t, depth-1))
	}
	return a.combine(t, depth, kind == 6)
}

func (a filmAsker) scanOrdinals(holds func(o state.Ordinal) bool) map[state.Ordinal]bool {
	out := map[state.Ordinal]bool{}
	for _, o := range a.ids {
		if holds(o) {
			out[o] = true
		}
	}
	return out
}

func (a filmAsker) tags(t *rapid.T) asked {
	x := a.s.Index("tag").(*index.Multi)
	var keys [][]state.Value
	tags := map[string]bool{}
	for range rapid.IntRange(0, 20).Draw(t, "tags") {
		tag := fmt.Sprint("tag ", rapid.IntRange(0, 45).Draw(t, "tag"))
		keys = append(keys, []state.Value{text(tag)})
		tags[tag] = true
	}
	return asked{fmt.Sprint("tag in ", keys), x.In(keys...), a.scan(func(f film) bool {
		return slices.ContainsFunc(f.tags, func(tag string) bool { return tags[tag] })
	})}
}

func (a filmAsker) scores(t *rapid.T) asked {
	x := a.s.Index("by score").(*index.Sorted)
	from, to := float32(rapid.IntRange(-1, 701).Draw(t, "from")), float32(rapid.IntRange(-1, 701).Draw(t, "to"))
	return asked{fmt.Sprintf("score from %v to %v", from, to), x.Range(state.FloatValue(from), state.FloatValue(to)).Query(),
		a.scan(func(f film) bool { return from <= f.score && f.score < to })}
}

func (a filmAsker) limit(t *rapid.T, in asked) asked {
	n := rapid.IntRange(-1, 50).Draw(t, "limit")
	left := n
	return asked{fmt.Sprintf("%d of %s", n, in.text), in.q.Limit(n), a.scanOrdinals(func(o state.Ordinal) bool {
		if !in.want[o] || left <= 0 {
			return false
		}
		left--
		return true
	})}
}

func (a filmAsker) combine(t *rapid.T, depth int, all bool) asked {
	var parts []asked
	var queries []index.Query
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		parts = append(parts, a.draw(t, depth-1))
		queries = append(queries, parts[len(parts)-1].q)
	}
	out := asked{q: index.Or(queries...), text: "or"}
	if all {
		out = asked{q: index.And(queries...), text: "and"}
	}
	for _, p := range parts {
		out.text += " (" + p.text + ")"
	}
	out.want = a.scanOrdinals(func(o state.Ordinal) bool {
		n := 0
		for _, p := range parts {
			if p.want[o] {
				n++
			}
		}
		return n == len(parts) || n > 0 && !all
	})
	return out
}

// TestQuery asks at random and compares with a scan.
func TestQuery(t *testing.T) {
	s, all := manyFilms(t, 1500)
	a := filmAsker{s, all, slices.Collect(s.Type("Film").Ordinals())}
	rapid.Check(t, func(t *rapid.T) {
		q := a.draw(t, 3)
		want := slices.DeleteFunc(slices.Clone(a.ids), func(o state.Ordinal) bool { return !q.want[o] })
		if got := slices.Collect(q.q.All()); !slices.Equal(got, want) || q.q.Len() != len(want) {
			t.Fatalf("%s:\n%v, want\n%v", q.text, got, want)
		}
	})
}

func TestQueryOfNothing(t *testing.T) {
	for name, q := range map[string]index.Query{
		"zero": {}, "and": index.And(), "or": index.Or(), "not": index.Not(index.Query{}), "limit": index.Query{}.Limit(3),
	} {
		if n := q.Len(); n != 0 {
			t.Errorf("%s has %d records, want none", name, n)
		}
	}
}
