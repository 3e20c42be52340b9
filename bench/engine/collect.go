package main

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// collectSeconds is how long phaseCollect runs.
const collectSeconds = 30

// phaseCollect takes the share of the collector in the processor time of a
// process that looks up keys on one thread and applies a delta of 0.1 % each
// second. A collection before and one after are part of it, so that the share
// is rather too great.
func phaseCollect(w workspace, _ []string) error {
	aged, err := openFolder(w.file("aged"))
	if err != nil {
		return err
	}
	s, err := aged.load(w.kind.Root)
	if err != nil {
		return err
	}
	list, err := w.keys()
	if err != nil {
		return err
	}
	field := s.Type(w.kind.Root).Schema().FieldIndex(w.kind.Scan)
	var now atomic.Pointer[state.State]
	now.Store(s)
	var stop atomic.Bool
	done := make(chan int64)
	runtime.GC()
	collector, process := collectorTime(), processTime()
	go func() { done <- lookUp(list, field, &now, &stop) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 1; i <= collectSeconds; i++ {
		<-tick.C
		if s, err = aged.apply(s, i); err != nil {
			return err
		}
		now.Store(s)
	}
	stop.Store(true)
	sink.Add(<-done)
	runtime.GC()
	emit("gc_share", (collectorTime()-collector)/(processTime()-process).Seconds())
	return nil
}

// lookUp reads a field of the record of each key, again and again. A key whose
// record is gone counts for nothing.
func lookUp(list []int64, field int, now *atomic.Pointer[state.State], stop *atomic.Bool) int64 {
	var sum int64
	for i := 0; !stop.Load(); i++ {
		x := keys(now.Load())
		for range 64 {
			i++
			if r, ok := x.Record(state.LongValue(list[i%len(list)])); ok {
				v, _ := r.Int(field)
				sum += int64(v)
			}
		}
	}
	return sum
}

// collectorTime returns the processor seconds of all collections that are done.
func collectorTime() float64 {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64()
}
