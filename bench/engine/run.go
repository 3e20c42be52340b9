package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-data/holdfast/bench/hollow"
)

// results are the medians of processes, by side, metric and run, and all samples
// of all runs.
type results struct {
	numbers map[string][]float64
	samples map[string][]float64
	texts   map[string][]string
}

func key(side, step, metric string) string { return side + " " + step + " " + metric }

// bench runs the steps.
type bench struct {
	w         workspace
	options   options
	self      string
	classpath string // empty: no Hollow
	results   results
}

func run(ctx context.Context, o options) error {
	w, err := createWorkspace(o)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b := &bench{w: w, options: o, self: self, results: results{
		numbers: map[string][]float64{}, samples: map[string][]float64{}, texts: map[string][]string{},
	}}
	if o.java {
		switch b.classpath, err = hollow.Build(ctx, filepath.Join(o.out, "hollow")); {
		case errors.Is(err, hollow.ErrMissing):
			fmt.Fprintln(os.Stderr, "engine: Hollow is left out:", err)
		case err != nil:
			return fmt.Errorf("build Hollow's side: %w", err)
		}
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	return b.report(os.Stdout)
}

func (b *bench) measure(ctx context.Context) error {
	list, age, err := chosen(steps(b.w), b.options)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx, age); err != nil {
		return err
	}
	for i := range b.options.runs {
		for _, s := range list {
			if s.option && (i > 0 || b.classpath == "") {
				continue
			}
			start := time.Now()
			if err := b.step(ctx, i, s); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "engine: run %d: %s took %v\n", i+1, s.name, time.Since(start).Round(time.Second))
			if err := b.results.agree(); err != nil {
				return err
			}
		}
	}
	return nil
}

// prepare makes the data.
func (b *bench) prepare(ctx context.Context, age bool) error {
	if b.options.keep {
		return nil
	}
	phases := []string{"prepare"}
	if age {
		phases = append(phases, ageing)
	}
	for _, phase := range phases {
		start := time.Now()
		if err := b.ours(ctx, 0, phase, phase); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "engine: %s took %v\n", phase, time.Since(start).Round(time.Second))
	}
	return nil
}

// step measures both sides, ours first in every other run. Where a step makes
// blobs, the sides do not depend on each other.
func (b *bench) step(ctx context.Context, run int, s step) error {
	sides := []func() error{
		func() error { return b.ours(ctx, run, s.name, s.ours) },
		func() error { return b.hollow(ctx, run, s) },
	}
	if run%2 == 1 {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if err := side(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) ours(ctx context.Context, run int, name, phase string) error {
	if phase == "" {
		return nil
	}
	chain := "own"
	if b.classpath != "" {
		chain = "java"
	}
	words := strings.Fields(strings.ReplaceAll(phase, "CHAIN", chain))
	args := append([]string{"phase", words[0], b.w.path}, words[1:]...)
	return b.process(ctx, run, "ours", name, append([]string{b.self}, args...))
}

func (b *bench) hollow(ctx context.Context, run int, s step) error {
	if b.classpath == "" || s.hollow == nil {
		return nil
	}
	heap, err := b.heap(s.hollow[0])
	if err != nil {
		return err
	}
	args := append([]string{"java", fmt.Sprintf("-Xmx%dm", heap)}, s.flags...)
	args = append(args, "-cp", b.classpath, "Main")
	return b.process(ctx, run, "hollow", s.name, append(args, s.hollow...))
}

// heap returns the heap limit of a phase of Hollow in MiB: multiples of the
// base's bytes that leave it at ease. A movie takes half of its bytes in memory,
// other records a little more than all of theirs.
func (b *bench) heap(phase string) (int, error) {
	if b.w.editions() {
		return 256, nil
	}
	info, err := os.Stat(b.w.file("base.bin"))
	if err != nil {
		return 0, err
	}
	times := map[string]int64{"produce": 8, "diff": 6, "load": 1}[phase]
	if times == 0 {
		times = 2
	}
	if b.w.kind.Root != "Movie" {
		times *= 2
	}
	return max(256, int(times*info.Size()>>20)/64*64+64), nil
}

// process runs a command and keeps the medians of what it prints.
func (b *bench) process(ctx context.Context, run int, side, name string, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", strings.Join(command, " "), err, stderr.Bytes())
	}
	all := map[string][]float64{}
	for in := bufio.NewScanner(bytes.NewReader(out)); in.Scan(); {
		var s sample
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			continue // Hollow's own messages
		}
		if s.Text != "" {
			b.results.texts[key(side, name, s.Metric)] = append(b.results.texts[key(side, name, s.Metric)], s.Text)
			continue
		}
		all[s.Metric] = append(all[s.Metric], s.Value)
	}
	for metric, values := range all {
		k := key(side, name, metric)
		b.results.numbers[k] = append(b.results.numbers[k], median(values))
		b.results.samples[k] = append(b.results.samples[k], values...)
	}
	return nil
}

// agree holds the digests of all sides against each other.
func (r results) agree() error {
	same := func(keys ...string) error {
		first := ""
		for _, k := range keys {
			for _, text := range r.texts[k] {
				if first == "" {
					first = text
				}
				if text != first {
					return fmt.Errorf("%s is %s, of another side %s: the sides do not hold the same data", k, text, first)
				}
			}
		}
		return nil
	}
	var sums error
	if len(r.texts[key("ours", "read", "whole_sum")]) > 0 {
		sums = same(key("ours", "read", "whole_sum"), key("hollow", "read", "whole_sum"),
			key("hollow", "read_mapped", "whole_sum"), key("hollow", "read_huge", "whole_sum"))
	}
	for _, name := range r.hashes() {
		sums = errors.Join(sums, same(key("ours", "hash", "sum_"+name), key("hollow", "hash", "sum_"+name)))
	}
	return errors.Join(
		sums,
		same(key("ours", "cycle", "digest"), key("ours", "delta_java", "digest"), key("hollow", "delta_java", "digest"),
			key("hollow", "delta_focus", "digest"), key("hollow", "delta_small", "digest")),
		same(key("ours", ageing, "digest"), key("ours", "prepare", "digest"), key("ours", "delta", "digest"), key("hollow", "delta", "digest"),
			key("hollow", "delta_in_place", "digest")),
	)
}
