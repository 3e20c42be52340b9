package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

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

If it fails midway, it has printed a part, and exits with 2.`,
		Example: `  holdfast export availability > availability.jsonl
  holdfast export availability@20260102150405000 --store ./store | gzip > availability.jsonl.gz`,
		Args: cobra.ExactArgs(1),
	}
	return look(c, func(ctx context.Context, s source, args []string) error {
		t, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
		err = s.Export(ctx, t, func(record []byte) error {
			_, err := w.Write(append(record, '\n'))
			return err
		})
		return errors.Join(err, w.Flush())
	})
}

// checkEvery is how many records pass between two looks at a context.
const checkEvery = 1024

// Export gives f each record of a version as ProtoJSON, valid until f returns.
func (s *storeSource) Export(ctx context.Context, t target, f func([]byte) error) error {
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
			return fmt.Errorf("record with key %s: %w", v.Index.KeyOf(r), err)
		}
		if err := f(record); err != nil {
			return err
		}
	}
	return nil
}

// Export gives f each record of a version as ProtoJSON, valid until f returns.
func (s *sidecarSource) Export(ctx context.Context, t target, f func([]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // else the stream stays
	stream, err := s.lookup.List(ctx, &holdfastv1.ListRequest{Dataset: string(t.name), Version: versionText(t.version)})
	if err != nil {
		return s.failed(err)
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
