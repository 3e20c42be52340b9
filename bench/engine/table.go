package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
)

// bars are what the figures are to reach on a million movies: at least, and
// the aim.
var bars = map[string][2]float64{
	"delta_0.01": {300, 1500}, "delta_0.1": {100, 250}, "delta_1": {12, 35}, "delta_10": {4, 8},
	"delta_java_0.1": {80, 150}, "delta_java_10": {2.5, 4}, "hash_0.01": {100, 10_000}, "hash_1": {100, 1000},
	"hash_build": {10, 20}, "hash_bytes": {0.5, 0.1}, "cycle_0.01": {200, 2000}, "cycle_1": {15, 30},
	"populate": {3, 8}, "load": {4, 12}, "get3": {1.8, 2.4}, "get3_batch16": {4, 7}, "get_view": {2.5, 3.8},
	"get_copy": {1.5, 2.5}, "whole": {3.5, 5}, "scan": {6, 12}, "bytes": {0.85, 0.55}, "rss": {0.7, 0.5},
	"version_bytes": {0.01, 0.004}, "aged_live": {1.15, 1.08}, "aged_held": {1.3, 1.15},
	"diff_chain": {100, 1000}, "diff_any": {5, 10}, "gc_share": {0.02, 0.005},
}

// report prints the tables and writes engine.json and engine-options.json.
func (b *bench) report(out io.Writer) error {
	cases := b.results.cases()
	fmt.Fprintf(out, "%s, seed %d, %s\n\n", b.options.data, b.options.seed, machine())
	fmt.Fprintln(out, "| figure | case | ours | Hollow | ratio | at least | aim |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, f := range cases {
		fmt.Fprintln(out, f.line())
	}
	with := b.results.optionFigures(cases)
	printOptions(out, with)
	b.others(out)
	return errors.Join(b.save("engine", worst(cases)), b.save("engine-options", with))
}

// line is the figure's in the table.
func (f *figure) line() string {
	least, aim := "", ""
	if bar, ok := bars[f.Figure]; ok {
		least, aim = short(bar[0]), short(bar[1])
	}
	ours, theirs, ratio := f.missing, "", ""
	if f.measured {
		ours = amount(f.Ours, f.OursRange, f.Interval, f.Unit)
	}
	if f.Hollow != nil {
		theirs = amount(*f.Hollow, *f.HollowRange, f.HollowInterval, f.Unit)
	}
	if f.Ratio != nil {
		ratio = short(*f.Ratio)
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s | %s |", f.Figure, f.Case, ours, theirs, ratio, least, aim)
}

// others prints what was measured besides: nothing is left out.
func (b *bench) others(out io.Writer) {
	fmt.Fprint(out, "\nBesides (medians of the runs):\n\n| side | step | metric | value |\n|---|---|---|---|\n")
	named := map[string]bool{}
	for _, m := range b.results.measures() {
		named[key("ours", m.step, m.ours)], named[key("hollow", m.step, m.hollow)] = true, true
	}
	for _, m := range measuredOptions() {
		named[key("hollow", m.step, m.metric)] = true
	}
	var all []string
	for k := range b.results.numbers {
		if !named[k] {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	for _, k := range all {
		words := strings.Fields(k)
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", words[0], words[1], words[2], short(median(b.results.numbers[k])))
	}
	for _, phase := range []string{"load", "delta", "diff", "hash", "produce"} {
		if heap, err := b.heap(phase); err == nil && b.classpath != "" {
			fmt.Fprintf(out, "| hollow | %s | heap limit, MiB | %d |\n", phase, heap)
		}
	}
}

// amount prints a number with its range, or with its interval where it has one,
// and unit.
func amount(v float64, within [2]float64, interval *[2]float64, unit string) string {
	if unit == "fraction" {
		unit = ""
	}
	text := short(v)
	if interval != nil {
		return fmt.Sprintf("%s [%s, %s]", text, short(interval[0]), short(interval[1]))
	}
	if within[0] != within[1] {
		text += fmt.Sprintf(" (%s–%s)", short(within[0]), short(within[1]))
	}
	return strings.TrimSpace(text + " " + unit)
}

// short prints three digits.
func short(v float64) string {
	if v == 0 || math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func machine() string {
	model := "unknown processor"
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d × %s, %s %s/%s, load average at the end %s", runtime.NumCPU(), model, runtime.Version(), runtime.GOOS, runtime.GOARCH, average)
}
