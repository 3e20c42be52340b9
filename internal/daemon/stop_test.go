package daemon

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestEndAnyway ends what does not heed that it was told to stop, and nothing
// that does, or that was told nothing.
func TestEndAnyway(t *testing.T) {
	for _, c := range []struct {
		name       string
		told, ends time.Duration // when; negative for never
		want       bool
	}{
		{"heeds", time.Second, 10 * time.Second, false},
		{"does not heed", time.Second, -1, true},
		{"heeds too late", time.Second, 12 * time.Second, true},
		{"ends before", 10 * time.Second, time.Second, false},
		{"is told nothing", -1, time.Hour, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			if c.told >= 0 {
				time.AfterFunc(c.told, cancel)
			}
			start, at := time.Now(), time.Duration(-1)
			ended := EndAnyway(ctx, 10*time.Second, func() { at = time.Since(start) })
			if c.ends >= 0 {
				time.AfterFunc(c.ends, ended)
			}
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if want := c.told + 10*time.Second; c.want != (at >= 0) || c.want && at != want {
				t.Errorf("%s: ended at %s, want %v at %s", c.name, at, c.want, want)
			}
			cancel()
		})
	}
}

// TestCatchHangups hangs up before anybody follows: it ends nobody, and is seen.
func TestCatchHangups(t *testing.T) {
	follow := CatchHangups()
	for range 3 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	follow(ctx, stop)
}
