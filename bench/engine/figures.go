package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// figure is one line of the table and one entry of engine.json.
type figure struct {
	Figure string   `json:"figure"`
	Unit   string   `json:"unit"`
	Ours   float64  `json:"ours"`
	Hollow *float64 `json:"hollow"`
	Ratio  *float64 `json:"ratio"`
	Runs   int      `json:"runs"`
	// Case is which of several cases this is: the worst of them.
	Case        string      `json:"case,omitempty"`
	OursRange   [2]float64  `json:"ours_range"`
	HollowRange *[2]float64 `json:"hollow_range,omitempty"`
	// Interval is one of 95 % round the median of pairs of samples.
	Interval       *[2]float64 `json:"interval,omitempty"`
	HollowInterval *[2]float64 `json:"hollow_interval,omitempty"`

	measured bool
	missing  string // why not
	memory   bool   // less is written of it
}

// measured says where a case of a figure comes from: a step and the metrics of
// the two sides; what has no step is not built. A figure's ratio is Hollow's number over ours, or, if less is
// written of memory, ours over Hollow's. NAME stands for each of the indexes that
// the data has.
type measured struct {
	figure, unit, name string
	step, ours, hollow string
	memory             bool
	pairs              bool // quotients of pairs, which say how sure they are and have no ratio
}

var measures = []measured{
	{figure: "delta_0.01", unit: "ms", step: "delta", ours: "delta@100", hollow: "delta@100"},
	{figure: "delta_0.1", unit: "ms", step: "delta", ours: "delta@1000", hollow: "delta@1000"},
	{figure: "delta_1", unit: "ms", step: "delta", ours: "delta@10000", hollow: "delta@10000"},
	{figure: "delta_10", unit: "ms", step: "delta", ours: "delta@100000", hollow: "delta@100000"},
	{figure: "delta_java_0.1", unit: "ms", step: "delta_java", ours: "delta@1000", hollow: "delta@1000"},
	{figure: "delta_java_10", unit: "ms", step: "delta_java", ours: "delta@100000", hollow: "delta@100000"},
	{figure: "hash_0.01", unit: "ms", step: "hash", ours: "hash_NAME@100", hollow: "hash_NAME@100"},
	{figure: "hash_1", unit: "ms", step: "hash", ours: "hash_NAME@10000", hollow: "hash_NAME@10000"},
	{figure: "hash_build", unit: "ms", step: "hash", ours: "hash_build_NAME", hollow: "hash_build_NAME"},
	{figure: "hash_bytes", unit: "B", step: "hash", ours: "hash_bytes_NAME", hollow: "hash_bytes_NAME", memory: true},
	{figure: "cycle_0.01", unit: "ms", name: "memory", step: "cycle", ours: "cycle@100", hollow: "cycle@100"},
	{figure: "cycle_0.01", unit: "ms", name: "durable store", step: "cycle", ours: "cycle_durable@100", hollow: "cycle@100"},
	{figure: "cycle_1", unit: "ms", name: "memory", step: "cycle", ours: "cycle@10000", hollow: "cycle@10000"},
	{figure: "cycle_1", unit: "ms", name: "durable store", step: "cycle", ours: "cycle_durable@10000", hollow: "cycle@10000"},
	{figure: "populate", unit: "ms", step: "populate", ours: "populate", hollow: "populate"},
	{figure: "load", unit: "ms", name: "first in a process", step: "load", ours: "load_cold", hollow: "load_cold"},
	{figure: "load", unit: "ms", name: "warm", step: "load", ours: "load_warm", hollow: "load_warm"},
	{figure: "get3", unit: "ns", name: "1 thread", step: "read", ours: "get3", hollow: "get3"},
	{figure: "get3", unit: "ns", name: "2 threads", step: "read", ours: "get3_2threads", hollow: "get3_2threads"},
	{figure: "get3_batch16", unit: "ns", step: "read", ours: "get3_batch16", hollow: "get3"},
	{figure: "get_view", unit: "ns", step: "read", ours: "get_view", hollow: "get_string"},
	{figure: "get_copy", unit: "ns", step: "read", ours: "get_copy", hollow: "get_string"},
	{figure: "whole", unit: "ns", step: "read", ours: "whole", hollow: "whole"},
	{figure: "scan", unit: "ns", step: "read", ours: "scan", hollow: "scan"},
	{figure: "get3_busy", unit: "fraction", step: "busy", ours: "get3_busy", hollow: "get3_busy", pairs: true},
	{figure: "get3_busy_wall", unit: "fraction", step: "busy", ours: "get3_busy_wall", hollow: "get3_busy_wall", pairs: true},
	{figure: "get3_stall", unit: "ns", name: "quiet", step: "busy", ours: "stall_quiet", hollow: "stall_quiet"},
	{figure: "get3_stall", unit: "ns", name: "busy", step: "busy", ours: "stall_busy", hollow: "stall_busy"},
	{figure: "bytes", unit: "B", step: "load", ours: "bytes", hollow: "bytes", memory: true},
	{figure: "rss", unit: "B", step: "load", ours: "rss", hollow: "rss", memory: true},
	{figure: "version_bytes", step: "aged"}, {figure: "aged_live", step: "aged"}, {figure: "aged_held", step: "aged_held"}, // quotients
	{figure: "diff_chain", unit: "ms", step: "diff", ours: "diff_chain", hollow: "diff"},
	{figure: "diff_any", unit: "ms", step: "diff", ours: "diff_any", hollow: "diff"},
	{figure: "gc_share", unit: "fraction", step: "collect", ours: "gc_share"},
}

