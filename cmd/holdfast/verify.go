package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify DIR|URL",
		Short: "Check everything that is stored in a folder or bucket",
		Long: `Verify reads every blob of a store, of one dataset's folder, or of a folder of a
Hollow producer: digests, decoding, content checksums, and that snapshots,
deltas and reverse deltas lead to the same states. Files that failed cycles left
behind are listed; they are no error, and prune deletes them once it comes past
their versions. Schemas that no version names, or none any more, are counted; they
stay. Also counted are deltas across a change of schemas that lead to another
state than the snapshot of their version: a Hollow consumer that goes by them keeps
the schemas that it began with, which is no problem. It exits with 1 if something is wrong.

With --rewrite it decodes the snapshots, writes all blobs again and compares the
bytes: a check of this program's writer on files of others.`,
		Example: "  holdfast verify ./store\n  holdfast verify ./store/usage\n  holdfast verify s3://bucket/store",
		Args:    cobra.ExactArgs(1),
	}
	output := outputFlag(c)
	verbose := c.Flags().BoolP("verbose", "v", false, "name every orphan, unused schema and delta over a change of the schema, one a line")
	rewrite := c.Flags().Bool("rewrite", false, "write every blob again and compare the bytes instead")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		check := verifyDir
		if *rewrite {
			check = rewriteDir
		}
		list, err := check(c, args[0])
		if err != nil {
			return err
		}
		if *output == "json" {
			err = printJSON(c.OutOrStdout(), list)
		} else {
			printVerifications(c, list, *verbose)
		}
		for _, v := range list {
			if len(v.Problems) > 0 {
				return &answerNo{code: exitNo}
			}
		}
		return err
	}
	return c
}

func verifyDir(c *cobra.Command, path string) ([]*replica.Verification, error) {
	if cloud.IsURL(path) {
		return verifyBucket(c, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if isDir(filepath.Join(path, "log")) { // one dataset's folder
		n, err := dataset.ParseName(filepath.Base(path))
		if err != nil {
			return nil, err
		}
		store, err := blob.OpenDir(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		return verifyStore(c, store, n)
	}
	store, err := blob.OpenDir(path)
	if err != nil {
		return nil, err
	}
	names, err := verifiable(c.Context(), store)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return verifyStore(c, store, names...)
	}
	f, err := replica.OpenFolder(path)
	if err != nil {
		return nil, err
	}
	if len(f.Snapshots)+len(f.Steps) == 0 {
		return nil, fmt.Errorf("folder %s is neither a store, nor a dataset's folder, nor a folder of Hollow blobs", path)
	}
	v, err := f.Verify(c.Context())
	return []*replica.Verification{v}, err
}

func verifyBucket(c *cobra.Command, url string) ([]*replica.Verification, error) {
	store, err := cloud.Open(c.Context(), url)
	if err != nil {
		return nil, err
	}
	names, err := blob.Datasets(c.Context(), store)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("the store has no datasets")
	}
	return verifyStore(c, store, names...)
}

// verifiable returns the datasets of a store, also those whose log has lost its
// beginning.
func verifiable(ctx context.Context, store *blob.Dir) ([]dataset.Name, error) {
	names, err := blob.Datasets(ctx, store)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(store.Root())
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		n, err := dataset.ParseName(e.Name())
		if err == nil && !slices.Contains(names, n) && (isDir(store.Path(e.Name()+"/log")) || isDir(store.Path(e.Name()+"/versions"))) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, nil
}

func rewriteDir(c *cobra.Command, path string) ([]*replica.Verification, error) {
	if cloud.IsURL(path) {
		return nil, errors.New("--rewrite needs a folder")
	}
	folders := []string{path}
	if store, err := blob.OpenDir(path); err == nil {
		if names, err := blob.Datasets(c.Context(), store); err == nil && len(names) > 0 {
			folders = nil
			for _, n := range names {
				folders = append(folders, filepath.Join(path, string(n)))
			}
		}
	}
	var out []*replica.Verification
	for _, folder := range folders {
		f, err := replica.OpenFolder(folder)
		if err != nil {
			return nil, err
		}
		v, err := f.Rewrite(c.Context())
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func verifyStore(c *cobra.Command, store blob.Store, names ...dataset.Name) ([]*replica.Verification, error) {
	var out []*replica.Verification
	for _, n := range names {
		v, err := verifyDataset(c.Context(), c, store, n)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func verifyDataset(ctx context.Context, c *cobra.Command, store blob.Store, n dataset.Name) (*replica.Verification, error) {
	show, done := progress(c, "version", fmt.Sprintf("of %s verified", n))
	v, err := replica.Verify(ctx, store, n, func(version, _ int) { show(version) })
	done(err)
	return v, err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// fewOrphans is how many orphans are named without -v.
const fewOrphans = 3

func printVerifications(c *cobra.Command, list []*replica.Verification, verbose bool) {
	w := c.OutOrStdout()
	for _, v := range list {
		verdict := "ok"
		if len(v.Problems) > 0 {
			verdict = "BAD"
		}
		_ = printLine(w, "%s: %s: %s, %s, %s", v.Dataset, verdict, count(v.Versions, "version"), count(v.Blobs, "blob"), count(v.Bytes, "byte"))
		for _, p := range v.Problems {
			_ = printLine(w, "  problem: %s", p) // an answer remembers its error
		}
		if n := len(v.PathDependent); n > 0 && !verbose {
			_ = printLine(w, "  no problem: %s over a change of the schema, by which Hollow's consumers keep the one before; -v names them", count(n, "delta"))
		} else {
			for _, p := range v.PathDependent {
				_ = printLine(w, "  path-dependent: %s", p)
			}
		}
		if verbose {
			for _, key := range v.Orphans {
				_ = printLine(w, "  orphan of a failed cycle: %s", key)
			}
		} else if n := len(v.Orphans); n > fewOrphans {
			_ = printLine(w, "  %d orphans of failed cycles: %s, …; -v names all", n, strings.Join(v.Orphans[:fewOrphans], ", "))
		} else if n > 0 {
			_ = printLine(w, "  orphans of failed cycles: %s", strings.Join(v.Orphans, ", "))
		}
		if n := len(v.UnusedSchemas); n > 0 && !verbose {
			fmt.Fprintf(w, "  %s that no version names; -v names them\n", count(n, "schema"))
		} else if n > 0 {
			for _, key := range v.UnusedSchemas {
				_ = printLine(w, "  schema that no version names: %s", key)
			}
		}
	}
}
