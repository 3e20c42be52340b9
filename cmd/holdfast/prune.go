package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func newPrune() *cobra.Command {
	var store string
	var inputsOf []string
	var dryRun bool
	policy := blob.PrunePolicy{Keep: 100, KeepFor: 24 * time.Hour}
	c := &cobra.Command{
		Use:   "prune DATASET --store DIR|URL [--keep N] [--keep-for T] [--dry-run]",
		Short: "Delete the blobs of old versions that nobody needs",
		Long: `Prune deletes blobs and manifests of old versions of a dataset. It keeps the
newest --keep versions, all that were in use within --keep-for, the pinned
version, the inputs of every output that is kept in this store and in those of
--inputs-of, and what is needed to load any of these. The inputs of an output are
what it was made from, and, of the evaluations after that did not change it, what
the newest --keep and those within --keep-for read. Where it is lost what one read,
all that it may have read stays, and Prune names it. While a version is pinned,
all after it stay, too: consumers go on by them after unpin. What goes is made
known in the announcement log first. Producers and consumers may go on meanwhile.
With --dry-run and in JSON there is a reason for each version that stays.

What Prune builds on is read first: if a blob of a version that stays is
damaged, the way round it stays, too, and Prune names the blob.

--keep-for must be longer than the longest evaluation of a logic.`,
		Example: `  holdfast prune usage --store ./store --keep 100 --keep-for 168h --dry-run
  holdfast prune usage --store ./store --keep 100 --inputs-of s3://bucket/outputs`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(c)
	f := c.Flags()
	storeFlag(c, &store, "store, a folder or a URL")
	f.IntVar(&policy.Keep, "keep", policy.Keep, "newest versions to keep, at least 1")
	f.DurationVar(&policy.KeepFor, "keep-for", policy.KeepFor, "keep what was in use within this time")
	f.StringSliceVar(&inputsOf, "inputs-of", nil, "further stores whose outputs' inputs are kept")
	f.BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	author := authorFlags(c, "why, for the log")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		if policy.Keep < 1 || policy.KeepFor < 0 {
			return fmt.Errorf("--keep must be at least 1, --keep-for not negative")
		}
		who, err := author()
		if err != nil {
			return err
		}
		p := announce.Pruner{Policy: policy}
		if p.Dataset, err = dataset.ParseName(args[0]); err != nil {
			return err
		}
		if p.Store, err = cloud.Open(c.Context(), store); err != nil {
			return err
		}
		for _, location := range inputsOf {
			s, err := cloud.Open(c.Context(), location)
			if err == nil {
				err = refuseDatasetFolder(c.Context(), s) // in which there are no outputs
			}
			if err == nil {
				err = refuseEmpty(c.Context(), s)
			}
			if err != nil {
				return fmt.Errorf("--inputs-of: %w", err)
			}
			p.InputsOf = append(p.InputsOf, s)
		}
		return prune(c, p, who, pruneOutput{dryRun, *output})
	}
	return c
}

// refuseEmpty refuses a store without a dataset: more often than not it is one that is
// not mounted, and whose outputs' inputs would go.
func refuseEmpty(ctx context.Context, s blob.Store) error {
	names, err := blob.Datasets(ctx, s)
	if err == nil && len(names) == 0 {
		err = errors.New("there is no dataset in it: is it mounted? If it is empty, leave it out")
	}
	return err
}

// pruneOutput says whether to do it, and how to show it.
type pruneOutput struct {
	dryRun bool
	format string
}

// prunedFiles is a plan, done or not, as JSON shows it.
type prunedFiles struct {
	Dataset dataset.Name      `json:"dataset"`
	DryRun  bool              `json:"dry_run"`
	Horizon dataset.Version   `json:"horizon"`
	Kept    []dataset.Version `json:"kept"`
	// Why has the reasons for which each of Kept stays.
	Why   map[dataset.Version][]string `json:"why"`
	Keys  []string                     `json:"keys"`
	Bytes int64                        `json:"bytes"`
	// Lost are versions whose manifests are gone or damaged, Damaged blobs whose
	// digests are wrong.
	Lost    []dataset.Version `json:"lost,omitempty"`
	Damaged []string          `json:"damaged,omitempty"`
	// Unread are the runs of others of which it is lost what they read: what they may
	// have read is kept.
	Unread []string `json:"unread,omitempty"`
}

