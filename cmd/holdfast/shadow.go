package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/replay"
	"github.com/holdfast-data/holdfast/shadow"
)

func newShadow() *cobra.Command {
	var j judgeFlags
	var dir string
	var once, again bool
	var last int
	var poll time.Duration
	c := &cobra.Command{
		Use:   "shadow --store DIR --output DATASET --dir RUNS [--control 'CMD…'] -- CMD…",
		Short: "Let a candidate logic follow PROD and compare each output",
		Long: `Shadow replays each evaluation of PROD's logic with a candidate, those that are
there and those that come, and keeps what each run showed in a folder. It goes on
where it stopped: a kept run is not made again, an INCONCLUSIVE one neither, as
long as all is the same that its verdict depends on: the builds of candidate and
control, rules, schema, --runs, --timeout, --breaking and evaluation. All are kept
until you remove the folder, however many they are.

The candidate's build is a digest of its program, its arguments and the files that
these name (FILE, --x=FILE, @FILE). What else it reads is not seen: modules and
libraries, folders, variables, the words of sh -c. Name its code with --build, then
another name is another candidate; or have all run once more with --again. If the
files change while it runs, shadow ends with exit code 2.

With --once it ends when it has caught up, with the exit code of the verdict on
all evaluations; those that are kept runs are marked as such, with the time of each.
Kept runs of this candidate count although their evaluations were pruned since, and
the verdict says so; with --last N it is on the newest N that are there. It says how
many versions were pruned of which no run by the same terms is kept.
Interrupted before that, it ends with exit code 2. Without --once it follows until
it is interrupted, which is exit code 0 and no verdict. If the store or
the folder is out of reach meanwhile, it says so, tries again (at the latest after
a minute, or --poll if that is longer) and makes up for what it missed; only rules
or keys that cannot be applied, files of a command that change, and a reader of its
answer that is gone end it. One shadow at a time uses a folder; ls and show do not
count.
` + verdictHelp,
		Example: `  holdfast shadow --store ./store --output availability --dir ./runs --control ./prod -- ./candidate
  holdfast shadow --store ./store --output availability --dir ./runs --control ./prod --once -- ./candidate
  holdfast shadow ls --dir ./runs`,
		Args: cobra.ArbitraryArgs,
	}
	j.add(c)
	f := c.Flags()
	f.StringVar(&j.output, "output", "", "the dataset that PROD's logic makes (required)")
	f.StringVar(&dir, "dir", "", "folder that keeps the runs and the candidate's outputs; it is made if it is missing (required)")
	f.BoolVar(&once, "once", false, "end when all evaluations are compared")
	f.BoolVar(&again, "again", false, "run the candidate also where a run is kept, whose place the new one takes")
	f.IntVar(&last, "last", 0, "begin with the newest so many evaluations; 0 means all")
	f.DurationVar(&poll, "poll", time.Second, "how often to look for new evaluations")
	_ = c.MarkFlagRequired("output")
	_ = c.MarkFlagRequired("dir")
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := dataset.ParseName(j.output)
		if err != nil {
			return err
		}
		if poll <= 0 || last < 0 {
			return errors.New("--poll must be greater than 0, --last not negative")
		}
		if err := replay.Kept(dir, shadowName); err != nil {
			return err
		}
		r, store, err := j.commands(c, args, n, filepath.Join(dir, outputsDir))
		if err == nil {
			err = errors.Join(replay.Apart(dir, store), replay.Apart(shadowRuns(dir), store))
		}
		if err != nil {
			return err
		}
		lock, err := shadow.Lock(dir)
		if err != nil {
			return err
		}
		defer func() { _ = lock.Close() }() // or the process does
		runs, err := shadow.OpenStore(c.Context(), shadowRuns(dir))
		if err != nil {
			return err
		}
		s := &follower{c: c, replayer: r, store: store, output: n, dir: dir, once: once, format: j.format, last: last}
		s.shadow = shadow.Follower{Replayer: presence{r, s}, Runs: runs, Again: again, Seen: s.show}
		fmt.Fprintln(c.ErrOrStderr(), coverage(r, j.build))
		return s.run(c.Context(), poll)
	}
	c.AddCommand(newShadowLs(), newShadowShow())
	return c
}

