package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

func newExport() *cobra.Command {
	c := &cobra.Command{
		Use:        "export DATASET[@VERSION]",
		SuggestFor: []string{"cat", "list", "dump-records"},
		Short:      "Print all records of a dataset, as publish reads them",
		Long: `Export prints every record of one version of a dataset as JSON lines, in the
order in which the version has them, while it reads them. The records are
ProtoJSON as "get -o json" prints it, and what "publish" takes: publishing them
with the same schema makes the same content. DATASET alone is the version that
consumers stand at: the newest, or the pinned one.

A sidecar that leaves fields out (leave_out) has no whole records: publishing them
would remove the values that it lacks. Export then names the fields and exits with
2; take the records from the store, with --store, or what the sidecar has of them,
with --partial.

If it fails midway, it has printed a part, and exits with 2.`,
		Example: `  holdfast export availability > availability.jsonl
  holdfast export availability@20260102150405000 --store ./store | gzip > availability.jsonl.gz`,
		Args: cobra.ExactArgs(1),
	}
	partial := c.Flags().Bool("partial", false, "also print records that lack fields, because the sidecar leaves them out; not to be published")
	return look(c, func(ctx context.Context, s source, args []string) error {
		t, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
		lacking := func(fields string) error {
			if !*partial {
				return partialError(args[0], fields)
			}
			return printLine(c.ErrOrStderr(), "warning: the records of %s are printed without %s: do not publish them in its place", args[0], fields)
		}
		err = s.Export(ctx, t, lacking, func(record []byte) error {
			_, err := w.Write(append(record, '\n'))
			return err
		})
		return errors.Join(err, w.Flush())
	})
}

// partialError says that the records of a target lack fields, and what to do.
func partialError(of, fields string) error {
	return fmt.Errorf("%[1]s is served without %[2]s: publishing such records would remove the values; "+
		"export them from the store, with \"holdfast export %[1]s --store STORE\", or what is here of them, with --partial", of, fields)
}

// checkEvery is how many records pass between two looks at a context.
const checkEvery = 1024

// Export gives f each record of a version as ProtoJSON, valid until f returns. A
// store has all fields.
func (s *storeSource) Export(ctx context.Context, t target, _ func(string) error, f func([]byte) error) error {
	v, err := s.open(ctx, t)
	if err != nil {
		return err
	}
	n := 0
	for o := range v.Root().Ordinals() {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r := v.Root().Record(o)
		record, err := v.JSON(r)
		if err != nil {
			return fmt.Errorf("record with key %s: %w", dataset.Printable(strings.Join(v.Mapping.KeyTexts(v.Index.KeyOf(r)), " ")), err)
		}
		if err := f(record); err != nil {
			return err
		}
	}
	return nil
}

// leftOutKey is the metadata of an answer whose records lack fields.
const leftOutKey = "holdfast-left-out"

// Export gives f each record of a version as ProtoJSON, valid until f returns,
// unless they lack fields, and lacking minds.
func (s *sidecarSource) Export(ctx context.Context, t target, lacking func(fields string) error, f func([]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // else the stream stays
	stream, err := s.lookup.List(ctx, &holdfastv1.ListRequest{Dataset: string(t.name), Version: versionText(t.version)})
	if err != nil {
		return s.failed(err)
	}
	// The list itself says so, since the next one may be of another declaration.
	header, err := stream.Header()
	if err != nil {
		return s.failedFor(ctx, err, t.name)
	}
	if fields := header.Get(leftOutKey); len(fields) > 0 {
		if err := lacking(strings.Join(fields, ", ")); err != nil {
			return err
		}
	}
	for {
		record, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.failedFor(ctx, err, t.name)
		}
		if err := f([]byte(record.GetJson())); err != nil {
			return err
		}
	}
}
