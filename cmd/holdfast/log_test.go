package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestPrintLog shows each kind of entry, and which did not count.
func TestPrintLog(t *testing.T) {
	fold := announce.Fold{Position: 4, Epoch: 3, Holder: "p", Head: 20260102150405000, Manifest: dataset.Digest{1}}
	var lines []announce.Line
	want := []string{"WHAT"}
	for _, c := range []struct {
		kind announce.Kind
		body announce.Body
		want string
	}{
		{announce.KindClaim, announce.Claim{Holder: "q"}, "claim (void)"}, // in an epoch before
		{announce.KindClaim, announce.Claim{Holder: "p", Released: true}, "release"},
		{announce.KindAnnounce, announce.Announcement{Version: 1}, "announce 1 (void)"},
		{announce.KindSnapshot, announce.Snapshot{Version: fold.Head, Manifest: fold.Manifest}, "snapshot of 20260102150405000 (void)"},
		{announce.KindEvaluated, announce.Evaluated{Evaluation: dataset.Evaluation{Logic: "decide", Output: fold.Head}}, "decide ran, 20260102150405000 stays"},
		{announce.KindPin, announce.Pin{Version: fold.Head, Manifest: fold.Manifest}, "pin 20260102150405000"},
		{announce.KindPin, announce.Pin{}, "unpin"},
		{announce.KindPrune, announce.Prune{Horizon: 7, Keys: []string{"no key"}}, "prune 1 file below 7 (void)"},
		{announce.KindAdvance, announce.Advance{Positions: map[string]string{"a": "b"}}, "sources advance"},
	} {
		lines = append(lines, announce.Line{Position: 5, Entry: announce.Entry{
			Kind: c.kind, Body: c.body, Fold: fold, Epoch: fold.Epoch, When: time.Unix(1, 0), Author: announce.Author{Name: "ann", Why: "so\n"},
		}})
		want = append(want, c.want)
	}
	var out bytes.Buffer
	c := newLog()
	c.SetOut(&out)
	if err := printLog(c, lines, "table"); err != nil {
		t.Fatal(err)
	}
	printed := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	from, to := strings.Index(printed[0], "WHAT"), strings.Index(printed[0], "BY")
	var got []string
	for _, line := range printed {
		got = append(got, strings.TrimSpace(line[from:to]))
		if line != printed[0] && !strings.HasSuffix(line, `ann  so\n`) {
			t.Errorf("%q does not end with who and why", line)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("printed are\n%q, want\n%q", got, want)
	}
}
