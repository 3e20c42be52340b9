package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/holdfast-data/holdfast/internal/collector"
)

// phases by name. Each runs in a process of its own.
var phases = map[string]func(w workspace, args []string) error{
	"prepare":   func(w workspace, _ []string) error { return w.prepare() },
	"age":       phaseAge,
	"populate":  phasePopulate,
	"cycle":     phaseCycle,
	"delta":     phaseDelta,
	"aged":      phaseAged,
	"aged_held": phaseAgedHeld,
	"fresh":     phaseFresh,
	"load":      phaseLoad,
	"read":      phaseRead,
	"busy":      phaseBusy,
	"diff":      phaseDiff,
	"collect":   phaseCollect,
	"hash":      phaseHash,
	"limit":     phaseLimit,
}

// producing names the phases that make versions; the others do what a sidecar
// does.
var producing = map[string]bool{"prepare": true, "age": true, "populate": true, "cycle": true}

// runPhase runs one in the workspace args[0]. BENCH_PROFILE names a file for a
// processor profile of it.
func runPhase(name string, args []string) (failed error) {
	f := phases[name]
	if f == nil || len(args) == 0 {
		return fmt.Errorf("there is no phase %q, or its folder is missing", name)
	}
	w, err := openWorkspace(args[0])
	if err != nil {
		return fmt.Errorf("run phase %s: %w", name, err)
	}
	if name == "prepare" || name == ageing {
		if err := w.openSource(); err != nil {
			return err
		}
	}
	if !producing[name] {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go collector.Follow(ctx, collector.Serving) // as in holdfast run
	}
	if file := os.Getenv("BENCH_PROFILE"); file != "" {
		stop, err := profile(file)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, stop()) }()
	}
	if err := f(w, args[1:]); err != nil {
		return fmt.Errorf("run phase %s: %w", name, err)
	}
	return nil
}

func profile(file string) (stop func() error, err error) {
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return out.Close()
	}, nil
}
