package kill

import (
	"slices"
	"testing"
)

// TestCompare: each thing that may not be is noticed, and nothing else is.
func TestCompare(t *testing.T) {
	good := []link{{"1", "a", "a"}, {"2", "b", "b"}, {"3", "c", "c"}}
	for name, test := range map[string]struct {
		chain  []link
		acked  map[string]string
		killed []string
		seen   map[string]string
		want   []string
	}{
		"all told":        {chain: good, acked: map[string]string{"a": "1", "b": "2", "c": "3"}},
		"killed too late": {chain: good, acked: map[string]string{"a": "1", "c": "3"}, killed: []string{"b"}},
		"killed in time":  {chain: good[:2], acked: map[string]string{"a": "1", "b": "2"}, killed: []string{"c"}},
		"lost": {chain: good[:2], acked: map[string]string{"a": "1", "b": "2", "c": "3"},
			want: []string{`publish c was acknowledged as "3", it is ""`}},
		"another's": {chain: []link{{"1", "a", "a"}, {"2", "a", "b"}}, acked: map[string]string{"a": "1", "b": "2"},
			want: []string{`version 2 was made by a and says "b"`}},
		"twice": {chain: append([]link{{"0", "a", "a"}}, good...), acked: map[string]string{"a": "1", "b": "2", "c": "3"},
			want: []string{"publish a is there twice, as 0 and as 1"}},
		"nobody told": {chain: good, acked: map[string]string{"a": "1", "b": "2"},
			want: []string{`version 3 is of "c", who was not killed and was not told of it`}},
		"seen, never announced": {chain: good[:2], acked: map[string]string{"a": "1", "b": "2"}, killed: []string{"c"},
			seen: map[string]string{"1": "a", "3": "c"}, want: []string{`a follower saw 3 as of c, it is of ""`}},
		"seen otherwise": {chain: good[:1], acked: map[string]string{"a": "1"},
			seen: map[string]string{"1": "b"}, want: []string{`a follower saw 1 as of b, it is of "a"`}},
		"saw nothing": {chain: good[:1], acked: map[string]string{"a": "1"}, seen: map[string]string{},
			want: []string{"the follower saw nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fight{acked: test.acked, killed: test.killed, seen: test.seen}
			if f.seen == nil {
				f.seen = map[string]string{"1": "a"}
			}
			f.compare(test.chain)
			if !slices.Equal(f.problem, test.want) {
				t.Errorf("compare(%v) with %v acknowledged, %v killed, %v seen found %q, want %q",
					test.chain, test.acked, test.killed, f.seen, f.problem, test.want)
			}
		})
	}
}
