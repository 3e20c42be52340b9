package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// passOver looks at what cannot be replayed any more. With --once, and without
// --last, it returns the kept runs of it, which count: a prune makes nothing good.
// Who follows is told of what has none, once.
func (s *follower) passOver(ctx context.Context, all []dataset.Evaluation, pruned []dataset.Version) ([]*compare.Report, error) {
	var news []dataset.Version
	for _, v := range pruned {
		if !s.passed[v] {
			news = append(news, v)
		}
	}
	if s.once && s.last > 0 || !s.once && len(news) == 0 {
		return nil, nil
	}
	gone, err := s.shadow.Gone(ctx, all)
	if err != nil {
		return nil, err
	}
	missed := unjudged(news, gone)
	if s.once {
		s.missed = len(missed)
		for _, r := range gone {
			s.show(r)
		}
		return gone, nil
	}
	if s.passed == nil {
		s.passed = map[dataset.Version]bool{}
	}
	for _, v := range news {
		s.passed[v] = true
	}
	if len(missed) > 0 {
		logger(s.c).Warn("versions were pruned of which no run by these terms is kept: they are passed over", "dataset", s.output,
			"versions", len(missed), "first", missed[0], "last", missed[len(missed)-1])
	}
	return nil, nil
}

// unjudged returns those of some pruned versions that no kept run is of.
func unjudged(pruned []dataset.Version, gone []*compare.Report) []dataset.Version {
	judged := map[dataset.Version]bool{}
	for _, r := range gone {
		judged[r.Output] = true
	}
	var out []dataset.Version
	for _, v := range pruned {
		if !judged[v] {
			out = append(out, v)
		}
	}
	return out
}

// shadowSum is the verdict of --once, which is the last line of JSON.
type shadowSum struct {
	Verdict compare.Verdict `json:"verdict"`
	Reasons []string        `json:"reasons,omitempty"`
	// Evaluations is how many it is on, Kept how many of these are kept runs, Gone
	// how many of the latter are of evaluations that are not in the store any more.
	Evaluations int `json:"evaluations"`
	Kept        int `json:"kept"`
	Gone        int `json:"gone"`
	// Pruned is how many versions it is not on because they were pruned and no run
	// is kept, as far as that is known.
	Pruned int `json:"pruned"`
	// Asked is that of --last, if fewer were there.
	Asked int `json:"asked,omitempty"`
}

func (s *follower) sum(reports []*compare.Report) error {
	out := shadowSum{Evaluations: len(reports), Pruned: s.missed}
	out.Verdict, out.Reasons = compare.Sum(reports)
	for _, r := range reports {
		if r.Kept {
			out.Kept++
		}
		if r.Gone {
			out.Gone++
		}
	}
	if len(reports) < s.last {
		out.Asked = s.last
	}
	if s.format == "json" {
		s.printed(printJSON(s.c.OutOrStdout(), map[string]shadowSum{"sum": out}))
	} else {
		s.printed(printVerdict(s.c.OutOrStdout(), out.Evaluations, out.more(reports), out.Verdict, out.Reasons))
	}
	if s.unwritten != nil {
		return s.unwritten
	}
	return exitOf(out.Verdict)
}

// more says what the verdict is on, behind the number of evaluations.
func (x shadowSum) more(reports []*compare.Report) string {
	text := ""
	if x.Asked > 0 {
		text = fmt.Sprintf(", all that are there of the %d asked for", x.Asked)
	}
	text += keptAmong(reports)
	switch {
	case x.Gone == 1:
		text += "; 1 of them is not in the store any more"
	case x.Gone > 1:
		text += fmt.Sprintf("; %d of them are not in the store any more", x.Gone)
	}
	switch {
	case x.Pruned == 1:
		text += "; 1 version was pruned of which no run by these terms is kept"
	case x.Pruned > 1:
		text += fmt.Sprintf("; %d versions were pruned of which no run by these terms is kept", x.Pruned)
	}
	return text
}

// printed notes that a report could not be printed: its reader is gone, which ends
// the shadow.
func (s *follower) printed(err error) {
	if err != nil && s.unwritten == nil {
		s.unwritten = alreadyDone(err, "the runs that were made are kept in %s", s.dir)
	}
}

// keptAmong says how many reports are of kept runs, and when these were made.
func keptAmong(reports []*compare.Report) string {
	n := 0
	var first, last time.Time
	for _, r := range reports {
		if !r.Kept {
			continue
		}
		if n++; n == 1 || r.At.Before(first) {
			first = r.At
		}
		if r.At.After(last) {
			last = r.At
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", of which 1 is a kept run of %s", timeText(first))
	}
	return fmt.Sprintf(", of which %d are kept runs of %s to %s", n, timeText(first), timeText(last))
}
