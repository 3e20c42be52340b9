package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// versionLineage is a version with what made it.
type versionLineage struct {
	versionInfo
	Lineage dataset.Lineage `json:"lineage"`
	// Evaluations are the runs of a logic with this output: the one that made
	// it, and those after it that changed nothing.
	Evaluations []dataset.Evaluation `json:"evaluations,omitempty"`
}

// printLineage prints what made each of the versions in list.
func printLineage(c *cobra.Command, s source, n dataset.Name, list []versionInfo, format string) error {
	store, ok := s.(*storeSource)
	if !ok {
		return errors.New("a sidecar does not know where versions came from: name the store with --store")
	}
	made, err := lineages(c.Context(), store, n, list)
	if err != nil {
		return err
	}
	if format == "json" {
		return printJSON(c.OutOrStdout(), made)
	}
	rows := [][]string{{"VERSION", "CREATED", "CLOCK", "MADE BY", "OF"}}
	for _, v := range made {
		if v.Lost != "" {
			rows = append(rows, []string{v.text(), "-", "-", "lost: " + v.Lost, ""})
			continue
		}
		if len(v.Evaluations) == 0 {
			rows = append(rows, []string{v.text(), v.Created, "-", v.Lineage.Producer, positions(v.Lineage)})
			continue
		}
		for i, e := range v.Evaluations {
			version, created := v.text(), v.Created
			if i > 0 {
				version, created = "  unchanged", "-"
			}
			rows = append(rows, []string{version, created, timeText(e.Clock), madeBy(e), inputs(e)})
		}
	}
	return printTable(c.OutOrStdout(), rows)
}

func lineages(ctx context.Context, s *storeSource, n dataset.Name, list []versionInfo) ([]versionLineage, error) {
	f, err := announce.Open(s.store, n).Refresh(ctx)
	if err != nil {
		return nil, err
	}
	points, err := replica.NewCatalog(s.store, n).History(ctx, f)
	if lost := (&replica.LostError{}); err != nil && !errors.As(err, &lost) {
		return nil, err // of what is lost, list knows
	}
	all, err := logic.History(ctx, s.store, n)
	if err != nil {
		return nil, err
	}
	out := []versionLineage{}
	for _, v := range list {
		made := versionLineage{versionInfo: v}
		for _, p := range points {
			if p.Manifest.Version == v.Version {
				made.Lineage = p.Manifest.Lineage
			}
		}
		for _, e := range all {
			if e.Lost == nil && e.Output == v.Version {
				made.Evaluations = append(made.Evaluations, e.Evaluation)
			}
		}
		out = append(out, made)
	}
	return out, nil
}

func madeBy(e dataset.Evaluation) string { return fmt.Sprintf("%s %.19s", e.Logic, e.Build) }

func inputs(e dataset.Evaluation) string {
	var out []string
	for _, in := range e.Inputs {
		out = append(out, fmt.Sprintf("%s@%s", in.Dataset, in.Version))
	}
	return strings.Join(out, " ")
}

func positions(l dataset.Lineage) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(l.Positions)) {
		out = append(out, k+" "+l.Positions[k])
	}
	return strings.Join(out, ", ")
}