// shadowName are the folders in that of a shadow.
var shadowName = regexp.MustCompile("^(" + runsDir + "|" + outputsDir + ")$")

// coverage says what the name of the candidate's build stands for.
func coverage(r *replay.Commands, name string) string {
	files := strings.Join(r.Covers(), ", ")
	if name == "" {
		return fmt.Sprintf("the candidate's build is a digest of its arguments and of %s; what else it reads is not in it, see --build", files)
	}
	return fmt.Sprintf("the candidate's build is what --build says, its arguments and %s", files)
}

// follower is a shadow at work.
type follower struct {
	c        *cobra.Command
	replayer *replay.Commands
	shadow   shadow.Follower
	store    blob.Store
	output   dataset.Name
	dir      string
	once     bool
	format   string
	last     int // of the first look; 0 means all

	skipped  map[string]bool          // evaluations before the first one
	passed   map[dataset.Version]bool // their versions, and those of which it was said that they were pruned
	missed   int                      // how many were pruned that are not judged
	position int64                    // of the log when it was looked at last
	looked   bool
	kept     int // runs that were not made again, and that nobody was told of

	unwritten error // why a report could not be printed
}

// longestPause bounds the time from a failure to the next attempt, unless the
// poll interval is longer.
const longestPause = time.Minute

