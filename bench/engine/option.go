package main

import (
	"fmt"
	"io"
	"strings"
)

// allOptions stands for every step that measures options.
const allOptions = "options"

// optionSteps are the steps that measure Hollow with options that are off by
// default.
func optionSteps(w workspace) []step {
	root, keys := w.kind.Root, w.file("keys.bin")
	java, focus, small := w.file("java"), w.file("java-focus"), w.file("java-small")
	inPlace := []string{"-Dcom.netflix.hollow.core.index.HollowPrimaryKeyIndex.allowDeltaUpdate=true"}
	huge := []string{"-XX:+UseTransparentHugePages"}
	list := []step{
		{name: "delta_in_place", hollow: []string{"delta", w.file("tail"), root, "3"}, flags: inPlace, needs: ageing},
		{name: "load_mapped", hollow: []string{"load", java, root, "mapped"}, needs: "populate"},
		{name: "read_mapped", hollow: []string{"read", java, root, keys, "mapped"}, needs: "populate"},
		{name: "load_huge", hollow: []string{"load", java, root}, flags: huge, needs: "populate"},
		{name: "read_huge", hollow: []string{"read", java, root, keys}, flags: huge, needs: "populate"},
		{name: "cycle_focus", hollow: []string{"produce", w.path, focus, "focus"}},
		{name: "delta_focus", hollow: []string{"delta", focus, root, "3"}, needs: "cycle_focus"},
		{name: "cycle_small", hollow: []string{"produce", w.path, small, "small"}},
		{name: "delta_small", hollow: []string{"delta", small, root, "3"}, needs: "cycle_small"},
	}
	for i := range list {
		list[i].option = true
	}
	return list
}

// measuredOption says where a case of a figure is measured with an option.
type measuredOption struct{ option, figure, name, step, metric string }

// measuredOptions lists all of them, in the table's order.
func measuredOptions() []measuredOption {
	const (
		skip    = "skip shards without additions"
		inPlace = "key index follows deltas"
		focus   = "new records in few shards"
		small   = "shards of 1 MiB"
		mapped  = "shared memory"
		huge    = "transparent huge pages (Java)"
	)
	var list []measuredOption
	for _, rate := range [][2]string{{"delta_0.01", "100"}, {"delta_0.1", "1000"}, {"delta_1", "10000"}, {"delta_10", "100000"}} {
		list = append(list,
			measuredOption{skip, rate[0], "", "delta", "delta_skip_shards@" + rate[1]},
			measuredOption{inPlace, rate[0], "", "delta_in_place", "delta@" + rate[1]},
			measuredOption{skip + ", " + inPlace, rate[0], "", "delta_in_place", "delta_skip_shards@" + rate[1]})
	}
	for _, rate := range [][2]string{{"delta_java_0.1", "1000"}, {"delta_java_10", "100000"}} {
		list = append(list,
			measuredOption{skip, rate[0], "", "delta_java", "delta_skip_shards@" + rate[1]},
			measuredOption{skip + ", " + focus, rate[0], "", "delta_focus", "delta_skip_shards@" + rate[1]},
			measuredOption{skip + ", " + focus + ", " + small, rate[0], "", "delta_small", "delta_skip_shards@" + rate[1]})
	}
	for _, rate := range [][2]string{{"cycle_0.01", "100"}, {"cycle_1", "10000"}} {
		list = append(list,
			measuredOption{focus, rate[0], "memory", "cycle_focus", "cycle@" + rate[1]},
			measuredOption{focus + ", " + small, rate[0], "memory", "cycle_small", "cycle@" + rate[1]})
	}
	list = append(list, measuredOption{focus, "populate", "", "cycle_focus", "populate"},
		measuredOption{focus + ", " + small, "populate", "", "cycle_small", "populate"})
	list = append(list, readOptions(mapped, "_mapped")...)
	return append(list, readOptions(huge, "_huge")...)
}

// readOptions are the figures of a consumer that reads and follows no deltas.
func readOptions(option, suffix string) []measuredOption {
	return []measuredOption{
		{option, "load", "first in a process", "load" + suffix, "load_cold"},
		{option, "load", "warm", "load" + suffix, "load_warm"},
		{option, "bytes", "", "load" + suffix, "bytes"},
		{option, "rss", "", "load" + suffix, "rss"},
		{option, "get3", "1 thread", "read" + suffix, "get3"},
		{option, "get3", "2 threads", "read" + suffix, "get3_2threads"},
		{option, "get_view", "", "read" + suffix, "get_string"},
		{option, "whole", "", "read" + suffix, "whole"},
		{option, "scan", "", "read" + suffix, "scan"},
	}
}

// optionFigure is a line of the second table and an entry of
// engine-options.json: Hollow by default and with an option, and ours.
type optionFigure struct {
	Option string   `json:"option"`
	Figure string   `json:"figure"`
	Case   string   `json:"case,omitempty"`
	Unit   string   `json:"unit"`
	Hollow *float64 `json:"hollow"`
	With   float64  `json:"with"`
	Ours   *float64 `json:"ours"`
	Ratio  *float64 `json:"ratio"` // as in engine.json, of the option
}

// optionFigures returns what was measured with options.
func (r results) optionFigures(cases []figure) []optionFigure {
	list := []optionFigure{}
	for _, m := range measuredOptions() {
		values := r.numbers[key("hollow", m.step, m.metric)]
		if len(values) == 0 {
			continue
		}
		o := optionFigure{Option: m.option, Figure: m.figure, Case: m.name, With: median(values)}
		for _, f := range cases {
			if f.Figure != m.figure || f.Case != m.name {
				continue
			}
			o.Unit, o.Hollow = f.Unit, f.Hollow
			if f.measured {
				ratio := f.ratioTo(o.With)
				o.Ours, o.Ratio = &f.Ours, &ratio
			}
		}
		list = append(list, o)
	}
	return list
}

// printOptions prints the second table.
func printOptions(out io.Writer, list []optionFigure) {
	if len(list) == 0 {
		return
	}
	fmt.Fprint(out, "\nHollow's options:\n\n| option | figure | case | Hollow | with option | ours | ratio |\n|---|---|---|---|---|---|---|\n")
	number := func(v *float64, unit string) string {
		if v == nil {
			return ""
		}
		return strings.TrimSpace(short(*v) + " " + unit)
	}
	for _, o := range list {
		fmt.Fprintf(out, "| %s | `%s` | %s | %s | %s | %s | %s |\n", o.Option, o.Figure, o.Case,
			number(o.Hollow, o.Unit), number(&o.With, o.Unit), number(o.Ours, o.Unit), number(o.Ratio, ""))
	}
}