func prune(c *cobra.Command, p announce.Pruner, who announce.Author, o pruneOutput) error {
	if _, err := (&storeSource{p.Store}).replica(c.Context(), p.Dataset); err != nil {
		return err // no log yet: do not begin one
	}
	var plan blob.PrunePlan
	var err error
	if o.dryRun {
		plan, err = p.Plan(c.Context())
	} else {
		plan, err = p.Run(c.Context(), who)
	}
	if err != nil {
		return err
	}
	out := prunedFiles{
		Dataset: p.Dataset, DryRun: o.dryRun, Horizon: plan.Horizon, Kept: plan.Kept, Why: map[dataset.Version][]string{},
		Keys: []string{}, Bytes: plan.Bytes(), Lost: plan.Lost, Damaged: plan.Damaged, Unread: plan.Unread,
	}
	for v, reasons := range plan.Why {
		for _, r := range reasons {
			out.Why[v] = append(out.Why[v], r.String())
		}
	}
	for _, f := range plan.Files {
		out.Keys = append(out.Keys, f.Key)
	}
	if o.dryRun {
		return answerPruned(c, plan, out, o)
	}
	files := "no file"
	verb := "was"
	if n := len(out.Keys); n > 0 {
		files = count(n, "file")
		if n > 1 {
			verb = "were"
		}
	}
	return alreadyDone(answerPruned(c, plan, out, o), "%s of %s %s deleted, the horizon is %s", files, out.Dataset, verb, text(out.Horizon))
}

// answerPruned prints a plan, done or not.
func answerPruned(c *cobra.Command, plan blob.PrunePlan, out prunedFiles, o pruneOutput) error {
	if o.format == "json" {
		return printJSON(c.OutOrStdout(), out)
	}
	if o.dryRun {
		if err := printDryRun(c, plan, out); err != nil {
			return err
		}
	}
	return printPruned(c, plan, out)
}

// printDryRun names what would go, and says why what stays does.
func printDryRun(c *cobra.Command, plan blob.PrunePlan, out prunedFiles) error {
	rows := [][]string{{"FILE", "BYTES"}}
	for _, f := range plan.Files {
		rows = append(rows, []string{f.Key, strconv.FormatInt(f.Size, 10)})
	}
	if err := printTable(c.OutOrStdout(), rows); err != nil {
		return err
	}
	rows = [][]string{{"KEPT", "WHY"}}
	for _, v := range out.Kept {
		rows = append(rows, []string{v.String(), strings.Join(out.Why[v], ", ")})
	}
	return printTable(c.OutOrStdout(), rows)
}

func printPruned(c *cobra.Command, plan blob.PrunePlan, out prunedFiles) error {
	w := c.OutOrStdout()
	for _, v := range plan.Lost {
		fmt.Fprintf(w, "the manifest of version %s is lost or damaged: passed over\n", v)
	}
	for _, key := range plan.Damaged {
		_ = printLine(w, "%s is lost or damaged: what stands in for it is kept", key)
	}
	for _, what := range plan.Unread {
		_ = printLine(w, "%s: every version that it may have been made from is kept; put it back", what)
	}
	kinds, pin := keptBy(plan)
	if kinds[blob.AfterPin] > 0 {
		fmt.Fprintf(w, "%s is pinned, so what was announced after it stays: consumers go on by it after unpin\n", pin)
	}
	var why []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		why = append(why, fmt.Sprintf("%d %s", kinds[kind], kind))
	}
	reasons := ""
	if len(why) > 0 {
		reasons = " (" + strings.Join(why, ", ") + ")"
	}
	verb := "deleted"
	if out.DryRun {
		verb = "would delete"
	}
	_, err := fmt.Fprintf(w, "%s: %s %s, %s; %s kept%s, the horizon is %s\n", out.Dataset, verb,
		count(len(out.Keys), "file"), count(out.Bytes, "byte"), count(len(out.Kept), "version"), reasons, text(out.Horizon))
	if n := kinds[blob.Input]; err == nil && len(out.Keys) == 0 && n > 0 {
		_, err = fmt.Fprintf(w, "%s kept for outputs that were made from them: prune those datasets first; --dry-run names them\n", count(n, "version"))
	}
	if n := kinds[blob.Newest] + kinds[blob.Young]; err == nil && len(out.Keys) == 0 && n > 1 {
		_, err = fmt.Fprintf(w, "%d versions are within --keep or --keep-for: lower both to delete older ones\n", n)
	}
	return err
}

// keptBy counts the versions that stay by the first reason of each, and returns
// the pinned one.
func keptBy(plan blob.PrunePlan) (kinds map[blob.ReasonKind]int, pin dataset.Version) {
	kinds = map[blob.ReasonKind]int{}
	for v, reasons := range plan.Why {
		kinds[reasons[0].Kind]++
		if slices.ContainsFunc(reasons, func(r blob.Reason) bool { return r.Kind == blob.Pinned }) {
			pin = v
		}
	}
	return kinds, pin
}
