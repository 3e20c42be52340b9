package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// look makes a command that opens a source and runs f.
func look(c *cobra.Command, f func(ctx context.Context, s source, args []string) error) *cobra.Command {
	open := sourceFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if format := c.Flags().Lookup("format"); format != nil {
			if err := checkOutput(format.Value.String()); err != nil {
				return fmt.Errorf("%w%s", err, keyHint(c)) // -o may begin a key
			}
		}
		s, closeSource, err := open()
		if err != nil {
			return err
		}
		defer closeSource()
		return f(c.Context(), s, args)
	}
	return c
}

func newGet() *cobra.Command {
	c := &cobra.Command{
		Use:   "get DATASET[@VERSION] [--] KEY…",
		Short: "Print the record with a key",
		Long: `Get prints the record with a key, one argument for each field of the key. It
exits with 1 if there is none. With -o json the record is ProtoJSON: 64-bit
integers are strings, default values are printed. Fields that a sidecar leaves out
(leave_out) are absent. DATASET alone is the version that consumers stand at: the
newest, or the pinned one. A key that begins with - goes behind --.`,
		Example: `  holdfast get availability aac KR
  holdfast get availability@20260102150405000 -o json --store ./store -- aac KR`,
		Args: cobra.MinimumNArgs(2),
	}
	output := outputFlag(c)
	return look(c, func(ctx context.Context, s source, args []string) error {
		t, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		record, err := s.Get(ctx, t, args[1:])
		if err != nil {
			return err
		}
		if record == nil {
			return &answerNo{exitNo, fmt.Sprintf("%s has no record with key %s", args[0], dataset.Printable(strings.Join(args[1:], " ")))}
		}
		if *output == "json" {
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", record)
			return err
		}
		return printRecord(c, record)
	})
}

// printRecord shows the fields of a record one a line, in the record's order.
func printRecord(c *cobra.Command, record json.RawMessage) error {
	d := json.NewDecoder(strings.NewReader(string(record)))
	if _, err := d.Token(); err != nil {
		return err
	}
	var rows [][]string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		rows = append(rows, []string{fmt.Sprint(name), string(value)})
	}
	return printTable(c.OutOrStdout(), rows)
}

func newLs() *cobra.Command {
	c := &cobra.Command{
		Use:     "ls",
		Short:   "List the datasets",
		Long:    "Ls lists the datasets. It exits with 2 if one of a store cannot be read.",
		Example: "  holdfast ls --store ./store",
		Args:    cobra.NoArgs,
	}
	output := outputFlag(c)
	return look(c, func(ctx context.Context, s source, _ []string) error {
		list, err := s.Datasets(ctx)
		if list == nil {
			return err
		}
		if *output == "json" {
			return errors.Join(printJSON(c.OutOrStdout(), list), err)
		}
		rows := [][]string{{"DATASET", "VERSION", "RECORDS", "KEY"}}
		for _, d := range list {
			rows = append(rows, []string{string(d.Dataset), d.versionText(), d.recordsText(), strings.Join(d.Key, ", ")})
		}
		if len(list) == 0 {
			fmt.Fprintln(c.ErrOrStderr(), "there is no dataset")
		}
		return errors.Join(printTable(c.OutOrStdout(), rows), err)
	})
}

// text shows a version, none as a dash.
func text(v dataset.Version) string {
	if v == dataset.None {
		return "-"
	}
	return v.String()
}

// pinned marks the version that consumers are held at.
const pinned = " (pinned)"

func (d datasetInfo) versionText() string {
	if d.Pinned != dataset.None && d.Pinned == d.Version {
		return text(d.Version) + pinned
	}
	return text(d.Version)
}

// recordsText shows how many records there are, a dash if no version could be read.
func (d datasetInfo) recordsText() string {
	if d.Version == dataset.None {
		return "-"
	}
	return strconv.Itoa(d.Records)
}

func (v versionInfo) text() string {
	if v.Pinned {
		return v.Version.String() + pinned
	}
	return v.Version.String()
}

func newStatus() *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show how fresh each dataset is",
		Long:    "Status shows how fresh each dataset is. It exits with 2 if one of a store cannot\nbe read.",
		Example: "  holdfast status",
		Args:    cobra.NoArgs,
	}
	output := outputFlag(c)
	return look(c, func(ctx context.Context, s source, _ []string) error {
		list, err := s.Datasets(ctx)
		if list == nil {
			return err
		}
		if *output == "json" {
			return errors.Join(printJSON(c.OutOrStdout(), list), err)
		}
		rows := [][]string{{"DATASET", "STATE", "VERSION", "ANNOUNCED", "AGE", "RECORDS", "ERROR"}}
		for _, d := range list {
			rows = append(rows, []string{
				string(d.Dataset), d.State, d.versionText(), text(d.Announced),
				age(d.AgeMS), d.recordsText(), d.errors(),
			})
		}
		return errors.Join(printTable(c.OutOrStdout(), rows), err)
	})
}

