// Command holdfast carries complete, versioned copies of datasets to the
// applications that decide on them: it publishes versions, serves them, and
// replays decisions on the data they were made on.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := daemon.StopSignals(context.Background()) // a second one ends what does not heed the first
	defer stop()
	surviveBrokenPipe()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &answer{to: os.Stdout, gone: cancel}
	root := newRoot()
	root.SetOut(out)
	defer daemon.EndAnyway(ctx, patienceOf(root), func() {
		fmt.Fprintln(os.Stderr, "holdfast: interrupted, and ended though something does not heed that, such as a read of a file system that does not answer")
		os.Exit(exitError)
	})()
	slog.SetDefault(logger(root)) // for what has no logger of its own
	err := howToGoOn(root, root.ExecuteContext(ctx))
	return codeOf(ctx, err, out.failed())
}

// What was told to stop is ended if it has not come to an end for so long: a
// sidecar first lets calls under way come to their end.
const (
	patience        = 10 * time.Second
	sidecarPatience = 25 * time.Second
)

// patienceOf returns the patience with the command that is to be run.
func patienceOf(root *cobra.Command) time.Duration {
	if c, _, err := root.Find(os.Args[1:]); err == nil && c.Name() == "run" {
		return sidecarPatience
	}
	return patience
}

// codeOf says on standard error what went wrong, and returns the exit code.
// unwritten is why the answer is incomplete, if it is: then the command's own
// error only follows from that, but for what it says that was done.
func codeOf(ctx context.Context, err, unwritten error) int {
	var did *doneError
	if errors.As(err, &did) {
		fmt.Fprintln(os.Stderr, "holdfast:", printableLines(did.Error()))
		return exitError
	}
	if unwritten != nil {
		if !quietly(unwritten) {
			fmt.Fprintln(os.Stderr, "holdfast:", unwritten)
		}
		return exitError
	}
	var no *answerNo
	switch {
	case err == nil:
		return exitYes
	case errors.As(err, &no):
		if no.text != "" {
			fmt.Fprintln(os.Stderr, printableLines(no.text))
		}
		return no.code
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintln(os.Stderr, "holdfast:", printableLines(err.Error()))
	return exitError
}

// printableLines is printable, but for the ends of lines: what is wrong may hold
// keys, names and file names of others.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = dataset.Printable(line)
	}
	return strings.Join(lines, "\n")
}

// The exit codes that every command has.
const (
	exitYes          = 0 // done, or the answer is yes or "the same"
	exitNo           = 1 // the answer is no: absent, different, bad, not to be released
	exitError        = 2 // wrong usage, a failed operation, a conflict
	exitInconclusive = 3 // there is no answer
)

// answerNo ends a command that worked, but whose answer is not yes.
type answerNo struct {
	code int
	text string // for standard error; may be empty
}

func (a *answerNo) Error() string { return a.text }
