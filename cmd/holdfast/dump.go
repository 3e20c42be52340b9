package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/state"
)

func newDump() *cobra.Command {
	var load, parts []string
	var filter string
	var checksum, paged bool
	var annotated string
	var p pageDump
	c := &cobra.Command{
		Use:   "dump (--load FILE[,FILE…] | --bytes FILE | --pages FILE…)",
		Short: "Decode Hollow blobs and print every record",
		Long: `Dump reads a snapshot, applies the deltas or reverse deltas after it in order,
and prints the state as JSON lines: first the types, then each record by type
and ordinal. With --bytes it prints every byte of one blob, whatever its kind,
with its offset and meaning. With --pages it prints how the state lies in
memory: each page with its columns, then what each type takes, and all; with
--summary only that.`,
		Example: `  holdfast dump --load snapshot-20260102150405000
  holdfast dump --load snapshot-20260102150405000,delta-20260102150405000-20260102150406000 --checksum
  holdfast dump --bytes delta-20260102150405000-20260102150406000
  holdfast dump --pages --type Country --ordinal 7 snapshot-20260102150405000`,
		Args: func(c *cobra.Command, args []string) error {
			if paged && c.Flags().Changed("ordinal") && p.ordinal < 0 {
				return errors.New("--ordinal must not be negative")
			}
			if paged {
				return cobra.MinimumNArgs(1)(c, args)
			}
			for _, name := range []string{"type", "ordinal", "summary"} {
				if c.Flags().Changed(name) {
					return fmt.Errorf("--%s goes with --pages", name)
				}
			}
			if len(args) > 0 {
				return fmt.Errorf("say what to do with %s: --load it, or print its --bytes or --pages", args[0])
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVar(&load, "load", nil, "snapshot, then deltas or reverse deltas")
	f.StringVar(&annotated, "bytes", "", "print the bytes of this blob and what they mean")
	f.StringSliceVar(&parts, "parts", nil, "optional parts to load, by name")
	f.StringVar(&filter, "filter", "", "types and fields to load: rules:excludeAll,include:TYPE[.FIELD],… (also includeAll, exclude, and each with Recursive behind it) or config:EXCLUDE|TYPE[.FIELD]|… or config:INCLUDE|…; as in Hollow, exclude:TYPE.FIELD has no effect on a type that is included as a whole, as all are at first")
	f.BoolVar(&checksum, "checksum", false, "print only Hollow's checksum, in hexadecimal")
	f.BoolVar(&paged, "pages", false, "print the pages of the state that these blobs lead to, and what takes memory")
	f.StringVar(&p.typeName, "type", "", "only this type, with --pages")
	f.Int32Var(&p.ordinal, "ordinal", -1, "only the page of this ordinal, with --pages")
	f.BoolVar(&p.summary, "summary", false, "only what types take, with --pages")
	c.MarkFlagsOneRequired("load", "bytes", "pages")
	c.MarkFlagsMutuallyExclusive("load", "bytes", "pages")
	c.MarkFlagsMutuallyExclusive("checksum", "bytes", "pages")
	c.MarkFlagsMutuallyExclusive("summary", "ordinal")
	c.RunE = func(c *cobra.Command, args []string) error {
		if paged {
			s, err := loadFiles(c.ErrOrStderr(), args, parts, filter)
			if err != nil {
				return err
			}
			return p.write(c.OutOrStdout(), s)
		}
		if annotated != "" {
			data, err := blob.ReadFile(annotated, math.MaxInt64)
			if err != nil {
				return fmt.Errorf("read blob: %w", err)
			}
			if err := state.Annotate(c.OutOrStdout(), data); err != nil {
				return fmt.Errorf("%s: %w", annotated, err)
			}
			return nil
		}
		s, err := loadFiles(c.ErrOrStderr(), load, parts, filter)
		if err != nil {
			return err
		}
		if filter != "" && len(s.Types()) == 0 {
			_ = printLine(c.ErrOrStderr(), "The filter leaves no type of %s.", load[0])
		}
		if checksum {
			_, err := fmt.Fprintf(c.OutOrStdout(), "%x\n", s.HollowChecksum())
			return err
		}
		w := bufio.NewWriterSize(c.OutOrStdout(), 1<<20)
		if err := s.Dump(w, versionOf(load[len(load)-1], s)); err != nil {
			return err
		}
		return w.Flush()
	}
	return c
}

// pageDump is what of a state's pages is printed.
type pageDump struct {
	typeName string // "" for all
	ordinal  int32  // negative for all
	summary  bool   // no pages
}

func (p pageDump) write(w io.Writer, s *state.State) error {
	types := s.Types()
	if p.typeName != "" {
		t := s.Type(p.typeName)
		if t == nil {
			return fmt.Errorf("the state has no type %s", p.typeName)
		}
		types = []*state.Type{t}
	}
	if p.ordinal >= 0 {
		return p.writeOne(w, types)
	}
	for _, t := range types {
		if p.summary {
			break
		}
		if err := t.DumpPages(w); err != nil {
			return err
		}
	}
	if p.typeName != "" {
		return types[0].DumpMemory(w)
	}
	return s.DumpMemory(w)
}

// writeOne prints the page of one ordinal of each type that has it.
func (p pageDump) writeOne(w io.Writer, types []*state.Type) error {
	found := false
	for _, t := range types {
		o := state.Ordinal(p.ordinal)
		if !t.Populated(o) {
			continue
		}
		found = true
		if err := t.DumpPage(w, o); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("no record has the ordinal %d", p.ordinal)
	}
	return nil
}

// loadFiles returns the state that blobs lead to. What of the rules is without effect
// it says on w.
func loadFiles(w io.Writer, load, parts []string, rules string) (*state.State, error) {
	var filter *state.Filter
	if rules != "" {
		var err error
		if filter, err = state.ParseFilter(rules); err != nil {
			return nil, err
		}
	}
	if kind, _, _ := strings.Cut(filepath.Base(load[0]), "-"); kind == "delta" || kind == "reversedelta" {
		return nil, fmt.Errorf("%s is a %s: name the snapshot that it starts from before it, or print its bytes with --bytes", load[0], kind)
	}
	var s *state.State
	for i, file := range load {
		data, err := blob.ReadFile(file, math.MaxInt64)
		if err != nil {
			return nil, fmt.Errorf("read blob: %w", err)
		}
		more, err := readParts(file, parts)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			if filter != nil && len(parts) == 0 { // whose types the snapshot does not name
				dumpFilter{rules, filter}.warn(w, data)
			}
			s, err = state.ReadSnapshot(data, state.ReadOptions{Parts: more, Filter: filter})
		} else {
			s, err = s.Apply(data, more...)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, nil
}

// readParts reads the side files of a blob: "delta_images-1-2" belongs to
// "delta-1-2".
func readParts(file string, names []string) ([]state.Part, error) {
	var out []state.Part
	dir, base := filepath.Split(file)
	kind, versions, _ := strings.Cut(base, "-")
	for _, name := range names {
		data, err := blob.ReadFile(filepath.Join(dir, kind+"_"+name+"-"+versions), math.MaxInt64)
		if err != nil {
			return nil, fmt.Errorf("read part: %w", err)
		}
		out = append(out, state.Part{Name: name, Data: data})
	}
	return out, nil
}

// versionOf returns the version that a blob leads to: the last number of its
// name, else what its header says.
func versionOf(file string, s *state.State) string {
	base := filepath.Base(file)
	if i := strings.LastIndexByte(base, '-'); i >= 0 {
		return base[i+1:]
	}
	return s.Header().Tags["hollow.blob.to.version"]
}
