package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// report gathers what was measured. It is safe for concurrent use.
type report struct {
	mu      sync.Mutex
	options options
	times   map[string][]float64 // in milliseconds, by what they are of
	order   []string             // of times
	samples []sample
	states  map[string]int // statuses of sidecars whose store was replaced
	wrong   []string
}

func newReport(o options) *report {
	return &report{options: o, times: map[string][]float64{}, states: map[string]int{}}
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// add notes one time.
func (r *report) add(what string, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times[what] == nil {
		r.order = append(r.order, what)
	}
	r.times[what] = append(r.times[what], milliseconds(d))
}

// lag notes how long versions took to be seen.
func (r *report) lag(what string, all []sighting) {
	for _, x := range all {
		last := len(x.seen) - 1
		r.add(what+": publish", x.Acked.Sub(x.Begun))
		r.add(what+": acknowledged to first sidecar", x.seen[0].Sub(x.Acked))
		r.add(what+": acknowledged to all sidecars", x.seen[last].Sub(x.Acked))
		r.add(what+": begun to first sidecar", x.seen[0].Sub(x.Begun))
		r.add(what+": begun to all sidecars", x.seen[last].Sub(x.Begun))
	}
}

func (r *report) sample(x sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, x)
}

// saw counts a status by its state.
func (r *report) saw(at status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range at.Datasets {
		r.states[fmt.Sprintf("%s, ready: %t", d.State, d.Ready)]++
	}
}

// problem notes what is wrong, not how fast it is.
func (r *report) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// timing is one line of times, in milliseconds.
type timing struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// trend is how a size moves once the processes are warm: over the samples from
// the first quarter of the versions on.
type trend struct {
	Name  string  `json:"name"`
	First float64 `json:"first"`
	Last  float64 `json:"last"`
	// Slope is by least squares, in units per 1,000 versions.
	Slope float64 `json:"slope_per_1000"`
}

func (r *report) timings() []timing {
	out := []timing{}
	for _, name := range r.order {
		all := r.times[name]
		out = append(out, timing{name, len(all), percentile(all, 50), percentile(all, 99), slices.Max(all)})
	}
	return out
}

func (r *report) trends() []trend {
	out := []trend{}
	warm := r.samples[len(r.samples)/4:]
	for _, c := range []struct {
		name string
		of   func(sample) float64
	}{
		{"producer: resident memory, B", func(s sample) float64 { return float64(s.Producer.RSS) }},
		{"producer: anonymous part of it, B", func(s sample) float64 { return float64(s.Producer.Anonymous) }},
		{"producer: live heap, B", func(s sample) float64 { return float64(s.Producer.Heap) }},
		{"producer: goroutines", func(s sample) float64 { return float64(s.Producer.Goroutines) }},
		{"sidecar: resident memory, B", func(s sample) float64 { return float64(s.Sidecar.RSS) }},
		{"sidecar: anonymous part of it, B", func(s sample) float64 { return float64(s.Sidecar.Anonymous) }},
		{"sidecar: live heap, B", func(s sample) float64 { return float64(s.Sidecar.Heap) }},
		{"sidecar: goroutines", func(s sample) float64 { return float64(s.Sidecar.Goroutines) }},
		{"store: disk after a prune, B", func(s sample) float64 { return float64(s.Disk) }},
		{"store: the log's part of it, B", func(s sample) float64 { return float64(s.Log) }},
		{"store: disk without the log, B", func(s sample) float64 { return float64(s.Disk - s.Log) }},
		{"prune, ms", func(s sample) float64 { return s.PruneMS }},
	} {
		var x, y []float64
		for _, s := range warm {
			x, y = append(x, float64(s.Versions)), append(y, c.of(s))
		}
		if len(y) > 0 {
			out = append(out, trend{c.name, y[0], y[len(y)-1], 1000 * slope(x, y)})
		}
	}
	return out
}

// finish writes freshness.json, prints the tables, and fails if something was
// wrong.
func (r *report) finish(dir string, out io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	text, err := json.MarshalIndent(struct {
		Machine  string         `json:"machine"`
		Seed     uint64         `json:"seed"`
		Times    []timing       `json:"times"`
		Trends   []trend        `json:"trends"`
		Samples  []sample       `json:"samples"`
		States   map[string]int `json:"states_while_restored"`
		Problems []string       `json:"problems"`
	}{machine(), r.options.seed, r.timings(), r.trends(), r.samples, r.states, r.wrong}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "freshness.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	r.print(out)
	if len(r.wrong) > 0 {
		return fmt.Errorf("%d things were wrong, the first: %s", len(r.wrong), r.wrong[0])
	}
	return nil
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "seed %d, %s\n\n", r.options.seed, machine())
	if len(r.order) > 0 {
		fmt.Fprint(out, "| time | n | p50 ms | p99 ms | greatest ms |\n|---|---|---|---|---|\n")
		for _, t := range r.timings() {
			fmt.Fprintf(out, "| %s | %d | %.1f | %.1f | %.1f |\n", t.Name, t.Count, t.P50, t.P99, t.Max)
		}
	}
	if len(r.samples) > 0 {
		fmt.Fprintf(out, "\n| soak, %d versions | after %d | at the end | per 1,000 versions |\n|---|---|---|---|\n",
			r.samples[len(r.samples)-1].Versions, r.samples[len(r.samples)/4].Versions)
		for _, t := range r.trends() {
			fmt.Fprintf(out, "| %s | %.0f | %.0f | %+.1f |\n", t.Name, t.First, t.Last, t.Slope)
		}
	}
	for state, n := range r.states {
		fmt.Fprintf(out, "\nwhile the store was replaced: %s: %d answers", state, n)
	}
	fmt.Fprintf(out, "\n%d problems\n", len(r.wrong))
}

// String is a sample on one line.
func (s sample) String() string {
	const mb = 1e6
	return fmt.Sprintf("%d versions in %.0f s; producer %.1f MB (anonymous %.1f, heap %.1f), %d goroutines; sidecar %.1f MB (anonymous %.1f, heap %.2f), %d goroutines, %d versions behind; "+
		"disk %.1f MB (log %.1f), %d files; %d look-ups, %d sessions; prune %.0f ms",
		s.Versions, s.Seconds, float64(s.Producer.RSS)/mb, float64(s.Producer.Anonymous)/mb, float64(s.Producer.Heap)/mb, s.Producer.Goroutines,
		float64(s.Sidecar.RSS)/mb, float64(s.Sidecar.Anonymous)/mb, float64(s.Sidecar.Heap)/mb, s.Sidecar.Goroutines, s.SidecarLag,
		float64(s.Disk)/mb, float64(s.Log)/mb, s.Files, s.Lookups, s.Sessions, s.PruneMS)
}

// machine says what the figures are of.
func machine() string {
	text, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(text), " ")
	return fmt.Sprintf("%d processors, %s %s/%s, load average at the end %s", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, load)
}
