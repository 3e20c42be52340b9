package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	swapped := time.Unix(1000, 0)
	x := trial{before: "old", after: "new", from: swapped, swapped: swapped, poll: time.Second}
	for _, c := range []struct {
		after                     time.Duration // of the swap
		version, announced, state string
		ready                     bool
		age                       int64
		wrong, over               bool
	}{
		{500 * time.Millisecond, "old", "old", "ready", true, 500, false, false},
		{500 * time.Millisecond, "old", "old", "ready", true, 499, false, false}, // whole milliseconds
		{500 * time.Millisecond, "old", "old", "ready", true, 400, true, false},  // nobody can have confirmed it
		{500 * time.Millisecond, "old", "old", "diverged", false, 900, false, false},
		{500 * time.Millisecond, "old", "old", "diverged", true, 900, true, false},
		{3 * time.Second, "old", "old", "ready", true, 3000, true, false}, // not noticed
		{3 * time.Second, "old", "old", "diverged", false, 3000, false, false},
		{500 * time.Millisecond, "other", "other", "ready", true, 500, true, false},
		{500 * time.Millisecond, "new", "new", "diverged", false, 900, false, false}, // a moment before its look ends
		{500 * time.Millisecond, "new", "old", "ready", true, 10, true, false},
		{500 * time.Millisecond, "new", "new", "ready", true, 10, false, true},
	} {
		var at status
		text := fmt.Sprintf(`{"ready":%t,"datasets":[{"version":%q,"announced":%q,"state":%q,"ready":%[1]t,"age_ms":%[5]d}]}`,
			c.ready, c.version, c.announced, c.state, c.age)
		if err := json.Unmarshal([]byte(text), &at); err != nil {
			t.Fatal(err)
		}
		wrong, over := x.judge(swapped.Add(c.after), at)
		if (wrong != "") != c.wrong || over != c.over {
			t.Errorf("%s, %s after: wrong %q, over %t; want wrong %t, over %t", text, c.after, wrong, over, c.wrong, c.over)
		}
	}
	if wrong, _ := x.judge(swapped, status{}); wrong == "" {
		t.Error("a status without a dataset is taken for right")
	}
}
