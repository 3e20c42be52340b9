//go:build !race

// These tests compute hundreds of thousands of decisions in one goroutine; the
// race detector would find nothing and take minutes.

package featuregate

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// decideAll returns all decisions in their order.
func decideAll(t testing.TB, in Inputs, p Policy) []*pb.Availability {
	t.Helper()
	var out []*pb.Availability
	err := Decide(in, p, func(a *pb.Availability) error {
		out = append(out, a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDecideEqualsNaive compares every decision about every edition with the
// naive twin's, to the last bit.
func TestDecideEqualsNaive(t *testing.T) {
	for _, e := range allEditions(t) {
		t.Run(e.Name, func(t *testing.T) {
			in := inputsOf(t, e)
			prod, candidate := decideAll(t, in, Prod), decideAll(t, in, Candidate)
			i, wrong := 0, 0
			same := func(got *pb.Availability, want naiveDecision) {
				if plainDecision(got) == want {
					return
				}
				if wrong++; wrong <= 10 {
					t.Errorf("decision %d is %+v, want %+v", i, plainDecision(got), want)
				}
			}
			n := newNaive(objects(t, e, Browsers))
			n.decide(objects(t, e, Features), objects(t, e, Usage), func(want naiveDecision) {
				if i < len(prod) && i < len(candidate) {
					same(prod[i], want)
					same(candidate[i], want.candidate())
				}
				i++
			})
			if len(prod) != i || len(candidate) != i {
				t.Errorf("%d and %d decisions, want %d", len(prod), len(candidate), i)
			}
		})
	}
}

func plainDecision(a *pb.Availability) naiveDecision {
	return naiveDecision{a.Feature, a.Region, a.FullPercent, a.PartialPercent, a.TotalPercent, a.Available}
}

// TestHistory shows what the embedded editions lead to: how many decisions say
// available, how many differ from the edition before, and how many of PROD's
// the candidate changes, of them to available and from it.
func TestHistory(t *testing.T) {
	var report strings.Builder
	fmt.Fprintln(&report, "edition       prod (changed to from)  candidate (changed to from)")
	var before []*pb.Availability
	for _, e := range Editions() {
		in := inputsOf(t, e)
		prod, candidate := decideAll(t, in, Prod), decideAll(t, in, Candidate)
		if len(prod) != 132960 {
			t.Errorf("edition %s leads to %d decisions", e.Name, len(prod))
		}
		fmt.Fprintf(&report, "%s  %s  %s\n", e.Name, summary(before, prod), summary(prod, candidate))
		before = prod
	}
	want := `
edition       prod (changed to from)  candidate (changed to from)
1.0.30001788  92964 (0 0 0)  103619 (47296 10655 0)
1.0.30001791  92964 (0 0 0)  103619 (47296 10655 0)
1.0.30001797  90434 (132960 1148 3678)  101288 (47799 10854 0)
1.0.30001800  90434 (238 0 0)  101298 (47799 10864 0)
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), report.String()); diff != "" {
		t.Errorf("history (-want +got):\n%s\n%s", diff, report.String())
	}
}

// summary counts what is available in next and what differs from previous.
func summary(previous, next []*pb.Availability) string {
	changed, on, off, available := 0, 0, 0, 0
	for i, a := range next {
		if a.Available {
			available++
		}
		if len(previous) == 0 {
			continue
		}
		b := previous[i]
		if plainDecision(a) != plainDecision(b) || a.Reason != b.Reason {
			changed++
		}
		if a.Available && !b.Available {
			on++
		}
		if !a.Available && b.Available {
			off++
		}
	}
	return fmt.Sprintf("%d (%d %d %d)", available, changed, on, off)
}

// browser makes a browser of versions; those that begin with ? have no release
// date.
func browser(id string, versions ...string) *pb.Browser {
	b := &pb.Browser{Id: id}
	for i, v := range versions {
		name, unreleased := strings.CutPrefix(v, "?")
		version := &pb.BrowserVersion{Version: name}
		if !unreleased {
			version.Released = proto.Int64(int64(i))
		}
		b.Versions = append(b.Versions, version)
	}
	return b
}

// entry makes a browser's support of ranges written first..last code.
func entry(browser string, ranges ...string) *pb.Support {
	s := &pb.Support{Browser: browser}
	for _, r := range ranges {
		ends, code, _ := strings.Cut(r, " ")
		first, last, _ := strings.Cut(ends, "..")
		s.Ranges = append(s.Ranges, &pb.Range{First: first, Last: last, Code: code})
	}
	return s
}

func usage(region string, shares ...*pb.Share) *pb.Usage {
	return &pb.Usage{Region: region, Shares: shares}
}

func use(browser, version string, percent float64) *pb.Share {
	return &pb.Share{Browser: browser, Version: version, Percent: percent}
}

func TestRules(t *testing.T) {
	browsers := []*pb.Browser{
		browser("chrome", "10", "9", "12.1", "all", "?TP", "?99"),
		browser("phone", "1"), browser("new", "?1", "?2"), browser("none"),
		browser("gap", "1", "?2", "3", "?4"),
	}
	tests := map[string]struct {
		support      []*pb.Support
		shares       []*pb.Share
		full         float64
		partial, sum float64
	}{
		"ranges follow the browser's order": {
			[]*pb.Support{entry("chrome", "10..12.1 y", "all..99 n")},
			[]*pb.Share{use("chrome", "9", 8), use("chrome", "11", 4), use("chrome", "all", 2)}, 8, 0, 14},
		"ends of ranges are inside": {
			[]*pb.Support{entry("chrome", "9..all y")},
			[]*pb.Share{use("chrome", "10", 1), use("chrome", "9", 2), use("chrome", "all", 4), use("chrome", "TP", 8)}, 6, 0, 15},
		"version 0 is the newest released one": {
			[]*pb.Support{entry("chrome", "10..12.1 n", "all..all y", "TP..99 n")},
			[]*pb.Share{use("chrome", "0", 3)}, 3, 0, 3},
		"version 0 is the last with a date": {
			[]*pb.Support{entry("gap", "1..2 n", "3..3 a", "4..4 y")},
			[]*pb.Share{use("gap", "0", 3)}, 0, 3, 3},
		"version 0 without a release is not known": {
			[]*pb.Support{entry("new", "1..2 y"), entry("none", "0..0 y")},
			[]*pb.Share{use("new", "0", 3), use("none", "0", 1)}, 0, 0, 4},
		"other browsers are not known": {
			[]*pb.Support{entry("lynx", "1..1 y"), entry("chrome", "10..99 y")},
			[]*pb.Share{use("lynx", "1", 3), use("lynx", "0", 1), use("phone", "1", 1)}, 0, 0, 5},
		"an unreleased version counts": {
			[]*pb.Support{entry("chrome", "TP..TP y")}, []*pb.Share{use("chrome", "TP", 3)}, 3, 0, 3},
		"a version in no range is not known": {
			[]*pb.Support{entry("chrome", "10..10 y", "12.1..99 y")}, []*pb.Share{use("chrome", "9", 3)}, 0, 0, 3},
		"ranges in the wrong order cover nothing": {
			[]*pb.Support{entry("chrome", "9..10 y")}, []*pb.Share{use("chrome", "9", 3), use("chrome", "10", 3)}, 0, 0, 6},
		"ranges of missing versions cover nothing": {
			[]*pb.Support{entry("chrome", "10..11 y", "8..9 y", "77..77 y")},
			[]*pb.Share{use("chrome", "10", 1), use("chrome", "9", 1), use("chrome", "77", 1)}, 0, 0, 3},
		"the first of overlapping ranges counts": {
			[]*pb.Support{entry("chrome", "10..9 n", "9..all y"), entry("chrome", "all..all n")},
			[]*pb.Share{use("chrome", "9", 1), use("chrome", "all", 2)}, 2, 0, 3},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			in := Inputs{
				Features: []*pb.Feature{{Id: "f", Support: c.support}}, Browsers: browsers,
				Usage: []*pb.Usage{usage("KR", c.shares...)},
			}
			a := decideAll(t, in, Prod)[0]
			if a.FullPercent != c.full || a.PartialPercent != c.partial || a.TotalPercent != c.sum {
				t.Errorf("full, partial, total = %v, %v, %v; want %v, %v, %v",
					a.FullPercent, a.PartialPercent, a.TotalPercent, c.full, c.partial, c.sum)
			}
		})
	}
}

func TestParseCode(t *testing.T) {
	tests := map[string]support{
		"y": full, "y x": full, "y #1 #2": full, "y x #1": full, "y d": none, "y x d #1": none, "y #1 d": none,
		"a": partial, "a x #3": partial, "a d": none, "a d #1": none,
		"n": none, "n d #1": none, "u": none, "p": none, "": none, " ": none, "d": none, "x y": none,
		"y #d": full, "y dd": full, "y  #1": full,
	}
	for code, want := range tests {
		if got := parseCode(code); got != want {
			t.Errorf("parseCode(%q) = %v, want %v", code, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		policy               Policy
		full, partial, total float64
		want                 string // full, partial, available, reason
	}{
		{Prod, 0, 0, 0, "0 0 true NO_USAGE_DATA"},
		{Candidate, 0, 0, 0, "0 0 true NO_USAGE_DATA"},
		{Prod, 100, 0, 100, "100 0 true FULL_SUPPORT"},
		{Prod, 19, 1, 20, "19 1 true FULL_SUPPORT"},
		{Prod, 18.9, 1.1, 20, "18.9 1.1 false PARTIAL_SUPPORT"},
		{Candidate, 18.5, 1.5, 20, "20 0 true FULL_SUPPORT"},
		{Prod, 10, 1, 20, "10 1 false BELOW_THRESHOLD"},
		{Candidate, 10, 1, 20, "11 0 false BELOW_THRESHOLD"},
		{Prod, 0, 1, 20, "0 1 false BELOW_THRESHOLD"},
		{Prod, 0, 20, 20, "0 20 false PARTIAL_SUPPORT"},
		{Prod, 0, 0, 20, "0 0 false NO_SUPPORT"},
		{Candidate, 0, 0, 20, "0 0 false NO_SUPPORT"},
	}
	for _, c := range tests {
		var a pb.Availability
		c.policy.judge(&a, c.full, c.partial, c.total)
		got := fmt.Sprint(a.FullPercent, a.PartialPercent, a.Available, " ", a.Reason)
		if strings.Join(strings.Fields(got), " ") != c.want {
			t.Errorf("%v: full %v, partial %v of %v: %s, want %s", c.policy, c.full, c.partial, c.total, got, c.want)
		}
	}
}

// TestSumsKeepListOrder uses shares whose sum depends on the order.
func TestSumsKeepListOrder(t *testing.T) {
	in := Inputs{
		Features: []*pb.Feature{{Id: "f", Support: []*pb.Support{entry("b", "1..3 y")}}},
		Browsers: []*pb.Browser{browser("b", "1", "2", "3")},
		Usage: []*pb.Usage{
			usage("A", use("b", "3", 0.1), use("b", "1", 0.2), use("b", "2", 0.3)),
			usage("B", use("b", "1", 0.3), use("b", "2", 0.2), use("b", "3", 0.1)),
		},
	}
	x, y, z := 0.1, 0.2, 0.3 // not constants, which would be added exactly
	a, b := x+y+z, z+y+x
	if a == b {
		t.Fatal("the order of these numbers makes no difference")
	}
	for i, d := range decideAll(t, in, Prod) {
		want := []float64{a, b}[i]
		if d.FullPercent != want || d.TotalPercent != want {
			t.Errorf("region %s: full %v, total %v; want %v", d.Region, d.FullPercent, d.TotalPercent, want)
		}
	}
}

func TestEmission(t *testing.T) {
	in := Inputs{
		Features: []*pb.Feature{{Id: "b"}, {Id: "a10"}, {Id: "a9"}},
		Usage:    []*pb.Usage{usage("ww"), usage("KR"), usage("AD")},
	}
	var got []string
	for _, a := range decideAll(t, in, Prod) {
		got = append(got, a.Feature+" "+a.Region)
	}
	want := []string{"a10 AD", "a10 KR", "a10 ww", "a9 AD", "a9 KR", "a9 ww", "b AD", "b KR", "b ww"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if in.Features[0].Id != "b" || in.Usage[0].Region != "ww" {
		t.Error("the inputs were reordered")
	}
	stop := errors.New("stop")
	calls := 0
	err := Decide(in, Prod, func(*pb.Availability) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("error is %v after %d calls, want %v after one", err, calls, stop)
	}
}

// TestAllocations holds decisions to one allocation, the message.
func TestAllocations(t *testing.T) {
	in := inputsOf(t, Editions()[0])
	in.Features = in.Features[:50]
	few := testing.AllocsPerRun(1, func() { _ = Decide(in, Prod, func(*pb.Availability) error { return nil }) })
	in.Features = in.Features[:25]
	fewer := testing.AllocsPerRun(1, func() { _ = Decide(in, Prod, func(*pb.Availability) error { return nil }) })
	if per := (few - fewer) / float64(25*len(in.Usage)); per > 1.01 {
		t.Errorf("%.2f allocations per decision, want 1", per)
	}
}

func BenchmarkDecide(b *testing.B) {
	in := inputsOf(b, Editions()[3])
	b.ReportAllocs()
	for b.Loop() {
		if err := Decide(in, Prod, func(*pb.Availability) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
