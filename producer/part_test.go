package producer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// TestPublishManyParts publishes files that are parsed in many parts at the same
// time: of several things that are wrong the first is said, with its line.
func TestPublishManyParts(t *testing.T) {
	const lines = 20 * partLines
	good := make([]string, lines)
	for i := range good {
		good[i] = fmt.Sprintf(`{"id":"%d","part":"1","tags":["%d"]}`, i, i%100)
	}
	cfg := config(t, blob.NewMemory())
	cfg.Files = texts(strings.Join(good, "\n"))
	var progress []int
	cfg.Progress = func(n int) { progress = append(progress, n) }
	if r, err := Publish(t.Context(), cfg); err != nil || r.Records != lines || r.Added != lines {
		t.Errorf("%+v, error %v", r, err)
	}
	if !slices.IsSorted(progress) || len(progress) == 0 || progress[len(progress)-1] != lines {
		t.Errorf("progress was %d", progress)
	}

	for _, tc := range []struct {
		name  string
		harm  func(list []string)
		want  error
		words string
	}{
		{"a key of another part", func(list []string) { list[lines-5] = list[3] }, ErrDuplicate, fmt.Sprintf("f1:%d", lines-4)},
		{"the first of two", func(list []string) { list[9*partLines], list[9*partLines+1] = list[0], "{" }, ErrDuplicate, fmt.Sprintf("f1:%d", 9*partLines+1)},
		{"the other first", func(list []string) { list[9*partLines], list[9*partLines+1] = "{", list[0] }, nil, fmt.Sprintf("f1:%d", 9*partLines+1)},
		{"in two parts", func(list []string) { list[4*partLines], list[2*partLines] = list[0], "{" }, nil, fmt.Sprintf("f1:%d", 2*partLines+1)},
	} {
		list := slices.Clone(good)
		tc.harm(list)
		cfg := config(t, blob.NewMemory())
		cfg.Files = texts(strings.Join(list, "\n"))
		_, err := Publish(t.Context(), cfg)
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) || tc.want == nil && errors.Is(err, ErrDuplicate) || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%s: error %v, want one that says %q", tc.name, err, tc.words)
		}
	}
}
