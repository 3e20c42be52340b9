package main

import (
	"context"
	"runtime"
	"time"
)

// phaseLoad times loads of a snapshot with its key index, from the file on, and
// weighs the first one.
func phaseLoad(w workspace, args []string) error {
	f, err := openFolder(w.file(args[0]))
	if err != nil {
		return err
	}
	empty := live()
	start := time.Now()
	s, err := f.load(w.kind.Root)
	if err != nil {
		return err
	}
	emitSince("load_cold", start)
	emit("rss_peak", resident("VmHWM"))
	s.Settle(context.Background()) // as a replica does
	for range 4 {                  // as on Hollow's side
		runtime.GC()
		time.Sleep(150 * time.Millisecond)
	}
	emit("rss", resident("VmRSS"))
	emit("bytes", live()-empty)
	emit("records", float64(s.Type(w.kind.Root).Len()))
	runtime.KeepAlive(s)
	s = nil
	for range 4 {
		runtime.GC()
		start := time.Now()
		if s, err = f.load(w.kind.Root); err != nil {
			return err
		}
		emitSince("load_warm", start)
		runtime.KeepAlive(s)
		s = nil
	}
	return nil
}
