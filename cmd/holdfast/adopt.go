package main

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func newAdopt() *cobra.Command {
	var store, from string
	a := cycle.Adoption{Now: time.Now}
	c := &cobra.Command{
		Use:   "adopt DATASET --store DIR --reason TEXT [--from FOLDER]",
		Short: "Take the version of a Java producer into a dataset's log",
		Long: `Adopt takes the version that a Java producer has announced in a folder into the
dataset's log, with digests and a content checksum; from there on it is like any
other. FOLDER is where Hollow's publisher writes, by default the dataset's own
folder in the store. Stop the Java producer first: the folder has one owner.

What is published later counts on from the adopted version, so one above 2^62
(4611686018427387904) is refused: it would not leave room enough.`,
		Example: `  holdfast adopt movies --store ./store --reason "moved from Java"
  holdfast adopt movies --store s3://bucket/prefix --from /data/hollow/movies --reason "moved from Java"`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(c)
	f := c.Flags()
	storeFlag(c, &store, "store: a folder, made if it is missing, or a URL")
	f.StringVar(&from, "from", "", "folder of the Java producer (default: the dataset's own)")
	f.StringVar(&a.Declared.Root, "root", "", "type whose records are looked up, if it is not the only keyed one")
	f.StringSliceVar(&a.Declared.Key, "key", nil, "its key fields, if its primary key is not what is meant")
	author := authorFlags(c, "why, for the log (required)")
	_ = c.MarkFlagRequired("reason")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if err := checkOutput(*output); err != nil {
			return err
		}
		if a.Dataset, err = dataset.ParseName(args[0]); err != nil {
			return err
		}
		if a.Author, err = author(); err != nil {
			return err
		}
		var undo func()
		if a.Store, undo, err = createStore(c.Context(), store); err != nil {
			return err
		}
		if a.Folder = from; from == "" {
			dir, ok := a.Store.(*blob.Dir)
			if !ok {
				undo()
				return errors.New("name the producer's folder: --from FOLDER")
			}
			a.Folder = filepath.Join(dir.Root(), args[0])
		}
		a.Logger = logger(c)
		r, err := cycle.Adopt(c.Context(), a)
		if err != nil {
			undo()
			return err
		}
		return answerResult(c, r, *output)
	}
	return c
}
