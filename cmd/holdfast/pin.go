package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

func newPin() *cobra.Command {
	c := &cobra.Command{
		Use:   "pin DATASET@VERSION --store DIR --reason TEXT",
		Short: "Hold all consumers of a dataset at a version",
		Long: `Pin holds every consumer of a dataset at an announced version, whatever is
announced later, until unpin. That is how bad content is taken out of service:
pin the good version, publish the old content as a new version, unpin.

A schema that was published with --breaking breaks the way back, too:
applications built with the newer one may misread versions of the older one.
Pin and unpin warn of that, and say which fields it is.

Versions below the horizon, up to which prune has come, cannot be pinned, not
even one that was kept because an output was made from it. Export such a version
and publish it as a new one instead.`,
		Example: `  holdfast pin usage@20260102150405000 --store ./store --reason "June's figures are wrong"`,
		Args:    cobra.ExactArgs(1),
	}
	return changeLog(c, func(ctx context.Context, log *announce.Log, who announce.Author, t target) (announce.Fold, error) {
		if t.version == dataset.None {
			return announce.Fold{}, errors.New("name the version to pin: DATASET@VERSION")
		}
		return log.Pin(ctx, who, t.version)
	})
}

// errNoPin says that there is nothing to take back.
var errNoPin = errors.New("there is no pin")

func newUnpin() *cobra.Command {
	c := &cobra.Command{
		Use:   "unpin DATASET --store DIR --reason TEXT",
		Short: "Let the consumers of a dataset go to its newest version",
		Long: `Unpin lets the consumers of a dataset go to its newest version. It works on a full
file system, too, if the store is a folder: it takes of the space that is held back
there for prune, which a pinned version may keep from deleting anything.`,
		Example: `  holdfast unpin usage --store ./store --reason "corrected"`,
		Args:    cobra.ExactArgs(1),
	}
	return changeLog(c, func(ctx context.Context, log *announce.Log, who announce.Author, _ target) (announce.Fold, error) {
		f, err := log.Refresh(ctx)
		if err == nil && f.Pin == nil {
			err = errNoPin
		}
		if err != nil {
			return f, err
		}
		return log.Unpin(ctx, who)
	})
}

// roomToUnpin makes room for an entry in a full file system, if the entry is an unpin
// and there is a reserve: without it a pinned version may keep prune from making any.
func roomToUnpin(c *cobra.Command, s blob.Store, err error) bool {
	dir, ok := s.(*blob.Dir)
	return ok && c.Name() == "unpin" && blob.IsFull(err) && dir.LendReserve()
}

// changeLog makes a command that appends one entry to a dataset's log.
func changeLog(c *cobra.Command, appendEntry func(context.Context, *announce.Log, announce.Author, target) (announce.Fold, error)) *cobra.Command {
	output := outputFlag(c)
	store := storeFlag(c, new(string), "store, a folder or a URL")
	author := authorFlags(c, "why, for the log (required)")
	_ = c.MarkFlagRequired("reason")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		t, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		who, err := author()
		if err != nil {
			return err
		}
		s, err := cloud.Open(c.Context(), *store)
		if err != nil {
			return err
		}
		if _, err := (&storeSource{s}).replica(c.Context(), t.name); err != nil {
			return err // no log yet: do not begin one
		}
		log := announce.Open(s, t.name)
		before, err := log.Refresh(c.Context())
		if err != nil {
			return err
		}
		fold, err := appendEntry(c.Context(), log, who, t)
		for err != nil && roomToUnpin(c, s, err) {
			fold, err = appendEntry(c.Context(), log, who, t)
		}
		none := errors.Is(err, errNoPin)
		if err != nil && !none {
			return err
		}
		v, _ := fold.Effective()
		out := heldAt{Dataset: t.name, Version: v, Newest: fold.Head, Pinned: fold.Pin != nil}
		if none {
			return out.print(c, *output, "%s: there was no pin; consumers go to the newest, %s\n", t.name, text(fold.Head))
		}
		if dir, ok := s.(*blob.Dir); ok { // only folders are read by Hollow
			if err := announce.Project(c.Context(), dir, t.name, fold); err != nil {
				return fmt.Errorf("%s: the log says that consumers go to %s, but the names that Hollow's consumers read are not renewed: %w", t.name, v, err)
			}
		}
		warnMisread(c, s, t.name, before, fold)
		err = out.print(c, *output, "%s: consumers go to %s, the newest is %s\n", t.name, v, fold.Head)
		return alreadyDone(err, "consumers of %s go to %s now, as the log says", t.name, v)
	}
	return c
}

// warnMisread warns if the schemas of the versions between which consumers are moved
// do not go together. If these cannot be read, nothing is said: bad content is taken
// out of service without them, too.
func warnMisread(c *cobra.Command, s blob.Store, n dataset.Name, before, after announce.Fold) {
	from, _ := before.Effective()
	to, _ := after.Effective()
	catalog := replica.NewCatalog(s, n)
	var schemas [2]*protomap.Mapping
	for i, v := range []dataset.Version{min(from, to), max(from, to)} {
		at, err := catalog.Find(c.Context(), after, v)
		if err == nil {
			schemas[i], err = catalog.Mapping(c.Context(), at.Manifest.Schema)
		}
		if err != nil || schemas[i] == nil {
			return
		}
	}
	if why := protomap.Breaking(schemas[0], schemas[1]); len(why) > 0 {
		_ = printLine(c.ErrOrStderr(), "warning: applications built with the schema of %s may misread records of %s without an error; from the older one to the newer: %s",
			from, to, strings.Join(why, "; "))
	}
}

// heldAt is where the consumers of a dataset go, as JSON shows it.
type heldAt struct {
	Dataset dataset.Name    `json:"dataset"`
	Version dataset.Version `json:"version"`
	Newest  dataset.Version `json:"newest"`
	Pinned  bool            `json:"pinned"`
}

// print prints it, as JSON or as a sentence.
func (h heldAt) print(c *cobra.Command, format, sentence string, args ...any) error {
	if format == "json" {
		return printJSON(c.OutOrStdout(), h)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), sentence, args...)
	return err
}