func (s *follower) run(ctx context.Context, poll time.Duration) error {
	pause, failing := poll, false
	for {
		reports, err := s.catchUp(ctx)
		switch {
		case s.unwritten != nil:
			return s.unwritten
		case err != nil && (s.once || lasting(err)):
			return err
		case err != nil && ctx.Err() != nil:
			return nil // interrupted; the next start goes on from here
		case err != nil:
			pause, failing = min(2*pause, max(poll, longestPause)), true
			logger(s.c).Warn("PROD is not followed, trying again", "dataset", s.output, "in", pause, "error", err)
		case s.once:
			return s.sum(reports)
		default:
			if failing {
				logger(s.c).Info("PROD is followed again", "dataset", s.output)
			}
			pause, failing = poll, false
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// lasting says whether an error is one of usage, which no waiting mends.
func lasting(err error) bool {
	for _, cause := range []error{compare.ErrRule, diff.ErrKeysDiffer, diff.ErrNoRoot, replay.ErrBuildChanged, shadow.ErrTooLarge} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// look returns the position of PROD's log. That there is none any more is an
// error: nothing would be found missing in a store that is not there.
func (s *follower) look(ctx context.Context) (int64, error) {
	f, err := announce.Open(s.store, s.output).Refresh(ctx)
	if err == nil && f.Position < 0 {
		err = fmt.Errorf("the log of %s is empty: the store is out of reach, or was emptied", s.output)
	}
	return f.Position, err
}

// catchUp replays what is new and returns the reports of all evaluations, or
// none if nothing is new.
func (s *follower) catchUp(ctx context.Context) ([]*compare.Report, error) {
	position, err := s.look(ctx)
	if err != nil || s.looked && position == s.position {
		return nil, err
	}
	all, pruned, err := logic.EvaluationsAndPruned(ctx, s.store, s.output)
	if err != nil {
		return nil, err
	}
	s.position = position
	reports, err := s.follow(ctx, all, pruned)
	if s.kept > 0 {
		fmt.Fprintf(s.c.ErrOrStderr(), "%s not made again, see ls; --again makes them anew\n", keptAre(s.kept))
		s.kept = 0
	}
	if err != nil {
		s.position = -1 // so that the next look goes on here
	}
	return reports, err
}

// follow replays what is new of all evaluations that are there.
func (s *follower) follow(ctx context.Context, all []dataset.Evaluation, pruned []dataset.Version) ([]*compare.Report, error) {
	chosen := s.choose(slices.Clone(all), pruned)
	gone, err := s.passOver(ctx, all, pruned)
	if err != nil {
		return nil, err
	}
	reports, err := s.shadow.Follow(ctx, chosen)
	return append(gone, reports...), err
}

// choose returns all evaluations but those that were before the last ones at the
// first look. It remembers which, not how many: some may be pruned meanwhile.
func (s *follower) choose(all []dataset.Evaluation, pruned []dataset.Version) []dataset.Evaluation {
	if !s.looked && s.last > 0 {
		if len(all) < s.last {
			fmt.Fprintf(s.c.ErrOrStderr(), "--last %d: only %s there, all others were pruned or never made\n", s.last, evaluationsAre(len(all)))
		}
		s.skipped, s.passed = map[string]bool{}, map[dataset.Version]bool{}
		for _, e := range all[:max(0, len(all)-s.last)] {
			s.skipped[nameOf(e)], s.passed[e.Output] = true, true
		}
		for _, v := range pruned {
			s.passed[v] = true
		}
		s.missed = min(len(pruned), max(0, s.last-len(all)))
	}
	s.looked = true // an outage does not choose the first evaluation again
	if len(s.skipped) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(e dataset.Evaluation) bool { return s.skipped[nameOf(e)] })
}

// nameOf tells an evaluation from all others.
func nameOf(e dataset.Evaluation) string { return shadow.ID(&compare.Report{Evaluation: e}) }

func evaluationsAre(n int) string {
	if n == 1 {
		return "1 evaluation is"
	}
	return fmt.Sprintf("%d evaluations are", n)
}

func keptAre(n int) string {
	if n == 1 {
		return "1 kept run is"
	}
	return fmt.Sprintf("%d kept runs are", n)
}

// presence is a replayer that does not take a store out of reach for one that
// has lost a version, which would be kept for ever.
type presence struct {
	*replay.Commands
	follower *follower
}

// Replay implements shadow.Replayer.
func (p presence) Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error) {
	r, err := p.Commands.Replay(ctx, e)
	if err != nil || r.Verdict != compare.Inconclusive {
		return r, err
	}
	position, err := p.follower.look(ctx)
	if err == nil && position < p.follower.position {
		err = fmt.Errorf("the log of %s became shorter during a run", p.follower.output)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// show prints a report: one line of JSON, or a line for a person. Who follows is
// told only how many were kept.
func (s *follower) show(r *compare.Report) {
	if r.Kept && !s.once {
		s.kept++
		return
	}
	if s.format == "json" {
		s.printed(printJSON(s.c.OutOrStdout(), r))
		return
	}
	kept := ""
	switch {
	case r.Gone:
		kept = fmt.Sprintf(" (a kept run of %s, of what is not in the store any more)", timeText(r.At))
	case r.Kept:
		kept = fmt.Sprintf(" (a kept run of %s)", timeText(r.At))
	}
	_, err := fmt.Fprintf(s.c.OutOrStdout(), "%s  %s@%s  +%d -%d ~%d =%d  %s%s%s\n",
		shadow.ID(r), s.output, r.Output, r.Added, r.Removed, r.Changed, r.Unchanged, r.Verdict, kept, because(r))
	s.printed(err)
}

func because(r *compare.Report) string {
	if len(r.Reasons) == 0 {
		return ""
	}
	return ": " + dataset.Printable(strings.Join(r.Reasons, "; "))
}

// keptRuns makes a command of f over the runs of --dir.
func keptRuns(c *cobra.Command, f func(args []string, all []*compare.Report, format string) error) *cobra.Command {
	dir := c.Flags().String("dir", "", "folder that keeps the runs (required)")
	_ = c.MarkFlagRequired("dir")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		if _, err := os.Stat(shadowRuns(*dir)); err != nil {
			return fmt.Errorf("%s has no kept runs: %w", *dir, err)
		}
		runs, err := shadow.OpenStore(c.Context(), shadowRuns(*dir))
		if err != nil {
			return err
		}
		all, err := runs.All(c.Context())
		if err != nil {
			return err
		}
		return f(args, all, *output)
	}
	return c
}

// maxBrief is how many characters of the reasons ls prints; show prints all.
const maxBrief = 60

func inBrief(reasons []string) string {
	text := []rune(strings.ToValidUTF8(strings.Join(reasons, "; "), "\uFFFD"))
	if len(text) > maxBrief {
		return string(text[:maxBrief-1]) + "…"
	}
	return string(text)
}

// keptRun is a run as ls prints it in JSON.
type keptRun struct {
	ID string `json:"id"`
	*compare.Report
}

func newShadowLs() *cobra.Command {
	c := &cobra.Command{
		Use: "ls --dir RUNS", Short: "List the kept runs, oldest evaluation first",
		Long: `List the kept runs, oldest evaluation first: each with the clock of its evaluation,
by which runs on an output that did not change differ, and the beginning of the
reasons of its verdict. Show, and -o json, have all of it.`,
		Example: "  holdfast shadow ls --dir ./runs", Args: cobra.NoArgs,
	}
	return keptRuns(c, func(_ []string, all []*compare.Report, format string) error {
		rows := [][]string{{"RUN", "OUTPUT", "CLOCK", "CANDIDATE", "ADDED", "REMOVED", "CHANGED", "UNCHANGED", "VERDICT", "REASON"}}
		list := []keptRun{}
		for _, r := range all {
			list = append(list, keptRun{shadow.ID(r), r})
			rows = append(rows, []string{
				shadow.ID(r), r.Output.String(), timeText(r.Evaluation.Clock), fmt.Sprintf("%.19s", r.Candidate), strconv.Itoa(r.Added), strconv.Itoa(r.Removed),
				strconv.Itoa(r.Changed), strconv.Itoa(r.Unchanged), string(r.Verdict), inBrief(r.Reasons),
			})
		}
		if format == "json" {
			return printJSON(c.OutOrStdout(), list)
		}
		return printTable(c.OutOrStdout(), rows)
	})
}

func newShadowShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show RUN --dir RUNS", Short: "Show what a run showed",
		Long: `Show prints a run, which is named by the beginning of its name in ls, or by "newest".
Its exit code says whether there is one, and nothing about its verdict.`,
		Example: "  holdfast shadow show newest --dir ./runs", Args: cobra.ExactArgs(1),
	}
	return keptRuns(c, func(args []string, all []*compare.Report, format string) error {
		var found []*compare.Report
		for _, r := range all {
			if strings.HasPrefix(shadow.ID(r), args[0]) {
				found = append(found, r)
			}
		}
		if args[0] == "newest" && len(all) > 0 {
			found = all[len(all)-1:]
		}
		switch {
		case len(found) == 0:
			return &answerNo{exitNo, fmt.Sprintf("there is no run %s", args[0])}
		case len(found) > 1:
			return fmt.Errorf("%d runs begin with %s", len(found), args[0])
		}
		r := found[0]
		if format == "json" {
			return printJSON(c.OutOrStdout(), keptRun{shadow.ID(r), r})
		}
		w := c.OutOrStdout()
		fmt.Fprintf(w, "run        %s\nmade       %s\ncandidate  %s, of %s\ncontrol    %s\noutput     %s, made by %s\nclock      %s\n",
			shadow.ID(r), timeText(r.At), r.Candidate, cmp.Or(strings.Join(r.Covers, ", "), "files not recorded"), cmp.Or(r.Control, "none"), r.Output, maker(r.Evaluation), timeText(r.Evaluation.Clock))
		for _, in := range r.Evaluation.Inputs {
			fmt.Fprintf(w, "input      %s@%s\n", in.Dataset, in.Version)
		}
		r.Print(w)
		return nil
	})
}
