package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/holdfast-data/holdfast/internal/collector"
	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/producer"
)

func newPublish() *cobra.Command {
	var store, schema, name string
	cfg := producer.DefaultConfig()
	c := &cobra.Command{
		Use:   "publish --store DIR --schema FILE.proto DATASET FILE…",
		Short: "Publish files of JSON lines as the next version of a dataset",
		Long: `Publish runs one full cycle: it restores the newest version, reads all FILEs
(JSON lines, plain or gzip; - is standard input), verifies what it would
publish, publishes and announces it. What the files lack is removed, up to
--max-removed of the records. If nothing changed, nothing is published. It claims
nothing: if another producer announces a version meanwhile, it starts over from
that one.

Standard input and pipes are kept, from 8 MiB on in a temporary file (TMPDIR),
because a publish that loses a race reads them again.

A file without any record is refused, because it is more often a mistake upstream
than what somebody wants. So a dataset cannot be emptied; it can be brought down
to one record with --max-removed 1.

A schema that takes a field or an enum value away, gives it another type, name or
number, makes an optional field a plain one, a list a set or a set a list, or
changes the key or the root message, is refused without --breaking: applications
that read with the old one would misread the records. Adding fields and enum
values is always possible.

Earlier entries of the log that are lost or were changed stop publish, too, unless
--accept-damaged-log is given. If one is gone by which readers find the end of the
log, all of them stop, because the store may be half a copy: docs/operations.md
says how to give such an entry up. For the newest entry there is no flag, because what
it said may have been acknowledged: the error names the files to move away.

If files of the newest version are lost or damaged, so that it cannot be read,
publish stops. With --from-scratch it publishes a version on top of it that
needs nothing before: a snapshot, and no delta. Neither --max-removed nor the
check of the schema have anything to compare with then. If the newest version
can be read, --from-scratch changes nothing.

FILE.proto declares the records: its root message carries
  option (holdfast.v1.dataset) = {key: ["id"]};
and the file imports "holdfast/v1/options.proto", which needs no path.`,
		Example: "  holdfast publish --store ./store --schema country.proto countries countries.jsonl",
		Args:    cobra.MinimumNArgs(2),
	}
	output := outputFlag(c)
	f := c.Flags()
	storeFlag(c, &store, "store: a folder, made if it is missing, or a URL such as s3://bucket/prefix")
	f.StringVar(&schema, "schema", "", ".proto file that declares the records (required)")
	f.StringVar(&name, "name", userName(), "who publishes, as the log records it; a new name makes replays under way INCONCLUSIVE")
	f.Float64Var(&cfg.MaxRemoved, "max-removed", cfg.MaxRemoved, "part of the records, 0 to 1, that one version may remove")
	f.IntVar(&cfg.MaxLine, "max-line", cfg.MaxLine, "longest line, in bytes")
	f.IntVar(&cfg.SnapshotEvery, "snapshot-every", cfg.SnapshotEvery, "number of versions from one snapshot to the next")
	f.BoolVar(&cfg.Breaking, "breaking", false, "publish though applications that read with the schema of before would misread the records")
	f.BoolVar(&cfg.AcceptDamagedLog, "accept-damaged-log", false, "publish though earlier entries of the log are lost or were changed")
	f.BoolVar(&cfg.FromScratch, "from-scratch", false, "publish though the newest version cannot be read, because its files are lost or damaged")
	f.BoolVar(&cfg.Takeover, "takeover", false, "take the dataset from a producer that holds a claim on it")
	_ = c.MarkFlagRequired("schema")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if err := checkOutput(*output); err != nil {
			return err
		}
		if cfg.Dataset, err = dataset.ParseName(args[0]); err != nil {
			return err
		}
		if !(cfg.MaxRemoved >= 0 && cfg.MaxRemoved <= 1) || cfg.MaxLine < 1 || cfg.SnapshotEvery < 1 {
			return fmt.Errorf("--max-removed must be in 0 to 1, --max-line and --snapshot-every at least 1")
		}
		if err := checkText("name", name, maxWho); err != nil {
			return err
		}
		if cfg.Mapping, err = compile(c.Context(), schema); err != nil {
			return err
		}
		if cfg.Files, err = sources(c, args[1:]); err != nil {
			return err
		}
		var undo func()
		if cfg.Store, undo, err = createStore(c.Context(), store); err != nil {
			return err
		}
		cfg.Author, cfg.Logger = announce.Author{Name: name}, logger(c)
		r, err := publish(c, cfg)
		if err != nil {
			undo()
			return err
		}
		return answerResult(c, r, *output)
	}
	return c
}

// answerResult prints what a cycle did in a format.
func answerResult(c *cobra.Command, r cycle.Result, format string) error {
	var err error
	if format == "json" {
		err = printJSON(c.OutOrStdout(), r)
	} else {
		err = printResult(c, r)
	}
	return alreadyDone(err, "%s", didPublish(r))
}

// didPublish says what a cycle did, for whoever cannot be answered.
func didPublish(r cycle.Result) string {
	if !r.Published {
		return fmt.Sprintf("nothing of %s changed, which is still at %s", r.Dataset, r.Version)
	}
	return fmt.Sprintf("%s@%s was published and announced", r.Dataset, r.Version)
}

func publish(c *cobra.Command, cfg producer.Config) (cycle.Result, error) {
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	go collector.Follow(ctx, collector.Making)
	show, done := progress(c, "record", "read")
	cfg.Progress = show
	r, err := producer.Publish(ctx, cfg)
	done(err)
	return r, err
}

// sources returns what to read. What can be read once only, standard input and
// pipes, is kept as it is read, because a publish that loses a race starts over.
func sources(c *cobra.Command, paths []string) ([]producer.File, error) {
	files := producer.Files(paths...)
	for i, path := range paths {
		info, err := os.Stat(path)
		switch {
		case path == "-":
			files[i] = newKept("standard input", func() (io.ReadCloser, error) { return io.NopCloser(c.InOrStdin()), nil })
		case err == nil && info.IsDir():
			return nil, fmt.Errorf("source %s is a folder: name files of JSON lines", path)
		case err == nil && !info.Mode().IsRegular():
			files[i] = newKept(path, files[i].Open)
		}
	}
	return files, nil
}

func printResult(c *cobra.Command, r cycle.Result) error {
	w := c.OutOrStdout()
	if !r.Published {
		_, err := fmt.Fprintf(w, "%s: nothing changed, still at %s (%s)\n", r.Dataset, r.Version, count(r.Records, "record"))
		return err
	}
	schema := ""
	if r.NewSchema {
		schema = ", with a new schema"
	}
	_, err := fmt.Fprintf(w, "%s: published %s: %s, %d added, %d removed, %d changed, %d unchanged%s\n",
		r.Dataset, r.Version, count(r.Records, "record"), r.Added, r.Removed, r.Changed, r.Unchanged, schema)
	return err
}

// progress returns what shows a growing count of things on standard error, and
// what was done with them: on one line if that is a terminal, else once, at the
// end, if that is a good one.
func progress(c *cobra.Command, thing, done string) (show func(int), end func(error)) {
	last := 0
	if file, ok := c.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		show = func(n int) {
			last = n
			fmt.Fprintf(file, "\r%s %s", count(n, thing), done)
		}
		return show, func(error) {
			if last > 0 {
				fmt.Fprintln(file)
			}
		}
	}
	return func(n int) { last = n }, func(err error) {
		if err == nil {
			fmt.Fprintf(c.ErrOrStderr(), "%s %s\n", count(last, thing), done)
		}
	}
}

// userName names who works here.
func userName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return host
}
