package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/replay"
)

const verdictHelp = `
The verdict is SAME or DIFFERENT, with a gate GO or NO-GO, and INCONCLUSIVE if it
cannot be known: an input or PROD's output is gone, there is no control or it does
not make PROD's output again, the candidate fails, is killed by --timeout, reads what
it was not given, writes what is not its output, or makes two outputs of the same
inputs, there are too few records, the rules ignore every field, or the gate could
not have failed. A --schema that PROD's readers would misread is DIFFERENT or NO-GO
without --breaking. Exit codes: 0 SAME or GO, 1 DIFFERENT or NO-GO, 3 INCONCLUSIVE,
2 if the comparison itself could not be made, or was interrupted.`

// apart is the least time from one run of a candidate to the next: clocks are
// often read in whole seconds.
const apart = 1100 * time.Millisecond

// judgeFlags are the flags of commands that judge a candidate.
type judgeFlags struct {
	store, output, control, schema string
	build                          string
	breaking                       bool
	gates, rules                   []string
	timeout                        time.Duration
	runs, examples                 int
	format                         string
}

func (j *judgeFlags) add(c *cobra.Command) {
	f := c.Flags()
	storeFlag(c, &j.store, "PROD's store, a folder or a URL")
	f.StringVar(&j.control, "control", "", "command line of PROD's logic, which must make PROD's output again; without it every verdict is INCONCLUSIVE")
	f.StringArrayVar(&j.gates, "gate", nil, `limit such as "available: 0" or "added: 1%"; may be given more than once`)
	f.StringArrayVar(&j.rules, "rules", nil, "file of rules: gate, ignore, values, min_records; one at most")
	f.StringVar(&j.schema, "schema", "", ".proto file of the candidate's output, if it is not PROD's")
	f.BoolVar(&j.breaking, "breaking", false, "judge by the records alone, although PROD's readers would misread those of --schema")
	f.StringVar(&j.build, "build", "", "name of the candidate's code, such as a commit (default: a digest of its program, its arguments and the files among these)")
	f.DurationVar(&j.timeout, "timeout", 10*time.Minute, "longest run of a command; one that takes longer is killed")
	f.IntVar(&j.runs, "runs", 2, "how often the candidate runs on the same inputs, to see whether it always makes the same output; at least 2")
	f.IntVar(&j.examples, "examples", 3, "differing records to show of each kind")
	f.StringVarP(&j.format, "format", "o", "table", "output format: table or json")
}

// commands opens what the flags and the arguments after -- describe; dir is
// where the candidate's outputs go.
func (j *judgeFlags) commands(c *cobra.Command, args []string, output dataset.Name, dir string) (*replay.Commands, blob.Store, error) {
	if err := checkOutput(j.format); err != nil {
		return nil, nil, err
	}
	if c.ArgsLenAtDash() != 0 || len(args) == 0 {
		return nil, nil, fmt.Errorf("write the candidate's command at the end, after --\nTry: %s --help", c.CommandPath())
	}
	if err := j.check(c); err != nil {
		return nil, nil, err
	}
	store, err := cloud.Open(c.Context(), j.store)
	if err != nil {
		return nil, nil, err
	}
	if _, err := (&storeSource{store}).replica(c.Context(), output); err != nil {
		return nil, nil, err
	}
	cfg := replay.CommandConfig{Dir: dir, CandidateCommand: j.command(c, args)}
	cfg.Store, cfg.Output, cfg.Runs, cfg.Apart, cfg.Examples = store, output, j.runs, apart, j.examples
	cfg.Now, cfg.Logger, cfg.Build, cfg.Breaking = time.Now, quiet(c), j.build, j.breaking
	if j.control != "" {
		words, err := splitWords(j.control)
		if err != nil {
			return nil, nil, fmt.Errorf("--control: %w", err)
		}
		cfg.ControlCommand = j.command(c, words)
	}
	if cfg.Rules, err = j.readRules(); err != nil {
		return nil, nil, err
	}
	if j.schema != "" {
		if cfg.Schema, err = compile(c.Context(), j.schema); err != nil {
			return nil, nil, err
		}
	}
	r, err := replay.OpenCommands(cfg)
	return r, store, err
}

func (j *judgeFlags) check(c *cobra.Command) error {
	switch {
	case j.runs < 2 || j.timeout <= 0 || j.examples < 0:
		return errors.New("--runs must be at least 2, --timeout greater than 0, --examples not negative")
	case j.breaking && j.schema == "":
		return errors.New("--breaking is for a candidate with a --schema of its own")
	case c.Flags().Changed("build"):
		return checkText("build", j.build, maxWho)
	}
	return nil
}

