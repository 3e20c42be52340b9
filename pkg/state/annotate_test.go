package state_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

var rewrite = flag.Bool("rewrite", false, "write the annotated blobs in testdata anew")

// TestAnnotate compares annotated blobs with those in testdata/annotate, which
// are to be read by people.
func TestAnnotate(t *testing.T) {
	want := map[string]string{"00-minimal": "*-*", "05-collections": "delta-*6001-*", "12-delta-chain": "reversedelta-*13002-*"}
	for _, c := range golden.Cases(t) {
		pattern, ok := want[c.Name]
		if !ok {
			continue
		}
		files, err := filepath.Glob(filepath.Join(c.Extract(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			found++
			if err := state.Annotate(&got, data); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			path := filepath.Join("testdata", "annotate", c.Name+"."+filepath.Base(file)+".txt")
			if *rewrite {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil || got.String() != string(text) {
				t.Errorf("%s differs from what is annotated now (error %v); if that is meant, run the test with -rewrite and read it:\n%s", path, err, &got)
			}
		}
		if found == 0 {
			t.Errorf("%s has no blob %s", c.Name, pattern)
		}
	}
}

var annotated = regexp.MustCompile(`^([0-9a-f]{8})  ([0-9a-f]+)( *  # .*)?$`)

// coverage returns the bytes that an annotated dump shows.
func coverage(text string) ([]byte, error) {
	var out []byte
	repeat := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "*" {
			repeat = true
			continue
		}
		m := annotated.FindStringSubmatch(line)
		if m == nil {
			if !strings.HasPrefix(line, strings.Repeat(" ", 40)) {
				return nil, fmt.Errorf("line %q", line)
			}
			continue
		}
		at, err := strconv.ParseInt(m[1], 16, 64)
		if err != nil {
			return nil, err
		}
		for repeat && len(out) < int(at) {
			out = append(out, out[len(out)-16:]...)
		}
		repeat = false
		var row []byte
		if _, err := fmt.Sscanf(m[2], "%x", &row); err != nil || len(out) != int(at) {
			return nil, fmt.Errorf("line %q after %d bytes, error %w", line, len(out), err)
		}
		out = append(out, row...)
	}
	return out, nil
}

// TestAnnotateShowsEveryByte annotates all blobs of a Java producer.
func TestAnnotateShowsEveryByte(t *testing.T) {
	for _, c := range golden.Cases(t) {
		files, err := filepath.Glob(filepath.Join(c.Extract(t), "*-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) < 4 || data[0] != 0 || data[2] != 4 || data[3] != 6 && data[3] != 7 || len(data) > 1<<20 {
				continue
			}
			var out bytes.Buffer
			err = state.Annotate(&out, data)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if got, err := coverage(out.String()); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d of %d bytes are shown, error %v", file, len(got), len(data), err)
			}
			kind, _, _ := strings.Cut(filepath.Base(file), "-")
			kind, _, _ = strings.Cut(kind, "_")
			if word := map[string]string{"snapshot": "of a snapshot", "delta": "of a delta", "reversedelta": "of a delta"}[kind]; !strings.Contains(out.String(), word) && !strings.Contains(out.String(), "# 0 types, ") {
				t.Errorf("%s is not annotated as %q", file, word)
			}
		}
	}
}

// TestAnnotateCorrupt flips every byte and cuts everywhere: all that is there is
// shown, and errors are ErrCorrupt.
func TestAnnotateCorrupt(t *testing.T) {
	for _, c := range golden.Cases(t) {
		if c.Name != "00-minimal" && c.Name != "05-collections" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(c.Extract(t), map[string]string{"00-minimal": "snapshot-*", "05-collections": "delta-*"}[c.Name]))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files[:1] {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < min(len(data), 400); i++ { // the rest is populated ordinals
				flipped := bytes.Clone(data)
				flipped[i] ^= 0xff
				for _, b := range [][]byte{flipped, data[:i]} {
					var out bytes.Buffer
					if err := state.Annotate(&out, b); err != nil && !errors.Is(err, state.ErrCorrupt) {
						t.Fatalf("%s at byte %d: %v", file, i, err)
					}
					if got, err := coverage(out.String()); err != nil || !bytes.Equal(got, b) {
						t.Fatalf("%s at byte %d: %d of %d bytes are shown, error %v", file, i, len(got), len(b), err)
					}
				}
			}
		}
	}
}

// TestAnnotatePrintable annotates blobs of which a name holds what a terminal obeys.
func TestAnnotatePrintable(t *testing.T) {
	for _, c := range golden.Cases(t) {
		files, err := filepath.Glob(filepath.Join(c.Extract(t), "snapshot-*"))
		if err != nil || c.Name != "05-collections" {
			continue
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"\x1b", "\n"} {
			changed := bytes.ReplaceAll(data, []byte("Lst"), []byte("L"+bad+"t"))
			var out bytes.Buffer
			_ = state.Annotate(&out, changed) // a type may be one that it does not know
			if got, err := coverage(out.String()); err != nil || !bytes.Equal(got, changed) || bytes.Equal(data, changed) || strings.Contains(out.String(), "\x1b") {
				t.Errorf("%s with %q in a name: %d of %d bytes are shown, error %v:\n%q", files[0], bad, len(got), len(changed), err, out.String()[:1000])
			}
		}
		return
	}
	t.Fatal("there is no such case")
}

func FuzzAnnotate(f *testing.F) {
	for _, c := range golden.Cases(f) {
		if c.Name != "00-minimal" && c.Name != "05-collections" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(c.Extract(f), "*-*"))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var err error
		n := allocated(func() { err = state.Annotate(io.Discard, data) })
		checkAllocation(t, "annotated blob", len(data), n)
		if err != nil && !errors.Is(err, state.ErrCorrupt) {
			t.Error(err)
		}
	})
}
