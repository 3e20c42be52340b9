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
whose place another one had taken, is marked void. The log is never pruned.`,
		Example: `  holdfast log usage --store ./store
  holdfast log usage --store ./store --last 0 -o json`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(c)
	store := c.Flags().String("store", "", "store, a folder or a URL (required)")
	last := c.Flags().Int64("last", 20, "how many entries; 0 is all")
	_ = c.MarkFlagRequired("store")
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
		entries, err := announce.Open(s, n).Last(c.Context(), *last)
		if err != nil {
			return err
		}
		return printLog(c, entries, *output)
	}
	return c
}

// logged is an entry of a log as JSON shows it.
type logged struct {
	Position int64         `json:"position"`
	When     time.Time     `json:"when"`
	Kind     announce.Kind `json:"kind"`
	Void     bool          `json:"void,omitempty"`
	Who      string        `json:"who"`
	Why      string        `json:"why,omitempty"`
	Body     announce.Body `json:"body"`
}

func printLog(c *cobra.Command, entries []announce.Entry, format string) error {
	list := []logged{}
	rows := [][]string{{"POSITION", "WHEN", "WHAT", "BY", "WHY"}}
	for _, e := range entries {
		_, counts := e.Fold.Apply(e)
		list = append(list, logged{e.Position(), e.When, e.Kind, !counts, e.Author.Name, e.Author.Why, e.Body})
		what := entryText(e.Body)
		if !counts {
			what += " (void)"
		}
		rows = append(rows, []string{
			strconv.FormatInt(e.Position(), 10), timeText(e.When), what, e.Author.Name, e.Author.Why,
		})
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
