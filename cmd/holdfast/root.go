package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Complete, versioned copies of datasets beside the applications that decide on them",
		Long: `Holdfast puts a complete, current, versioned copy of a dataset beside every
application that decides on it, and makes any decision again on exactly the data
it was made on.

Try "holdfast demo" first.

Exit codes: 0 yes or the same, 1 no (absent, different, bad, gate failed),
2 wrong usage, failed operation or conflict, 3 inconclusive. An answer that
cannot be written is 2, too; a command that has changed something says then on
standard error what it has done.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newDemo(), newPublish(), newRun(), newGet(), newExport(), newLs(), newVersions(), newLog(), newStatus(),
		newDiff(), newDump(), newVerify(), newSchema(), newPin(), newUnpin(), newPrune(), newAdopt(),
		newEvaluate(), newReplay(), newShadow(), newVersion(), newSupervise(),
	)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(newHelp())
	for _, c := range root.Commands() {
		for _, c := range slices.Concat(c.Commands(), []*cobra.Command{c}) {
			explainArgs(c)
			explainStore(c)
		}
	}
	return root
}

// newHelp is cobra's help, but for a command that does not exist an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: "  holdfast help publish",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
			}
			if err != nil {
				return howToGoOn(c.Root(), err)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// howToGoOn says in the error of a command that does not exist what may be meant,
// and what to do.
func howToGoOn(root *cobra.Command, err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "unknown command ") || strings.Contains(err.Error(), "\nTry: ") {
		return err
	}
	text, near, suggested := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	if suggested {
		text += ": did you mean " + strings.Join(strings.Fields(near), " or ") + "?"
	}
	return fmt.Errorf("%s\nTry: %s --help", text, root.CommandPath())
}

// flagError says how to go on after a flag that is none.
func flagError(c *cobra.Command, err error) error {
	return fmt.Errorf("%w%s\nTry: %s --help", err, keyHint(c), c.CommandPath())
}

// keyHint says in an error about flags what to do if a key was meant: nothing
// tells one that begins with - from a flag.
func keyHint(c *cobra.Command) string {
	if !strings.Contains(c.Use, "KEY…") {
		return ""
	}
	return "\nA key that begins with - goes behind --, and flags before that: " + c.CommandPath() + " [flags] DATASET -- KEY…"
}

// logger returns what commands log to: standard error.
func logger(c *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
}

// quiet returns a logger that only says what went wrong.
func quiet(c *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
}

// outputFlag adds -o.
func outputFlag(c *cobra.Command) *string {
	return c.Flags().StringP("format", "o", "table", "output format: table or json")
}

func checkOutput(format string) error {
	if format != "table" && format != "json" {
		return fmt.Errorf("output format %q is unknown: use table or json", format)
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printTable writes rows in columns, the first one as heads. What a terminal
// would obey is shown as Go writes it.
func printTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = dataset.Printable(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// printLine writes one line, whatever is in it. What a terminal would obey, or what
// would begin another line, is shown as Go writes it.
func printLine(w io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintln(w, dataset.Printable(fmt.Sprintf(format, args...)))
	return err
}

// A target is DATASET or DATASET@VERSION.
type target struct {
	name    dataset.Name
	version dataset.Version // None for the effective one
}

func parseTarget(text string) (target, error) {
	name, version, named := strings.Cut(text, "@")
	n, err := dataset.ParseName(name)
	if err != nil || !named {
		return target{name: n}, err
	}
	v, err := dataset.ParseVersion(version)
	return target{n, v}, err
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  holdfast version",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			version, revision := "unknown", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " " + s.Value
					}
				}
			}
			fmt.Fprintf(c.OutOrStdout(), "holdfast %s%s\n", version, revision)
			return nil
		},
	}
}
