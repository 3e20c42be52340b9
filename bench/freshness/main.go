package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := start(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "freshness:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	holdfast string
	out, dir string
	seed     uint64
	versions int
	polled   int
	restored int
	soak     int
	only     string
}

// parts are what can be measured alone.
var parts = []string{"lag", "restore", "soak"}

func start(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(args) > 0 && args[0] == "produce" {
		return produce(ctx, args[1:], os.Stdin, os.Stdout)
	}
	o, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	return run(ctx, o)
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("freshness", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&o.holdfast, "holdfast", "bin/holdfast", "the holdfast command that is measured")
	f.StringVar(&o.out, "out", "bench/out", "folder for freshness.json")
	f.StringVar(&o.dir, "dir", "", "folder for stores, which is emptied at the end; by default a temporary one")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the records and of the pauses")
	f.IntVar(&o.versions, "versions", 200, "versions with gossip, per way to publish")
	f.IntVar(&o.polled, "polled", 60, "versions without gossip, per way to publish")
	f.IntVar(&o.restored, "restored", 400, "versions of the store that is restored; at least 4")
	f.IntVar(&o.soak, "soak", 10000, "versions of the soak; at least 4000, because a slope needs samples")
	f.StringVar(&o.only, "only", "", "comma-separated parts to measure: "+strings.Join(parts, ", ")+"; all if empty")
	f.Usage = func() {
		fmt.Fprintln(errs, `Freshness starts real processes (a producer, and sidecars of holdfast run) on a
folder store and measures them. It needs Linux, and takes about a quarter of an
hour. Use: freshness [flags]`)
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.versions < 1 || o.polled < 1 || o.restored < 4 || o.soak < 4000 {
		return o, errors.New("bad arguments: no operands, and numbers as freshness --help says")
	}
	for _, name := range o.chosen() {
		if !slices.Contains(parts, name) {
			return o, fmt.Errorf("-only %q: the parts are %s", name, strings.Join(parts, ", "))
		}
	}
	return o, nil
}

// chosen are the parts to measure.
func (o options) chosen() []string {
	if o.only == "" {
		return parts
	}
	return strings.Split(o.only, ",")
}

// run measures and reports. What was measured before an error is reported, too.
func run(ctx context.Context, o options) (err error) {
	if o.holdfast, err = filepath.Abs(o.holdfast); err != nil {
		return err
	}
	if _, err := os.Stat(o.holdfast); err != nil {
		return fmt.Errorf("%w: build it with make build, or name it with -holdfast", err)
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "holdfast-freshness-"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	b := &bench{options: o, report: newReport(o)}
	defer func() { err = errors.Join(err, b.report.finish(o.out, os.Stdout), os.RemoveAll(o.dir)) }()
	for _, name := range o.chosen() {
		measure := map[string]func(context.Context) error{"lag": b.lag, "restore": b.restore, "soak": b.soak}[name]
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// bench is one run of the command.
type bench struct {
	options
	report *report
	stores int // made so far
}

// store returns the path of a folder for a new store, in a folder of its own.
func (b *bench) store() (string, error) {
	b.stores++
	dir := filepath.Join(b.dir, fmt.Sprint(b.stores))
	return filepath.Join(dir, "store"), os.MkdirAll(dir, 0o755)
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "freshness: "+format+"\n", args...)
}
