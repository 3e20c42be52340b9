package state

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestAboveLine compares how far numbers are above a line with what each of them
// says.
func TestAboveLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.OneOf(rapid.Just(uint16(math.MaxUint16)), rapid.Uint16Range(1, math.MaxUint16)).Draw(t, "slots")
		slope := rapid.Uint64Range(0, 1<<16-1).Draw(t, "slope")
		number := rapid.OneOf(rapid.Uint64Max(40*(slope+1)), rapid.Uint64Range(1<<63-100, 1<<63+100), rapid.Uint64())
		var nums [pageSize]uint64
		wantLeast, wantMost, wantOK := uint64(math.MaxUint64), uint64(0), true
		for i := range nums {
			if set>>i&1 == 0 {
				continue
			}
			nums[i] = number.Draw(t, "number")
			line := uint64(i) * slope
			above := nums[i] - line
			wantOK = wantOK && nums[i] >= line && above < 1<<63
			wantLeast, wantMost = min(wantLeast, above), max(wantMost, above)
		}
		least, most, ok := aboveLine(&nums, set, slope)
		if ok != wantOK || ok && (least != wantLeast || most != wantMost) {
			t.Fatalf("%v above %d a slot in %016b: %d to %d, %v; want %d to %d, %v", nums, slope, set, least, most, ok, wantLeast, wantMost, wantOK)
		}
	})
}

// TestQuotient divides numbers by the divisors of columns, and says of which numbers these
// are divisors, as a division does.
func TestQuotient(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		div := rapid.IntRange(0, len(divisors)-1).Draw(t, "divisor")
		d := divisors[div]
		x := rapid.Uint64().Draw(t, "x")
		for _, x := range []uint64{x, x / d * d, 0, d, d / 2, math.MaxUint64, math.MaxUint64 / d * d} {
			if got, want := isMultiple(x, uint8(div)), x%d == 0; got != want {
				t.Errorf("%d is a multiple of %d: %v", x, d, got)
			}
			if x%d == 0 && quotient(x, uint8(div)) != x/d {
				t.Errorf("%d/%d is %d", x, d, quotient(x, uint8(div)))
			}
		}
	})
}
