package collector

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPercent(t *testing.T) {
	for _, tc := range []struct {
		live int64
		want int
	}{
		{0, 100}, {1 << 20, 100}, {16 << 20, 100}, {64 << 20, 25}, {128 << 20, 12}, {256 << 20, 6}, {1 << 40, 6},
	} {
		if got := percent(tc.live); got != tc.want {
			t.Errorf("%d bytes: %d per cent, want %d", tc.live, got, tc.want)
		}
	}
}

// TestFollow changes what lives and looks at what the collector is set to. An
// environment that sets GOGC is left alone.
func TestFollow(t *testing.T) {
	for _, set := range []string{"", "77"} {
		t.Setenv("GOGC", set)
		before := debug.SetGCPercent(77)
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { Follow(ctx); close(done) }()
			look := func() int {
				time.Sleep(2 * interval) // virtual
				p := debug.SetGCPercent(77)
				debug.SetGCPercent(p)
				return p
			}
			small := look()
			data := make([]byte, 256<<20)
			runtime.GC()
			large := look()
			runtime.KeepAlive(data)
			if set != "" && (small != 77 || large != 77) {
				t.Errorf("GOGC=%s: set to %d and %d", set, small, large)
			}
			if set == "" && (large < 5 || large > 7 || small <= large) {
				t.Errorf("set to %d, with 256 MiB to %d", small, large)
			}
			stop()
			<-done
		})
		debug.SetGCPercent(before)
	}
}
