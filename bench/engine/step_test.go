package main

import (
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/bench/data"
)

func flatSteps(t *testing.T) []step {
	t.Helper()
	kind, err := data.KindNamed("flat-10")
	if err != nil {
		t.Fatal(err)
	}
	return steps(workspace{kind: kind})
}

func TestChosenStepsComeWithWhatTheyNeed(t *testing.T) {
	all := flatSteps(t)
	for _, c := range []struct {
		o    options
		want []string
		age  bool
	}{
		{options{only: "populate"}, []string{"populate"}, false},
		{options{only: "read,load"}, []string{"populate", "load", "read"}, false},
		{options{only: "diff"}, []string{"cycle", "diff"}, false},
		{options{only: "delta"}, []string{"delta"}, true},
		{options{only: "delta,read", keep: true}, []string{"delta", "read"}, false},
		{options{only: "cycle,read", keep: true}, []string{"cycle", "read"}, false},
		{options{only: "delta_small"}, []string{"cycle_small", "delta_small"}, false},
	} {
		list, age, err := chosen(all, c.o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			got = append(got, s.name)
		}
		if !slices.Equal(got, c.want) || age != c.age {
			t.Errorf("%+v: %v, long chain %v; want %v, %v", c.o, got, age, c.want, c.age)
		}
	}
	if _, _, err := chosen(all, options{only: "reed"}); err == nil {
		t.Error("a step that is not there is taken")
	}
}

func TestOptionsAreStepsOfTheirOwn(t *testing.T) {
	all := flatSteps(t)
	count := func(o options) (with, without int) {
		list, _, err := chosen(all, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.option {
				with++
			} else {
				without++
			}
		}
		return with, without
	}
	options0, others := count(options{})
	options1, _ := count(options{options: true})
	options2, needed := count(options{only: allOptions})
	if options0 != 0 || others == 0 || options1 == 0 || options1+others != len(all) || options2 != options1 || needed != 1 { // to populate
		t.Errorf("without: %d and %d steps, with: %d, alone: %d and %d, of %d", options0, others, options1, options2, needed, len(all))
	}
}

// TestOptionsNameFiguresAndSteps keeps the two tables together.
func TestOptionsNameFiguresAndSteps(t *testing.T) {
	all := flatSteps(t)
	for _, o := range measuredOptions() {
		if !slices.ContainsFunc(measures, func(m measured) bool { return m.figure == o.figure && m.name == o.name }) {
			t.Errorf("%+v: there is no such case of a figure", o)
		}
		if !slices.ContainsFunc(all, func(s step) bool { return s.name == o.step }) {
			t.Errorf("%+v: there is no such step", o)
		}
	}
}
