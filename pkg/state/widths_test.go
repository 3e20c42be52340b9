package state

import (
	"testing"

	"pgregory.net/rapid"
)

// TestWidths compares widths one by one.
func TestWidths(t *testing.T) {
	width := rapid.SliceOfN(rapid.IntRange(0, 64), 20, 20)
	rapid.Check(t, func(t *rapid.T) {
		have, need := width.Draw(t, "have"), width.Draw(t, "need")
		for i := range need {
			if rapid.IntRange(0, 15).Draw(t, "as they are") > 0 {
				need[i] = min(need[i], have[i])
			}
		}
		var h, n widths
		want := true
		for i := range have {
			h.set(i, have[i])
			n.set(i, need[i])
			want = want && (i >= 16 || have[i] >= need[i])
		}
		if got := h.cover(&n); got != want {
			t.Fatalf("%d cover %d: %v", have, need, got)
		}
	})
}

// TestLeastWidth holds that a page fits into no layout that is narrower than
// said.
func TestLeastWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		b := newPageBuilder(s, &layouts{})
		for range rapid.IntRange(1, 12).Draw(t, "pages") {
			page := drawPage(t, s)
			b.reset(0)
			page.fill(b, page.set)
			heap := uint64(0)
			var need widths
			for f, field := range s.Fields {
				if b.plans[f].setNumbers(field.Type, b.nums[f], b.set); field.Type.variable() {
					b.planTexts(f, &heap)
				}
				need.set(f, b.plans[f].leastWidth())
			}
			for _, l := range b.lays.all() {
				if b.fits(l, new(uint16)) && !l.widths.cover(&need) {
					t.Fatalf("plans %+v fit into %+v, but need the widths %x and it has %x", b.plans, l.shapes, need, l.widths)
				}
			}
			if _, _, err := b.plan(); err != nil { // makes layouts
				t.Fatal(err)
			}
		}
	})
}
