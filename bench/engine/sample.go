package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sample is one line of a phase's output.
type sample struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Text   string  `json:"text,omitempty"` // of a digest
}

func emit(metric string, v float64) { write(sample{Metric: metric, Value: v}) }

func write(s sample) {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a number that is not finite
	}
	fmt.Println(string(b))
}

// emitSince emits the milliseconds since a time.
func emitSince(metric string, t time.Time) { emit(metric, float64(time.Since(t))/1e6) }

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// sink keeps the compiler from leaving work out.
var sink atomic.Int64

// perOperation returns the nanoseconds of processor time that one of the n
// operations of a call takes: after a second of warming up, the median of five
// rounds. Several calls are made at the same time, each by a goroutine of its
// own. Processor time, on both sides, because other work takes the processor
// away.
func perOperation(n int, calls ...func() int64) float64 {
	warm(n, time.Second, calls)
	var rounds []float64
	for range 5 {
		rounds = append(rounds, warm(n, 300*time.Millisecond, calls))
	}
	return median(rounds)
}

// warm makes the calls again and again until each has had that much processor
// time, and returns the nanoseconds of an operation.
func warm(n int, least time.Duration, calls []func() int64) float64 {
	start := processTime()
	end := start + least*time.Duration(len(calls))
	var done atomic.Int64
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() {
			var sum int64
			for processTime() < end {
				sum += call()
				done.Add(1)
			}
			sink.Add(sum)
		})
	}
	wg.Wait()
	return float64(processTime()-start) / float64(done.Load()) / float64(n)
}

// live returns the bytes of live memory.
func live() float64 {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// held returns the bytes that the process has from the system.
func held() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}

// resident returns the bytes of memory of the process by a name of
// /proc/self/status: VmRSS or VmHWM. It is 0 where there is no such file.
func resident(name string) float64 {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024
		}
	}
	return 0
}