func (j *judgeFlags) command(c *cobra.Command, words []string) *logic.Command {
	return &logic.Command{Args: words, Supervisor: supervisor(), Timeout: j.timeout, Print: c.ErrOrStderr()}
}

// superviseName is a command that only this program calls.
const superviseName = "supervise"

// supervisor returns the command line of newSupervise.
func supervisor() []string {
	self, err := os.Executable()
	if err != nil || runtime.GOOS != "linux" {
		return nil
	}
	return []string{self, superviseName, "--"}
}

// newSupervise runs a command for replay and shadow, and ends with it all that
// it started.
func newSupervise() *cobra.Command {
	return &cobra.Command{
		Use: superviseName + " -- CMD…", Hidden: true, Args: cobra.MinimumNArgs(1),
		Short:   "Run a logic's command, and kill what it leaves behind",
		Example: "  holdfast supervise -- ./candidate",
		RunE: func(_ *cobra.Command, args []string) error {
			if code := logic.Supervise(args); code != 0 {
				return &answerNo{code: code, text: "supervise is what replay and shadow call"}
			}
			return nil
		},
	}
}

// maxRules is the greatest size of a file of rules, in bytes.
const maxRules = 1 << 20

// readRules reads the file, to which --gate adds.
func (j *judgeFlags) readRules() (r compare.Rules, err error) {
	if len(j.rules) > 1 { // the last one alone would count, and perhaps not the strictest
		return r, errors.New("--rules is given more than once: put all rules into one file")
	}
	for _, file := range j.rules {
		text, err := blob.ReadFile(file, maxRules)
		if err != nil {
			return r, fmt.Errorf("read rules: %w", err)
		}
		if r, err = compare.ParseRules(text); err != nil {
			return r, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, text := range j.gates {
		l, err := compare.ParseLimit(text)
		if err == nil {
			err = r.Limit(l)
		}
		if err != nil {
			return r, fmt.Errorf("--gate: %w", err)
		}
	}
	return r, nil
}

// splitWords splits a command line as a shell does, without expanding anything.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quote := false, rune(0)
	escaped := false
	for _, x := range text {
		switch {
		case escaped:
			word.WriteRune(x)
			escaped = false
		case x == '\\' && quote != '\'':
			in, escaped = true, true
		case quote != 0 && x == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(x)
		case x == '\'' || x == '"':
			in, quote = true, x
		case x == ' ' || x == '\t' || x == '\n':
			if in {
				words = append(words, word.String())
			}
			in = false
			word.Reset()
		default:
			in = true
			word.WriteRune(x)
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote in %q is not closed", text)
	}
	if in {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("the command is empty")
	}
	return words, nil
}

// replayResult is what replay prints as JSON.
type replayResult struct {
	Verdict compare.Verdict   `json:"verdict"`
	Reasons []string          `json:"reasons,omitempty"`
	Reports []*compare.Report `json:"reports"`
	// Asked is how many evaluations were to be replayed, if no more than those in
	// Reports were ever made.
	Asked int `json:"asked,omitempty"`
}

func newReplay() *cobra.Command {
	var j judgeFlags
	var last int
	var keep string
	c := &cobra.Command{
		Use:   "replay --store DIR --output DATASET[@VERSION] [--control 'CMD…'] -- CMD…",
		Short: "Run a candidate logic on the inputs of a version and compare",
		Long: `Replay runs a command on exactly the inputs, clock and seed that PROD's logic had
when it made a version (without one: the newest), and compares its output with
that version, record by record. First the control, PROD's own logic, must make
that version again. The command gets its inputs and gives its output over the
socket that HOLDFAST_ADDRESS names; see docs/replay.md. Its output goes to a store
of its own.

A gate refuses more differing records than its limit. As soon as there is one,
added and removed records are refused, too, unless they have a limit, and changed
ones if it limits neither a field nor those.
` + verdictHelp,
		Example: `  holdfast replay --store ./store --output availability --control ./prod -- ./candidate
  holdfast replay --store ./store --output availability@20260102150405000 --last 10 \
    --control './prod --fast' --gate 'available: 0' --gate 'full_percent: 0.5%' -o json -- ./candidate`,
	}
	j.add(c)
	f := c.Flags()
	f.StringVar(&j.output, "output", "", "the dataset, and perhaps the version, that PROD's logic made (required)")
	f.IntVar(&last, "last", 1, "how many evaluations to replay, the last one being that of the version; one that is gone is INCONCLUSIVE")
	f.StringVar(&keep, "keep", "", "folder to keep the candidate's outputs in, one store for each build and schema (default: they are removed)")
	_ = c.MarkFlagRequired("output")
	c.RunE = func(c *cobra.Command, args []string) error {
		t, err := parseTarget(j.output)
		if err != nil {
			return err
		}
		if last < 1 {
			return errors.New("--last must be at least 1")
		}
		dir := keep
		if dir == "" {
			scratch, remove, err := logic.Scratch()
			if err != nil {
				return err
			}
			defer func() { _ = remove() }() // or the next replay does
			dir = filepath.Join(scratch, outputsDir)
		}
		r, store, err := j.commands(c, args, t.name, dir)
		if err != nil {
			return err
		}
		all, err := logic.History(c.Context(), store, t.name)
		if err != nil {
			return err
		}
		chosen, err := replay.Select(all, t.version, last)
		if err != nil {
			return fmt.Errorf("replay %s: %w", j.output, err)
		}
		return runReplay(c, r, replayOrder{t.name, chosen, last}, j.format)
	}
	return c
}

// replayOrder is what to replay, and how many evaluations were asked for.
type replayOrder struct {
	output dataset.Name
	chosen []logic.Past
	asked  int
}

func runReplay(c *cobra.Command, r *replay.Commands, o replayOrder, format string) error {
	var out replayResult
	if len(o.chosen) < o.asked {
		out.Asked = o.asked
		fmt.Fprintf(c.ErrOrStderr(), "--last %d: only %s ever made up to that one\n", o.asked, evaluationsWere(len(o.chosen)))
	}
	for i, past := range o.chosen {
		fmt.Fprintf(c.ErrOrStderr(), "replaying %d of %d: %s@%s\n", i+1, len(o.chosen), o.output, past.Output)
		report, err := r.ReplayPast(c.Context(), past)
		if err != nil {
			return err
		}
		out.Reports = append(out.Reports, report)
		if format == "table" {
			printReport(c.OutOrStdout(), o.output, report)
		}
	}
	out.Verdict, out.Reasons = compare.Sum(out.Reports)
	if format == "json" {
		if err := printJSON(c.OutOrStdout(), out); err != nil {
			return err
		}
	} else {
		printSum(c.OutOrStdout(), out)
	}
	return exitOf(out.Verdict)
}

func printReport(w io.Writer, output dataset.Name, r *compare.Report) {
	fmt.Fprintf(w, "%s@%s", output, r.Output)
	of := inputs(r.Evaluation)
	if of != "" || r.Evaluation.Logic+r.Evaluation.Build != "" { // what made it is known
		fmt.Fprintf(w, ", made by %s", maker(r.Evaluation))
	}
	if of != "" {
		fmt.Fprintf(w, " of %s", of)
	}
	fmt.Fprintln(w)
	if r.Check != nil && r.Check.Reproduced {
		fmt.Fprintf(w, "  the control made it again: content checksum %.16s…\n", r.Check.Checksum)
	}
	r.Print(w)
}

// maker says which logic made an output, as far as that was recorded.
func maker(e dataset.Evaluation) string {
	name, build := dataset.Printable(e.Logic), dataset.Printable(e.Build)
	switch {
	case build == "" && name == "":
		return "a logic whose name and build were not recorded"
	case name == "":
		return build
	}
	return fmt.Sprintf("%s (%s)", name, cmp.Or(build, "build not recorded"))
}

func printSum(w io.Writer, out replayResult) {
	if len(out.Reports) > 1 || out.Asked > 0 {
		few := ""
		if out.Asked > 0 {
			few = fmt.Sprintf(", all that were ever made of the %d asked for", out.Asked)
		}
		_ = printVerdict(w, len(out.Reports), few, out.Verdict, out.Reasons)
	}
}

// printVerdict prints the verdict on some evaluations; more stands behind their
// number.
func printVerdict(w io.Writer, evaluations int, more string, v compare.Verdict, reasons []string) error {
	text := fmt.Sprintf("verdict on %s%s: %s\n", count(evaluations, "evaluation"), more, v)
	for _, reason := range reasons {
		text += fmt.Sprintf("  %s\n", dataset.Printable(reason))
	}
	_, err := io.WriteString(w, text)
	return err
}

// evaluationsWere says how many evaluations were, before what they were.
func evaluationsWere(n int) string {
	if n == 1 {
		return "1 evaluation was"
	}
	return fmt.Sprintf("%d evaluations were", n)
}

// exitOf ends a command by its verdict.
func exitOf(v compare.Verdict) error {
	switch {
	case v.Good():
		return nil
	case v == compare.Inconclusive:
		return &answerNo{code: exitInconclusive}
	}
	return &answerNo{code: exitNo}
}

// runsDir and outputsDir are the folders that a shadow keeps in its own.
const runsDir, outputsDir = "runs", "outputs"

func shadowRuns(dir string) string { return filepath.Join(dir, runsDir) }

// sleep waits for d or until ctx ends, and says which.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
