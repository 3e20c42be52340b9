package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func newLog() *cobra.Command {
	c := &cobra.Command{
		Use:   "log DATASET --store DIR|URL [--last N]",
		Short: "Show who announced, pinned and pruned, when and why",
		Long: `Log shows the newest entries of a dataset's announcement log, oldest first: what
was announced, pinned, let go, pruned or evaluated, by whom, and the reason that
was given. An entry that came too late to count, such as that of a publisher
whose place another one had taken, is marked void, one that is gone or damaged
lost. The log is never pruned.`,
		Example: `  holdfast log usage --store ./store
  holdfast log usage --store ./store --last 0 -o json`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(c)
	store := storeFlag(c, new(string), "store, a folder or a URL")
	last := c.Flags().Int64("last", 20, "how many entries; 0 is all")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		if *last < 0 {
			return fmt.Errorf("--last %d is negative", *last)
		}
		if *last == 0 {
			*last = math.MaxInt64
		}
		n, err := dataset.ParseName(args[0])
		if err != nil {
			return err
		}
		s, err := cloud.Open(c.Context(), *store)
		if err != nil {
			return err
		}
		if _, err := (&storeSource{s}).replica(c.Context(), n); err != nil {
			return err // which says what datasets there are
		}
		lines, err := announce.Open(s, n).Last(c.Context(), *last)
		if err != nil {
			return err
		}
		return printLog(c, lines, *output)
	}
	return c
}

// logged is an entry of a log as JSON shows it.
type logged struct {
	Position int64         `json:"position"`
	When     time.Time     `json:"when,omitzero"`
	Kind     announce.Kind `json:"kind,omitempty"`
	Void     bool          `json:"void,omitempty"`
	Who      string        `json:"who,omitempty"`
	Why      string        `json:"why,omitempty"`
	Body     announce.Body `json:"body,omitempty"`
	Lost     string        `json:"lost,omitempty"` // why there is nothing else
}

func printLog(c *cobra.Command, lines []announce.Line, format string) error {
	list := []logged{}
	rows := [][]string{{"POSITION", "WHEN", "WHAT", "BY", "WHY"}}
	for _, line := range lines {
		position := strconv.FormatInt(line.Position, 10)
		if line.Lost != nil {
			list = append(list, logged{Position: line.Position, Lost: line.Lost.Error()})
			rows = append(rows, []string{position, "-", "lost: " + line.Lost.Error(), "-", ""})
			continue
		}
		e := line.Entry
		_, counts := e.Fold.Apply(e)
		list = append(list, logged{Position: line.Position, When: e.When, Kind: e.Kind, Void: !counts, Who: e.Author.Name, Why: e.Author.Why, Body: e.Body})
		what := entryText(e.Body)
		if !counts {
			what += " (void)"
		}
		rows = append(rows, []string{position, timeText(e.When), what, e.Author.Name, e.Author.Why})
	}
	if format == "json" {
		return printJSON(c.OutOrStdout(), list)
	}
	return printTable(c.OutOrStdout(), rows)
}

// entryText says in a few words what an entry does.
func entryText(b announce.Body) string {
	switch b := b.(type) {
	case announce.Claim:
		if b.Released {
			return "release"
		}
		return "claim"
	case announce.Announcement:
		return "announce " + b.Version.String()
	case announce.Snapshot:
		return "snapshot of " + b.Version.String()
	case announce.Evaluated:
		return fmt.Sprintf("%s ran, %s stays", b.Evaluation.Logic, b.Evaluation.Output)
	case announce.Pin:
		if b.Version == dataset.None {
			return "unpin"
		}
		return "pin " + b.Version.String()
	case announce.Prune:
		return fmt.Sprintf("prune %s below %s", count(len(b.Keys), "file"), b.Horizon)
	case announce.Advance:
		return "sources advance"
	}
	return ""
}
