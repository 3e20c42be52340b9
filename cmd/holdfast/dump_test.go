package main

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// command runs a command in this process.
func command(t testing.TB, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := newRoot()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(io.Discard)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

// TestDumpGolden dumps along every path of every golden case.
func TestDumpGolden(t *testing.T) {
	checks, sums := 0, 0
	for _, c := range golden.Cases(t) {
		dir := c.Extract(t)
		for _, check := range c.Index.Checks {
			var files []string
			for _, file := range check.Load {
				files = append(files, filepath.Join(dir, file))
			}
			args := []string{"dump", "--load", strings.Join(files, ",")}
			if len(check.Parts) > 0 {
				args = append(args, "--parts", strings.Join(check.Parts, ","))
			}
			if check.Filter != "" {
				args = append(args, "--filter", check.Filter)
			}
			got, err := command(t, args...)
			if want := string(golden.WithoutDecimals(c.Expected(check.Expected))); err != nil || got != want {
				t.Errorf("%s, %s: holdfast %q: error %v, %d bytes, want %d", c.Name, check.ID, args, err, len(got), len(want))
			}
			checks++
			if check.Checksum == "" {
				continue
			}
			got, err = command(t, append(args, "--checksum")...)
			if err != nil || got != check.Checksum+"\n" {
				t.Errorf("%s, %s: checksum %q, want %s, error %v", c.Name, check.ID, got, check.Checksum, err)
			}
			sums++
		}
	}
	if checks < 100 || sums < 50 {
		t.Errorf("only %d dumps and %d checksums were compared", checks, sums)
	}
}

// TestDumpRefuses holds that flags which say nothing together are refused, and so is
// a second snapshot in a delta's place.
func TestDumpRefuses(t *testing.T) {
	c := golden.Cases(t)[0]
	file := filepath.Join(c.Extract(t), c.Index.Checks[0].Load[0])
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"--load", file, "--type", "X"}, "--type goes with --pages"},
		{[]string{"--load", file, "--ordinal", "1"}, "--ordinal goes with --pages"},
		{[]string{"--bytes", file, "--summary"}, "--summary goes with --pages"},
		{[]string{"--pages", "--checksum", file}, "exclude each other"},
		{[]string{"--pages", "--ordinal", "-5", file}, "--ordinal must not be negative"},
		{[]string{"--load", file + "," + file}, "starts from tag"},
	} {
		if _, err := command(t, append([]string{"dump"}, tc.args...)...); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: error %v, want one that says %q", tc.args, err, tc.says)
		}
	}
	out, err := command(t, "dump", "--pages", "--summary", file)
	if err != nil || strings.Contains(out, "page 0:") || !strings.Contains(out, "all: ") {
		t.Errorf("the summary: error %v\n%s", err, out)
	}
}
