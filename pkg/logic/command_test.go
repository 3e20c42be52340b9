package logic_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// usageSession is a session with two records of dataset usage.
func usageSession(t testing.TB) *logic.Session {
	t.Helper()
	mapping, err := featuregate.Mapping(featuregate.Usage)
	if err != nil {
		t.Fatal(err)
	}
	return sessionOf(t, mapping, &pb.Usage{Region: "KR", Name: "Korea"}, &pb.Usage{Region: "KE", Name: "Kenya"})
}

// sessionOf is a session with records of dataset usage, as it is declared there.
func sessionOf(t testing.TB, mapping *protomap.Mapping, records ...proto.Message) *logic.Session {
	t.Helper()
	c, err := cycle.Open(t.Context(), cycle.Config{
		Dataset: featuregate.Usage, Store: blob.NewMemory(), Mapping: mapping, Author: announce.Author{Name: "test"}, SnapshotEvery: 1,
		Now: func() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Run(t.Context(), dataset.Lineage{}, func(sink protomap.Sink) error {
		for _, u := range records {
			if _, err := mapping.Add(sink, u.ProtoReflect()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return logic.NewSession([]*replica.View{c.Base()}, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), 255)
}

// runCommand runs one of commands and returns what it printed.
func runCommand(t testing.TB, name string) (said string, out *replica.View, err error) {
	t.Helper()
	return runCommandOn(t, name, usageSession(t))
}

func runCommandOn(t testing.TB, name string, s *logic.Session) (said string, out *replica.View, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	c := &logic.Command{Args: []string{self, name}, Timeout: time.Minute, Print: &printed}
	out, err = c.Logic(featuregate.Output, mapping).Compute(t.Context(), s)
	return printed.String(), out, err
}

func TestCommandLooksUp(t *testing.T) {
	said, _, err := runCommand(t, "look_up")
	if !errors.Is(err, logic.ErrNotInSession) {
		t.Errorf("the run read browsers, its error is %v", err)
	}
	want := `Datasets: {"datasets":[{"key":["region"],"name":"usage","required":true,"root":"Usage","service":"holdfast.data.usage.UsageService"}]}
Get [KR]: {"region":"KR","name":"Korea","month":"","shares":[]}
Get [XX]: NotFound dataset usage: no record has this key
Get [KR KR]: InvalidArgument read key: 2 values given, the key is (region): key does not fit the dataset
BatchGet: 2
GetUsage {"region":"KR"}: {"name":"Korea","region":"KR"}
GetUsage {"region":"XX"}: NotFound no record has this key
BatchGetUsage {"keys":[{"region":"XX"},{"region":"KR"}]}: {"results":[{},{"record":{"name":"Korea","region":"KR"}}]}
GetBrowser: FailedPrecondition call /holdfast.data.browsers.BrowserService/GetBrowser: dataset is not in the session
`
	if d := cmp.Diff(want, said); d != "" {
		t.Errorf("transcript (-want +got):\n%s", d)
	}
}

func TestCommandBySDK(t *testing.T) {
	said, out, err := runCommand(t, "sdk")
	if err != nil {
		t.Fatal(err)
	}
	want := `2026-01-02 03:04:05.000000006 +0000 UTC 255 usage
2 Korea <nil>
true <nil>
900 Kenya true Korea <nil>
read dataset usage: a command has no view: read with Records and Get
`
	if d := cmp.Diff(want, said); d != "" || out.Root().Len() != 1 {
		t.Errorf("%d records, transcript (-want +got):\n%s", out.Root().Len(), d)
	}
}

func TestCommandPhases(t *testing.T) {
	said, _, err := runCommand(t, "phases")
	var failed *logic.RunError
	if !errors.As(err, &failed) {
		t.Errorf("calls in a wrong order: error %v", err)
	}
	want := `Emit: FailedPrecondition the call does not fit the run: it has not begun: call Begin first
Begin: 
Begin again: FailedPrecondition the call does not fit the run: it has begun already
Emit: 
Commit: FailedPrecondition the call does not fit the run: it has not begun: call Begin first
`
	if d := cmp.Diff(want, said); d != "" {
		t.Errorf("transcript (-want +got):\n%s", d)
	}
}

// TestCommandStops ends a command with its caller, which is no failure of the
// logic.
func TestCommandStops(t *testing.T) {
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started := &firstWrite{done: cancel}
	c := &logic.Command{Args: []string{"sh", "-c", "echo started; exec tail -f /dev/null"}, Print: started}
	_, err = c.Logic(featuregate.Output, mapping).Compute(ctx, usageSession(t))
	var failed *logic.RunError
	if !errors.Is(err, context.Canceled) || errors.As(err, &failed) {
		t.Errorf("a run that was interrupted: error %v", err)
	}
}

// firstWrite calls done when something is written.
type firstWrite struct{ done func() }

func (w *firstWrite) Write(b []byte) (int, error) {
	w.done()
	return len(b), nil
}

func TestMainWithoutHost(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(self, "sdk").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "this program is run by holdfast") {
		t.Errorf("a command without a host says %q, error %v", out, err)
	}
}

// TestBuild tells commands apart by their arguments and by the files that these
// name, and says which those are.
func TestBuild(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ args, file string }{
		{"sh f", "f"}, {"sh -c f --x f", "f"}, {"sh --config=f", "f"}, {"sh config=f", "f"}, {"sh @f", "f"}, {"sh --args=@f", "f"},
		{"sh --x=a=f", ""}, {"sh --x=no=f", ""}, {"sh -xf", ""}, {"sh ./f/", ""}, {"sh folder", ""}, {"sh --x=folder", ""}, {"sh =", ""}, {"sh @", ""},
		{"sh ./f.x", ""}, {"sh --x=f,f", ""},
	} {
		c := logic.Command{Args: strings.Fields(x.args)}
		var builds, programs []string
		for _, text := range []string{"one", "two"} {
			if err := os.WriteFile("f", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			build, err := c.Build()
			if err != nil {
				t.Fatal(err)
			}
			program, err := c.Program()
			if err != nil {
				t.Fatal(err)
			}
			builds, programs = append(builds, build), append(programs, program)
		}
		files, err := c.Files()
		if err != nil || len(files) == 0 || filepath.Base(files[0]) != "sh" {
			t.Fatalf("%s: files %v, error %v", x.args, files, err)
		}
		if covers := len(files) > 1; covers != (x.file != "") || covers && files[1] != x.file || covers == (builds[0] == builds[1]) || programs[0] != programs[1] {
			t.Errorf("%s: covers %v, builds %v, programs %v", x.args, files[1:], builds, programs)
		}
	}
	one, two := logic.Command{Args: []string{"sh", "a"}}, logic.Command{Args: []string{"sh", "b"}}
	for name, build := range map[string]func(*logic.Command) (string, error){"build": (*logic.Command).Build, "program": (*logic.Command).Program} {
		a, err := build(&one)
		b, err2 := build(&two)
		if err != nil || err2 != nil || a == b {
			t.Errorf("%s: %s and %s, errors %v, %v", name, a, b, err, err2)
		}
	}
	if err := os.WriteFile("one", []byte("#!/bin/sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link("one", "other"); err != nil {
		t.Fatal(err)
	}
	a, err := (&logic.Command{Args: []string{"./one"}}).Program()
	b, err2 := (&logic.Command{Args: []string{"./other"}}).Program()
	if err != nil || err2 != nil || a == b {
		t.Errorf("one file with two names: %s and %s, errors %v, %v", a, b, err, err2)
	}
	if _, err := (&logic.Command{Args: []string{"no-such-program"}}).Build(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("no program: error %v", err)
	}
}
