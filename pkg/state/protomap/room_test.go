package protomap

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// granted is a Room that grants so many bytes.
type granted struct{ most, asked int }

var errNoRoom = errors.New("no room")

func (g *granted) Grow(bytes int) error {
	if g.asked = max(g.asked, bytes); bytes > g.most {
		return errNoRoom
	}
	return nil
}

// TestAppendWithin encodes records of many short values and of one long one: no
// buffer is larger than what was asked for, and what is refused is not made.
func TestAppendWithin(t *testing.T) {
	m := mustCompile(t, `syntax = "proto3"; import "holdfast/v1/options.proto";
		message Text { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; repeated string parts = 2; string text = 3; }`)
	var parts strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&parts, `"%d",`, i)
	}
	for what, record := range map[string]string{
		"short values": `{"id":"1","parts":[` + strings.Trim(parts.String(), ",") + `]}`,
		"a long value": `{"id":"1","text":"` + strings.Repeat("x", 400_000) + `"}`,
		"nothing much": `{"id":"1"}`,
	} {
		msg, err := m.ParseJSON([]byte(record))
		if err != nil {
			t.Fatal(err)
		}
		records, err := build(m, msg)
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Append([]byte("before"), records[0])
		if err != nil {
			t.Fatal(err)
		}
		all := &granted{most: 1 << 30}
		got, err := m.AppendWithin([]byte("before"), records[0], all)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d: %v", what, len(got), len(want), err)
		}
		if small := len(want) < unasked; small != (all.asked == 0) || !small && (all.asked < len(want) || all.asked > 4*len(want)) {
			t.Errorf("%s: %d bytes, asked for %d", what, len(want), all.asked)
		}
		if limit := m.WithLimits(Limits{Depth: 10, Size: len(want) - len("before") - 1}); all.asked > 0 {
			if _, err := limit.AppendWithin([]byte("before"), records[0], all); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s, one byte too large: %v", what, err)
			}
			got, err := m.AppendWithin([]byte("before"), records[0], &granted{most: 100_000})
			if !errors.Is(err, errNoRoom) || string(got) != "before" {
				t.Errorf("%s, without room: %d bytes, %v", what, len(got), err)
			}
		}
	}
}