// errors is what is wrong, with the data or with the newest declaration.
func (d datasetInfo) errors() string {
	if d.Error == "" || d.Pending == "" {
		return d.Error + d.Pending
	}
	return d.Error + "; " + d.Pending
}

// age shows milliseconds, an unknown age as a dash.
func age(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", float64(ms)/1000)
}

func newVersions() *cobra.Command {
	c := &cobra.Command{
		Use:   "versions DATASET",
		Short: "List every announced version, oldest first",
		Long: `Versions lists every announced version, oldest first. With --lineage it shows
what made each: who published it, or a logic of exactly these versions of its
inputs, at that CLOCK, the time that it was told. A version whose manifest is
lost or damaged is listed as such. Versions that were pruned are not listed.`,
		Example: `  holdfast versions usage --store ./store
  holdfast versions availability --lineage --store ./store`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(c)
	lineage := c.Flags().Bool("lineage", false, "show what made each version; needs --store")
	return look(c, func(ctx context.Context, s source, args []string) error {
		n, err := dataset.ParseName(args[0])
		if err != nil {
			return err
		}
		list, err := s.Versions(ctx, n)
		if err != nil {
			return err
		}
		if *lineage {
			return printLineage(c, s, n, list, *output)
		}
		if *output == "json" {
			return printJSON(c.OutOrStdout(), list)
		}
		rows := [][]string{{"VERSION", "CREATED", "RECORDS", "CHECKSUM"}}
		for _, v := range list {
			row := []string{v.text(), v.Created, strconv.Itoa(v.Records), fmt.Sprintf("%.12s", v.Checksum)}
			if v.Lost != "" {
				row = []string{v.text(), "-", "-", "lost: " + v.Lost}
			}
			rows = append(rows, row)
		}
		return printTable(c.OutOrStdout(), rows)
	})
}

func newDiff() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff DATASET[@VERSION] DATASET[@VERSION]",
		Short: "Compare two versions by key",
		Long: `Diff counts the records of the root type that were added, removed and changed
from the first to the second, and the changed ones by field. DATASET alone is
the version that consumers stand at: the newest, or the pinned one. With -o json
the two versions are named. It exits with 0 if the two say the same, with 1 if
they differ.`,
		Example: `  holdfast diff usage@20260102150405000 usage@20260102150406000 --store ./store
  holdfast diff usage@20260102150405000 usage`,
		Args: cobra.ExactArgs(2),
	}
	output := outputFlag(c)
	examples := c.Flags().Int("examples", 3, "differing records to show of each kind; only with --store")
	return look(c, func(ctx context.Context, s source, args []string) error {
		if _, ok := s.(*storeSource); !ok && c.Flags().Changed("examples") {
			return errors.New("--examples goes with --store: a sidecar only counts")
		}
		if *examples < 0 {
			return errors.New("--examples must not be negative")
		}
		from, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		to, err := parseTarget(args[1])
		if err != nil {
			return err
		}
		d, err := s.Diff(ctx, from, to, *examples)
		if err != nil {
			return err
		}
		if *output == "json" {
			err = printJSON(c.OutOrStdout(), d)
		} else {
			err = printDiff(c, d)
		}
		if err == nil && d.Added+d.Removed+d.Changed > 0 {
			return &answerNo{code: exitNo}
		}
		return err
	})
}

func printDiff(c *cobra.Command, d *diffResult) error {
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%d added, %d removed, %d changed, %d unchanged\n", d.Added, d.Removed, d.Changed, d.Unchanged)
	for _, f := range slices.Sorted(maps.Keys(d.Fields)) {
		_ = printLine(w, "  %s differs in %d", f, d.Fields[f]) // an answer remembers its error
	}
	for _, e := range d.Examples {
		_ = printLine(w, "%s %s", e.Kind, strings.Join(e.Key, " "))
		if e.From != nil {
			_ = printLine(w, "  from %s", e.From)
		}
		if e.To != nil {
			_ = printLine(w, "  to   %s", e.To)
		}
	}
	return nil
}

func newSchema() *cobra.Command {
	c := &cobra.Command{
		Use:   "schema DATASET --proto",
		Short: "Print the .proto file of a dataset and its look-up service",
		Long: `Schema prints one self-contained .proto file that declares the records of a
dataset and its typed look-up service; any gRPC code generator takes it. It is
for who reads: publish takes the owner's file, which also names the key. For a
dataset that declares no schema it prints a first one, for the owner to keep.`,
		Example: "  holdfast schema usage --proto > usage.proto",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().Bool("proto", true, "print a .proto file; there is no other form yet")
	return look(c, func(ctx context.Context, s source, args []string) error {
		n, err := dataset.ParseName(args[0])
		if err != nil {
			return err
		}
		out, err := s.Schema(ctx, n)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c.OutOrStdout(), out)
		return err
	})
}
