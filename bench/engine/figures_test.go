package main

import "testing"

func find(figures []figure, name string) (figure, bool) {
	for _, f := range figures {
		if f.Figure == name {
			return f, true
		}
	}
	return figure{}, false
}

func TestWorstCaseCounts(t *testing.T) {
	r := results{numbers: map[string][]float64{
		"ours cycle cycle@100":         {2, 1, 3},
		"ours cycle cycle_durable@100": {20, 10, 30},
		"hollow cycle cycle@100":       {400, 300, 500},
		"ours load bytes":              {50},
		"hollow load bytes":            {100},
		"ours aged aged_live":          {22, 33},
		"ours fresh fresh_live":        {20, 22},

		"ours hash hash_build_person":    {10},
		"hollow hash hash_build_person":  {100},
		"ours hash hash_build_country":   {10},
		"hollow hash hash_build_country": {50},
	}}
	list := worst(r.cases())
	for _, c := range []struct {
		figure, of  string
		ours, ratio float64
	}{
		{"cycle_0.01", "durable store", 20, 20},
		{"bytes", "", 50, 0.5}, // memory: ours over Hollow's
		{"aged_live", "", 1.3, 0},
		{"hash_build", "country", 10, 5},
	} {
		f, ok := find(list, c.figure)
		if !ok || f.Case != c.of || f.Ours < c.ours-1e-9 || f.Ours > c.ours+1e-9 {
			t.Errorf("%s = %+v, want %v (%s)", c.figure, f, c.ours, c.of)
		}
		if got := f.Ratio; (got == nil) != (c.ratio == 0) || got != nil && *got != c.ratio {
			t.Errorf("%s: ratio %v, want %v", c.figure, got, c.ratio)
		}
	}
	if f, ok := find(list, "hash_1"); ok {
		t.Errorf("a figure that is not built has an entry: %+v", f)
	}
}

func TestPairsHaveAnIntervalAndNoRatio(t *testing.T) {
	k, theirs := key("ours", "busy", "get3_busy"), key("hollow", "busy", "get3_busy")
	r := results{
		numbers: map[string][]float64{k: {1, 4}, theirs: {2}},
		samples: map[string][]float64{k: {1, 1, 1, 2, 3, 4, 5, 6}, theirs: {2, 2, 2, 2, 2, 2}},
	}
	f, ok := find(worst(r.cases()), "get3_busy")
	if !ok || f.Ours != 2.5 || *f.Interval != [2]float64{1, 6} || f.Ratio != nil || *f.Hollow != 2 || *f.HollowInterval != [2]float64{2, 2} {
		t.Errorf("got %+v", f)
	}
}

func TestOptionStandsBesideItsFigure(t *testing.T) {
	r := results{numbers: map[string][]float64{
		key("ours", "load", "rss"): {10}, key("hollow", "load", "rss"): {40}, key("hollow", "load_mapped", "rss"): {20},
	}}
	list := r.optionFigures(r.cases())
	if len(list) != 1 {
		t.Fatalf("got %+v", list)
	}
	o := list[0]
	if o.Figure != "rss" || *o.Hollow != 40 || o.With != 20 || *o.Ours != 10 || *o.Ratio != 0.5 { // memory: ours over Hollow's
		t.Errorf("got %+v", o)
	}
}

func TestSidesMustAgree(t *testing.T) {
	r := results{texts: map[string][]string{"ours cycle digest": {"a", "a"}, "hollow delta_java digest": {"a"}}}
	if err := r.agree(); err != nil {
		t.Errorf("equal digests: %v", err)
	}
	r.texts["hollow delta_java digest"] = []string{"b"}
	if r.agree() == nil {
		t.Error("other digests are taken for equal")
	}
}

// TestEveryFigureHasABar keeps the two tables together.
func TestEveryFigureHasABar(t *testing.T) {
	without := map[string]bool{"get3_busy": true, "get3_busy_wall": true, "get3_stall": true}
	named := map[string]bool{}
	for _, m := range measures {
		named[m.figure] = true
		if _, ok := bars[m.figure]; ok == without[m.figure] {
			t.Errorf("%s has a bar: %v", m.figure, ok)
		}
	}
	for name := range bars {
		if !named[name] {
			t.Errorf("%s has a bar and is no figure", name)
		}
	}
}
