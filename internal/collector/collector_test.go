package collector

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPercent(t *testing.T) {
	for _, tc := range []struct {
		reserve Reserve
		live    int64
		want    int
	}{
		{Serving, 0, 100}, {Serving, 1 << 20, 100}, {Serving, 12 << 20, 100}, {Serving, 48 << 20, 25},
		{Serving, 128 << 20, 9}, {Serving, 288 << 20, 4}, {Serving, 1 << 40, 4},
		{Making, 0, 100}, {Making, 12 << 20, 100}, {Making, 24 << 20, 50}, {Making, 48 << 20, 25}, {Making, 1 << 40, 25},
	} {
		if got := tc.reserve.percent(tc.live); got != tc.want {
			t.Errorf("1/%d of %d bytes: %d per cent, want %d", tc.reserve, tc.live, got, tc.want)
		}
	}
}

func TestWorthwhile(t *testing.T) {
	for _, tc := range []struct {
		now, next  int
		less, want bool
	}{
		{0, 100, false, true}, {100, 7, true, true}, {100, 7, false, false}, {7, 100, false, true}, {7, 100, true, true},
		{50, 54, true, false}, {50, 46, true, false}, {50, 44, true, true}, {50, 44, false, false}, {50, 50, true, false},
	} {
		if got := worthwhile(tc.now, tc.next, tc.less); got != tc.want {
			t.Errorf("from %d to %d, less %v: %v", tc.now, tc.next, tc.less, got)
		}
	}
}

// TestWatch holds that each collection is noticed, until the end.
func TestWatch(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	collected := make(chan struct{}, 1)
	watch(ctx, collected)
	for range 3 {
		runtime.GC()
		<-collected // for ever, if it is not
	}
	stop()
	for range 3 {
		runtime.GC()
	}
}

// TestFollow changes what lives, and waits until the collector is set to what that
// asks for.
func TestFollow(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Cleanup(set(77))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { Follow(ctx, Serving); close(done) }()
	func() {
		data := make([]byte, 256<<20)
		await(t, 3, 5)
		runtime.KeepAlive(data)
	}()
	await(t, 50, 100)
	stop()
	<-done
}

// TestFollowLeavesAlone holds that an environment that sets GOGC has the last word.
func TestFollowLeavesAlone(t *testing.T) {
	t.Setenv("GOGC", "77")
	t.Cleanup(set(77))
	Follow(t.Context(), Serving) // returns at once
	if p := current(); p != 77 {
		t.Errorf("GOGC=77: set to %d", p)
	}
}

// set sets the collector and returns what sets it back.
func set(percent int) func() {
	before := debug.SetGCPercent(percent)
	return func() { debug.SetGCPercent(before) }
}

// current returns what the collector is set to.
func current() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

// await collects until the collector is set to something from least to most.
func await(t *testing.T, least, most int) {
	t.Helper()
	for range 10_000 {
		runtime.GC()
		if p := current(); p >= least && p <= most {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("set to %d, want %d to %d", current(), least, most)
}