// hashes returns the names of the indexes that were built.
func (r results) hashes() []string {
	var names []string
	for k := range r.numbers {
		if name, ok := strings.CutPrefix(k, key("ours", "hash", "hash_build_")); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// measures returns what the data has of measures.
func (r results) measures() []measured {
	var out []measured
	for _, m := range measures {
		names := r.hashes()
		if !strings.Contains(m.ours, "NAME") || len(names) == 0 {
			out = append(out, m)
			continue
		}
		for _, name := range names {
			one := m
			one.name = name
			one.ours, one.hollow = strings.ReplaceAll(m.ours, "NAME", name), strings.ReplaceAll(m.hollow, "NAME", name)
			out = append(out, one)
		}
	}
	return out
}

// cases returns every case, in the table's order; one that was not measured has
// no numbers.
func (r results) cases() []figure {
	var out []figure
	for _, m := range r.measures() {
		f := figure{Figure: m.figure, Unit: m.unit, Case: m.name, missing: "not measured"}
		if m.step == "" {
			f.missing = "not built"
		}
		ours := r.numbers[key("ours", m.step, m.ours)]
		switch m.figure {
		case "version_bytes":
			ours = r.quotient("aged_version", "aged_live")
		case "aged_live":
			ours = r.quotient("aged_live", "fresh_live")
		case "aged_held":
			ours = r.quotient("aged_held", "fresh_held")
		}
		if f.Unit == "" {
			f.Unit = "fraction"
		}
		if f.set(ours); !f.measured {
			out = append(out, f)
			continue
		}
		f.memory = m.memory
		f.compare(r.numbers[key("hollow", m.step, m.hollow)])
		if m.pairs {
			f.pair(r.samples[key("ours", m.step, m.ours)], r.samples[key("hollow", m.step, m.hollow)])
		}
		out = append(out, f)
	}
	return out
}

func (f *figure) set(ours []float64) {
	if len(ours) == 0 {
		return
	}
	f.measured, f.Ours, f.Runs = true, median(ours), len(ours)
	f.OursRange = [2]float64{slices.Min(ours), slices.Max(ours)}
}

func (f *figure) compare(hollow []float64) {
	if len(hollow) == 0 {
		return
	}
	m := median(hollow)
	ratio := f.ratioTo(m)
	f.Hollow, f.Ratio = &m, &ratio
	f.HollowRange = &[2]float64{slices.Min(hollow), slices.Max(hollow)}
}

// ratioTo compares ours with a number of Hollow.
func (f *figure) ratioTo(hollow float64) float64 {
	if f.memory {
		return f.Ours / hollow
	}
	return hollow / f.Ours
}

// pair makes a figure of the pairs of all runs.
func (f *figure) pair(ours, hollow []float64) {
	in := medianInterval(ours)
	f.Ours, f.Interval, f.Ratio = median(ours), &in, nil
	if len(hollow) > 0 {
		m, in := median(hollow), medianInterval(hollow)
		f.Hollow, f.HollowInterval = &m, &in
	}
}

// quotient divides metrics of the steps that weigh an old state and a fresh
// one, run by run.
func (r results) quotient(of, by string) []float64 {
	find := func(metric string) []float64 {
		for _, step := range []string{"aged", "aged_held", "fresh"} {
			if v := r.numbers[key("ours", step, metric)]; len(v) > 0 {
				return v
			}
		}
		return nil
	}
	a, b := find(of), find(by)
	var out []float64
	for i := range min(len(a), len(b)) {
		out = append(out, a[i]/b[i])
	}
	return out
}

// worst keeps of each figure that was measured the case with the worst ratio.
func worst(cases []figure) []figure {
	var out []figure
	for _, f := range cases {
		if !f.measured {
			continue
		}
		if n := len(out); n > 0 && out[n-1].Figure == f.Figure {
			if f.Ratio != nil && out[n-1].Ratio != nil && *f.Ratio < *out[n-1].Ratio || f.Ratio == nil && f.Ours > out[n-1].Ours {
				out[n-1] = f
			}
			continue
		}
		out = append(out, f)
	}
	return out
}

// save writes a list as a file such as engine.json, and a copy that names the
// data.
func (b *bench) save(name string, list any) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	for _, name := range []string{name + ".json", name + "-" + b.options.data + ".json"} {
		if err := os.WriteFile(filepath.Join(b.options.out, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
